import { emit } from "../kernel/emit.ts";
import type { FoundSocket, SegmentFate, SocketQuestion } from "../kernel/outbox.ts";
import { localOut } from "../kernel/path/local-out.ts";
import { reason } from "../kernel/reason.ts";
import { advertisedMss } from "../kernel/route/output-mtu.ts";
import { routeConnect } from "../kernel/route/output-route.ts";
import { RTN_LOCAL } from "../kernel/route/types.ts";
import type { Stack } from "../kernel/stack.ts";
import { hashBySocket } from "../packet/flow-hash.ts";
import {
  headerLength,
  IPPROTO_TCP,
  type Packet,
  PHASE_DATA,
  PHASE_REPEAT,
  PHASE_REPLY,
  PHASE_REQUEST,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
} from "../packet/packet.ts";
import { lackedBy } from "../packet/tcp-options.ts";
import { fillHopLimit, ofFamily } from "./client-packet.ts";
import { acceptingEnd, keyOf, keyOfReceiver, speaks, transparencyOf } from "./connection-end.ts";
import { ConnectionRelay } from "./connection-relay.ts";
import type { Conversation } from "./conversation.ts";
import { ephemeralPort } from "./datagram-relay.ts";
import { dontFragment } from "./dont-fragment.ts";
import { isOfDevice, listenerOf, placeOf } from "./listener.ts";
import { AGAIN_BYTES, LINE_BYTES, SEGMENT_BYTES, SYN_BYTES } from "./packet-size.ts";
import type { Target } from "./relay-targets.ts";
import { routeFirst } from "./route-first.ts";
import { keepWay, routeSegment } from "./segment-route.ts";
import { newTcpEnd, type TcpEnd } from "./tcp-end.ts";
import { TcpOutput } from "./tcp-output.ts";

const NO_SYN = reason("no-syn");

/** A SYN is repeated after one second, up to four times linearly (`tcp_syn_linear_timeouts`). */
const SYN_REPEAT_MS = 1000;

/** The TCP of a conversation: the client's end, and those that its servers accepted. */
export class TcpEnds {
  private readonly owner: Conversation;
  private readonly ends = new Map<string, TcpEnd>();
  private own: TcpEnd | null = null;
  private stopRepeating: () => void = () => {};
  private readonly output: TcpOutput;
  private readonly relay: ConnectionRelay;

  constructor(owner: Conversation) {
    this.owner = owner;
    this.output = new TcpOutput(owner);
    this.relay = new ConnectionRelay(this, owner);
  }

  /** The same ends for another conversation, on the hosts' kernels as they are now: what one does the other does not. */
  copyFor(owner: Conversation, stackNamed: (name: string) => Stack): TcpEnds {
    const copy = new TcpEnds(owner);
    for (const end of this.ends.values()) {
      const own = { ...end, stack: stackNamed(end.stack.net.name) };
      copy.ends.set(keyOf(own), own);
      if (end === this.own) copy.own = own;
    }
    // Ends that know of one another know of each other's copies.
    for (const [key, end] of copy.ends) {
      const { onward, relayed } = end;
      const own = (other: TcpEnd | null) => (other === null ? null : (copy.ends.get(keyOf(other)) ?? null));
      copy.ends.set(key, Object.assign(end, { onward: own(onward), relayed: own(relayed) }));
    }
    return copy;
  }

  /** The client connects: its SYN is sent. */
  connect(): void {
    const { owner } = this;
    const stack = owner.client;
    const syn = owner.make(PHASE_REQUEST, 0);
    this.fillSyn(syn);
    if (!routeFirst(owner, syn)) return;
    syn.df = dontFragment(stack, syn);
    syn.mss = advertisedMss(stack, syn);
    this.own = newTcpEnd(
      {
        stack,
        local: syn.src,
        localPort: owner.clientPort,
        peer: syn.dst,
        peerPort: owner.query.dport ?? 0,
        client: true,
        boundDev: syn.boundDev,
        forAnother: false,
        mark: 0,
        socket: null,
      },
      "syn-sent",
    );
    keepWay(this.own, syn);
    this.own.routedUnbound = syn.family === 6 && owner.query.src === null;
    this.ends.set(keyOf(this.own), this.own);
    this.repeatSyn(1);
    hashBySocket(syn);
    localOut(stack, syn);
  }

  /** Nothing is repeated any more: the client has its answer, or gave up. */
  stop(): void {
    this.stopRepeating();
  }

  private fillSyn(syn: Packet): void {
    const { owner } = this;
    syn.protocol = IPPROTO_TCP;
    syn.sport = owner.clientPort;
    syn.dport = owner.query.dport ?? 0;
    syn.tcpFlags = TCP_SYN;
    syn.df = true;
    syn.length = headerLength(syn) + SYN_BYTES;
    syn.id = owner.client.state.nextIpId();
    syn.seq = 0;
  }

  private repeatSyn(times: number): void {
    if (times > 4) return;
    const { owner } = this;
    this.stopRepeating = owner.client.outbox.after(SYN_REPEAT_MS, () => {
      const own = this.own;
      if (owner.result !== null || own === null || own.state !== "syn-sent") return;
      const syn = owner.make(PHASE_REPEAT, 1);
      this.fillSyn(syn);
      syn.src = own.local;
      this.repeatSyn(times + 1);
      if (routeSegment(own, syn) !== 0) {
        owner.client.pool.release(syn);
        return;
      }
      syn.df = dontFragment(owner.client, syn);
      fillHopLimit(owner.client, syn);
      syn.mss = advertisedMss(owner.client, syn);
      hashBySocket(syn, ++own.rethought);
      localOut(owner.client, syn);
    });
  }

  /** A segment comes in at a host. */
  receive(stack: Stack, packet: Packet): SegmentFate {
    const key = keyOfReceiver(stack, packet);
    const known = this.ends.get(key);
    if (known !== undefined && known.state !== "closed" && isOfDevice(stack, "tcp", packet, known.boundDev)) {
      this.segment(known, packet);
      return "taken";
    }
    const flags = packet.tcpFlags;
    if (packet.rtType !== RTN_LOCAL) return "nobody";
    const socket = listenerOf(stack, "tcp", placeOf(packet), this.owner.isClients(stack, "tcp", packet));
    if (socket === undefined) return "nobody";
    if ((flags & (TCP_ACK | TCP_RST)) !== 0) return "refused";
    if ((flags & TCP_SYN) === 0) {
      stack.kill(packet, NO_SYN);
      return "dropped";
    }
    const end = newTcpEnd(acceptingEnd(stack, "tcp", packet, socket), "syn-received");
    end.ack = packet.seq + 1;
    if (packet.mss !== 0) end.peerMss = packet.mss;
    end.lacked = lackedBy(packet);
    this.ends.set(key, end);
    this.output.answer(end, packet.number, PHASE_REPLY);
    return "taken";
  }

  /** The socket of a connection, whichever end's. */
  find(stack: Stack, { local, localPort, peer, peerPort, dev }: SocketQuestion): FoundSocket | null {
    const end = this.ends.get(`${stack.host} ${local} ${localPort} ${peer} ${peerPort}`);
    if (end === undefined || end.state === "closed") return null;
    // `inet_match`: what is bound to a device is found by that alone, which the loopback is not.
    if (end.boundDev !== 0 && end.boundDev !== dev) return null;
    const mark = end.client ? this.owner.query.mark : end.mark;
    return {
      kind: "connected",
      wildcard: false,
      transparent: end.client || end.relayed !== null ? false : transparencyOf(end.socket),
      mark: end.state === "syn-received" ? null : mark,
    };
  }

  private segment(end: TcpEnd, packet: Packet): void {
    const { owner } = this;
    const flags = packet.tcpFlags;
    if ((flags & TCP_RST) !== 0) {
      const wasOpen = end.state === "established";
      if (wasOpen && packet.seq !== end.ack) {
        // `tcp_validate_incoming` (RFC 5961 3.2): one beyond what was received is doubted, and who sent it asked; an older one is nothing.
        if (packet.seq > end.ack) this.output.acknowledge(end, packet.number);
        return;
      }
      end.state = "closed";
      if (end.client) owner.wasReset(packet.src);
      if (end.relayed !== null) this.relay.lost(end.relayed, packet.number, wasOpen);
      return;
    }
    if ((flags & TCP_SYN) !== 0 && end.state === "syn-sent") {
      if (packet.mss !== 0) end.peerMss = packet.mss;
      end.lacked = lackedBy(packet);
    }
    if ((flags & TCP_ACK) !== 0) this.output.heard(end, packet);
    switch (end.state) {
      case "syn-sent":
        if ((flags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK)) {
          end.state = "established";
          end.ack = packet.seq + 1;
          if (end.client) owner.connected();
          this.output.acknowledge(end, packet.number);
          if (end.client) this.output.sayFirst(end);
          if (end.relayed !== null) this.relay.connected();
        } else if ((flags & TCP_SYN) !== 0) {
          // A connection to its own socket: simultaneous open (RFC 9293 3.5).
          end.state = "syn-received";
          end.ack = packet.seq + 1;
          this.output.send(end, TCP_SYN | TCP_ACK, 0, PHASE_REPLY, packet.number, SYN_BYTES, 0);
        }
        return;
      case "syn-received":
        if ((flags & TCP_SYN) !== 0 && (flags & TCP_ACK) === 0) {
          // A repeated SYN is answered again.
          if (!end.client) {
            end.rethought++;
            this.output.answer(end, packet.number, PHASE_REPEAT);
          }
          return;
        }
        if ((flags & TCP_ACK) !== 0) this.accepted(end, packet);
        return;
      case "established":
        if ((flags & TCP_FIN) !== 0) {
          end.ack = packet.seq + packet.payload + 1;
          this.output.send(end, TCP_FIN | TCP_ACK, end.seq, PHASE_DATA, packet.number, SEGMENT_BYTES, 0);
          end.state = "closed";
          const other = end.onward ?? end.relayed;
          if (other?.state === "established") this.finish(other, packet.number);
          return;
        }
        if (packet.payload > 0) this.takeData(end, packet);
        return;
    }
  }

  /** The third segment of a handshake: a server says its line. */
  private accepted(end: TcpEnd, packet: Packet): void {
    const { owner } = this;
    end.state = "established";
    if (end.client) {
      owner.connected();
      if ((packet.tcpFlags & TCP_SYN) !== 0) this.output.acknowledge(end, packet.number);
      this.output.sayFirst(end);
      return;
    }
    owner.serve(end.stack, IPPROTO_TCP, packet);
    const app = end.socket?.app;
    if (app?.kind === "relay") this.relay.begin(end, app.relay, packet.number);
    else if (speaks(end)) this.output.sendData(end, LINE_BYTES, packet.number);
  }

  /** An error about a packet of a connection that a relay opens. */
  errorOf(stack: Stack, { src, sport, dst, dport }: Packet, cause: number): void {
    const end = this.ends.get(`${stack.host} ${src} ${sport} ${dst} ${dport}`);
    if (end === undefined || end.relayed === null || end.state !== "syn-sent") return;
    end.state = "closed";
    this.relay.lost(end.relayed, cause, false);
  }

  /** An end that a relay opens: its SYN is sent. false: there is no way. */
  open(relayed: TcpEnd, target: Target, cause: number): TcpEnd | null {
    const { stack } = relayed;
    const syn = ofFamily(stack.pool.take(), this.owner.query.family);
    emit(stack, syn, PHASE_REQUEST, cause);
    syn.protocol = IPPROTO_TCP;
    syn.dst = target.address;
    syn.sport = ephemeralPort(stack);
    syn.dport = target.port;
    syn.tcpFlags = TCP_SYN;
    syn.df = true;
    syn.length = headerLength(syn) + SYN_BYTES;
    syn.id = stack.state.nextIpId();
    syn.seq = 0;
    syn.uid = 0;
    if (routeConnect(stack, syn, true) !== 0) {
      stack.pool.release(syn);
      return null;
    }
    syn.df = dontFragment(stack, syn);
    fillHopLimit(stack, syn);
    syn.mss = advertisedMss(stack, syn);
    const end = newTcpEnd(
      {
        stack,
        local: syn.src,
        localPort: syn.sport,
        peer: syn.dst,
        peerPort: syn.dport,
        client: false,
        boundDev: 0,
        forAnother: false,
        mark: 0,
        socket: null,
      },
      "syn-sent",
      relayed,
    );
    keepWay(end, syn);
    end.routedUnbound = syn.family === 6;
    relayed.onward = end;
    this.ends.set(keyOf(end), end);
    hashBySocket(syn);
    localOut(stack, syn);
    return end;
  }

  finish(end: TcpEnd, cause: number): void {
    this.output.send(end, TCP_FIN | TCP_ACK, end.seq, PHASE_DATA, cause, SEGMENT_BYTES, 0);
    end.seq++;
  }

  private takeData(end: TcpEnd, packet: Packet): void {
    const { owner } = this;
    const isNew = packet.seq + packet.payload > end.ack;
    end.ack = packet.seq + packet.payload;
    const other = end.onward ?? end.relayed;
    if (other !== null) {
      this.output.acknowledge(end, packet.number);
      if (isNew && other.state === "established") this.output.sendData(other, packet.payload, packet.number);
      return;
    }
    if (end.client) owner.tookData();
    // What a client says on a held connection is answered with a line, which acknowledges it.
    else if (isNew && !owner.saysMuch) {
      owner.serve(end.stack, IPPROTO_TCP, packet);
      if (speaks(end)) {
        this.output.sendData(end, LINE_BYTES, packet.number);
        return;
      }
    }
    this.output.acknowledge(end, packet.number);
  }

  /** `tcp_v4_mtu_reduced`: a packet of the client's was too long for its way, which is known now: it says it again in shorter ones. */
  mtuReduced(): void {
    const { own } = this;
    if (own !== null && own.state === "established" && own.seq > own.acknowledged) this.output.sayAgain(own);
  }

  /**
   * The client says some more on its connection. While something is not acknowledged it only waits to send that again
   * (RFC 896); what fell due while nobody looked is sent now.
   *
   * @returns false when the connection is closed
   */
  sayMore(): boolean {
    const { own } = this;
    if (own === null || own.state !== "established") return false;
    const { now } = own.stack;
    if (own.seq > own.acknowledged) {
      if (now < own.retransmitAt) this.output.retransmitAfter(own, own.retransmitAt - now);
      else this.output.retransmit(own);
      return true;
    }
    this.output.say(own, AGAIN_BYTES);
    return true;
  }

  /**
   * End the connection: a reset from the server, as the recorder does, and from a client whom it has not reached when this is
   * asked again; or FIN from the client, answered by the server.
   */
  close(how: "reset" | "fin"): void {
    // A socket that is still connecting closes without a word, and one not yet accepted is nobody's to close.
    const open = [...this.ends.values()].filter(({ state }) => state === "established");
    const servers = how === "reset" ? open.filter(({ client }) => !client) : [];
    for (const end of servers.length > 0 ? servers : open) {
      if (how === "reset") {
        end.state = "closed";
        this.output.send(end, TCP_RST | TCP_ACK, end.seq, PHASE_DATA, 0, SEGMENT_BYTES, 0);
      } else if (end.client) {
        this.output.send(end, TCP_FIN | TCP_ACK, end.seq, PHASE_DATA, 0, SEGMENT_BYTES, 0);
        end.seq++;
      }
    }
  }
}
