import { localOut } from "../kernel/path/local-out.ts";
import { routeOutput } from "../kernel/route/output-route.ts";
import { RTN_LOCAL } from "../kernel/route/types.ts";
import type { Stack } from "../kernel/stack.ts";
import {
  IPPROTO_SCTP,
  type Packet,
  PHASE_DATA,
  PHASE_REPEAT,
  PHASE_REPLY,
  PHASE_REQUEST,
} from "../packet/packet.ts";
import {
  fillChunk,
  initiateTag,
  SCTP_ABORT,
  SCTP_COOKIE_ACK,
  SCTP_COOKIE_ECHO,
  SCTP_DATA,
  SCTP_INIT,
  SCTP_INIT_ACK,
  SCTP_SACK,
  SCTP_SHUTDOWN,
  SCTP_SHUTDOWN_ACK,
  SCTP_SHUTDOWN_COMPLETE,
} from "../packet/sctp-chunk.ts";
import { fillHopLimit } from "./client-packet.ts";
import {
  acceptingEnd,
  type ConnectionEnd,
  keyOf,
  keyOfReceiver,
  packetFrom,
  speaks,
} from "./connection-end.ts";
import type { Conversation } from "./conversation.ts";
import { isOfDevice, listenerOf } from "./listener.ts";
import { AGAIN_BYTES, LINE_BYTES } from "./packet-size.ts";
import { routeFirst } from "./route-first.ts";

/** An INIT or COOKIE_ECHO is repeated after `net.sctp.rto_initial`, then after twice as long, and so on (`sctp_cmd_t1_timer_update`). */
const INITIAL_RTO_MS = 3000;
/** `net.sctp.rto_max`: the longest it waits. */
const MOST_RTO_MS = 60_000;
/** `net.sctp.max_init_retransmits` */
const REPEATS_AT_MOST = 8;

/** One end of an association. */
interface SctpEnd extends ConnectionEnd {
  state: "cookie-wait" | "cookie-echoed" | "established" | "shutdown-sent" | "closed";
  /** The tag that the other end asked for. */
  peerTag: number;
  /** Number of the next chunk of data to send, and of the last that came. */
  tsn: number;
  heard: number;
}

/**
 * The SCTP of a conversation (RFC 9260): INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK; a line of data from the server and a SACK.
 * A server keeps nothing before the cookie has come back. Which packets go is the RFC's and Linux' source's: kernels without
 * `CONFIG_IP_SCTP` have no ends to compare with.
 */
export class SctpEnds {
  private readonly owner: Conversation;
  private readonly ends = new Map<string, SctpEnd>();
  private own: SctpEnd | null = null;
  private stopRepeating: () => void = () => {};

  constructor(owner: Conversation) {
    this.owner = owner;
  }

  /** The same ends for another conversation, on the hosts' kernels as they are now. */
  copyFor(owner: Conversation, stackNamed: (name: string) => Stack): SctpEnds {
    const copy = new SctpEnds(owner);
    for (const end of this.ends.values()) {
      const own = { ...end, stack: stackNamed(end.stack.net.name) };
      copy.ends.set(keyOf(own), own);
      if (end === this.own) copy.own = own;
    }
    return copy;
  }

  /** The client's INIT is sent. */
  connect(): void {
    const { owner } = this;
    const stack = owner.client;
    const init = owner.make(PHASE_REQUEST, 0);
    this.fillInit(init);
    if (!routeFirst(owner, init)) return;
    this.own = {
      stack,
      local: init.src,
      localPort: owner.clientPort,
      peer: init.dst,
      peerPort: owner.query.dport ?? 0,
      client: true,
      boundDev: init.boundDev,
      forAnother: false,
      mark: 0,
      socket: null,
      state: "cookie-wait",
      peerTag: 0,
      tsn: 1,
      heard: 0,
    };
    this.ends.set(keyOf(this.own), this.own);
    this.repeat(1, INITIAL_RTO_MS);
    localOut(stack, init);
  }

  /** Nothing is repeated any more: the client has its answer, or gave up. */
  stop(): void {
    this.stopRepeating();
  }

  private fillInit(init: Packet): void {
    const { owner } = this;
    fillInit(init, owner.clientPort, owner.query.dport ?? 0);
    init.id = owner.client.state.nextIpId();
  }

  private repeat(times: number, afterMs: number): void {
    if (times > REPEATS_AT_MOST) return;
    const { owner } = this;
    this.stopRepeating = owner.client.outbox.after(afterMs, () => {
      const { own } = this;
      if (owner.result !== null || own === null) return;
      this.repeat(times + 1, Math.min(afterMs * 2, MOST_RTO_MS));
      if (own.state === "cookie-echoed") {
        this.send(own, SCTP_COOKIE_ECHO, 0, PHASE_REPEAT, 1);
        return;
      }
      if (own.state !== "cookie-wait") return;
      const init = owner.make(PHASE_REPEAT, 1);
      this.fillInit(init);
      init.src = own.local;
      if (routeOutput(owner.client, init, init.boundDev, false) !== 0) {
        owner.client.pool.release(init);
        return;
      }
      fillHopLimit(owner.client, init);
      localOut(owner.client, init);
    });
  }

  /** A packet comes in at a host. True: an association, or a listener, took it. */
  receive(stack: Stack, packet: Packet): boolean {
    const key = keyOfReceiver(stack, packet);
    const known = this.ends.get(key);
    if (
      known !== undefined &&
      known.state !== "closed" &&
      isOfDevice(stack, "sctp", packet, known.boundDev)
    ) {
      this.chunk(known, packet);
      return true;
    }
    if (packet.chunk !== SCTP_INIT && packet.chunk !== SCTP_COOKIE_ECHO) return false;
    if (packet.rtType !== RTN_LOCAL) return false;
    const isClients = this.owner.isClients(stack, "sctp", packet);
    const socket = listenerOf(stack, "sctp", packet, isClients);
    if (socket === undefined) return false;
    const end: SctpEnd = {
      ...acceptingEnd(stack, "sctp", packet, socket),
      state: "established",
      // A cookie holds what the INIT said.
      peerTag: packet.chunk === SCTP_INIT ? packet.seq : initiateTag(packet.sport, packet.dport),
      tsn: 1,
      heard: 0,
    };
    if (packet.chunk === SCTP_INIT) {
      const phase = packet.phase === PHASE_REPEAT ? PHASE_REPEAT : PHASE_REPLY;
      this.send(end, SCTP_INIT_ACK, 0, phase, packet.number);
      return true;
    }
    this.ends.set(key, end);
    this.owner.serve(stack, IPPROTO_SCTP, packet);
    this.send(end, SCTP_COOKIE_ACK, 0, PHASE_DATA, packet.number);
    if (speaks(end)) this.sendData(end, LINE_BYTES, PHASE_DATA, packet.number);
    return true;
  }

  private chunk(end: SctpEnd, packet: Packet): void {
    const { owner } = this;
    const answer = (chunk: number): void => this.send(end, chunk, 0, PHASE_DATA, packet.number);
    switch (packet.chunk) {
      case SCTP_ABORT:
        end.state = "closed";
        if (end.client) owner.wasReset(packet.src);
        return;
      case SCTP_INIT:
        // Both ends at once, as of a socket that connects to itself, or an INIT that was repeated (RFC 9260 5.2.1).
        end.peerTag = packet.seq;
        answer(SCTP_INIT_ACK);
        return;
      case SCTP_INIT_ACK:
        if (end.state !== "cookie-wait") return;
        end.peerTag = packet.seq;
        end.state = "cookie-echoed";
        if (end === this.own) {
          // The cookie's timer is another, and its repetitions are counted anew (`sctp_sf_do_5_1C_ack`).
          this.stopRepeating();
          this.repeat(1, INITIAL_RTO_MS);
        }
        answer(SCTP_COOKIE_ECHO);
        return;
      case SCTP_COOKIE_ECHO:
        if (end.state === "cookie-wait" || end.state === "cookie-echoed") this.established(end);
        answer(SCTP_COOKIE_ACK);
        return;
      case SCTP_COOKIE_ACK:
        if (end.state === "cookie-echoed") this.established(end);
        return;
      case SCTP_DATA:
        this.takeData(end, packet);
        return;
      case SCTP_SHUTDOWN:
        answer(SCTP_SHUTDOWN_ACK);
        return;
      case SCTP_SHUTDOWN_ACK:
        answer(SCTP_SHUTDOWN_COMPLETE);
        end.state = "closed";
        return;
      case SCTP_SHUTDOWN_COMPLETE:
        end.state = "closed";
        return;
    }
  }

  private established(end: SctpEnd): void {
    end.state = "established";
    if (end.client) this.owner.connected();
  }

  private takeData(end: SctpEnd, packet: Packet): void {
    const { owner } = this;
    const isNew = packet.seq > end.heard;
    end.heard = Math.max(end.heard, packet.seq);
    this.send(end, SCTP_SACK, 0, PHASE_DATA, packet.number);
    if (end.client) {
      owner.tookData();
      return;
    }
    if (!isNew) return;
    owner.serve(end.stack, IPPROTO_SCTP, packet);
    if (speaks(end)) this.sendData(end, LINE_BYTES, PHASE_DATA, packet.number);
  }

  private sendData(end: SctpEnd, bytes: number, phase: number, cause: number): void {
    this.send(end, SCTP_DATA, bytes, phase, cause);
    end.tsn++;
  }

  /** The client says some more. False: the association has ended. */
  sayMore(): boolean {
    const { own } = this;
    if (own === null || own.state !== "established") return false;
    this.sendData(own, AGAIN_BYTES, PHASE_REQUEST, 0);
    return true;
  }

  private send(end: SctpEnd, chunk: number, payload: number, phase: number, cause: number): void {
    const { stack } = end;
    const packet = packetFrom(end, this.owner.query, phase, cause);
    fillChunk(packet, chunk, payload);
    packet.ack = end.peerTag;
    if (chunk === SCTP_INIT_ACK) packet.seq = initiateTag(end.localPort, end.peerPort);
    else packet.seq = chunk === SCTP_DATA ? end.tsn : end.heard;
    packet.id = stack.state.nextIpId();
    if (routeOutput(stack, packet, end.boundDev, false) !== 0) {
      stack.pool.release(packet);
      return;
    }
    fillHopLimit(stack, packet);
    localOut(stack, packet);
  }

  /** End the association: an ABORT from both ends, or SHUTDOWN from the client. */
  close(how: "reset" | "fin"): void {
    for (const end of this.ends.values()) {
      // One that is still being made ends without a word.
      if (end.state !== "established") continue;
      if (how === "reset") {
        end.state = "closed";
        this.send(end, SCTP_ABORT, 0, PHASE_DATA, 0);
      } else if (end.client) {
        end.state = "shutdown-sent";
        this.send(end, SCTP_SHUTDOWN, 0, PHASE_DATA, 0);
      }
    }
  }
}

/** The first packet of an association. */
export function fillInit(init: Packet, sport: number, dport: number): void {
  init.sport = sport;
  init.dport = dport;
  fillChunk(init, SCTP_INIT, 0);
  init.seq = initiateTag(sport, dport);
}
