import { localOut } from "../kernel/path/local-out.ts";
import { advertisedMss, outputMtu } from "../kernel/route/output-mtu.ts";
import { hashBySocket } from "../packet/flow-hash.ts";
import {
  headerLength,
  IPPROTO_TCP,
  type Packet,
  PHASE_DATA,
  PHASE_REPEAT,
  PHASE_REQUEST,
  TCP_ACK,
  TCP_PSH,
  TCP_SYN,
} from "../packet/packet.ts";
import { synAckBytes } from "../packet/tcp-options.ts";
import { fillHopLimit } from "./client-packet.ts";
import { packetFrom } from "./connection-end.ts";
import type { Conversation } from "./conversation.ts";
import { dontFragment } from "./dont-fragment.ts";
import { BARE_SEGMENT_BYTES, SEGMENT_BYTES } from "./packet-size.ts";
import { keepWay, routeSegment } from "./segment-route.ts";
import { isBare, type TcpEnd } from "./tcp-end.ts";

/** What is not acknowledged is sent again after this, then after twice as long, and so on (`TCP_RTO_MIN` and a little). */
const RETRANSMIT_MS = 204;

/** `net.ipv4.tcp_min_snd_mss` */
const LEAST_MSS = 48;
/** `TCP_INIT_CWND`, segments; `GSO_LEGACY_MAX_SIZE` less the longest headers, bytes. */
const INITIAL_WINDOW = 10;
const GSO_AT_MOST = 65_216;

/** What the ends of a conversation send, and send again (`net/ipv4/tcp_output.c`). */
export class TcpOutput {
  private readonly owner: Conversation;

  constructor(owner: Conversation) {
    this.owner = owner;
  }

  /** A server's answer says no option that its SYN lacked. */
  answer(end: TcpEnd, cause: number, phase: number): void {
    this.send(end, TCP_SYN | TCP_ACK, 0, phase, cause, synAckBytes(end.lacked), 0, end.lacked);
  }

  acknowledge(end: TcpEnd, cause: number): void {
    this.send(end, TCP_ACK, end.seq, PHASE_DATA, cause, SEGMENT_BYTES, 0);
  }

  sendData(end: TcpEnd, bytes: number, cause: number, phase: number = PHASE_DATA): void {
    end.unsent += bytes;
    this.sendUnsent(end, cause, phase);
  }

  /** As much as the first congestion window holds, several segments in one packet (`tcp_write_xmit`, RFC 6928). */
  private sendUnsent(end: TcpEnd, cause: number, phase: number): void {
    const size = segmentSize(end, 0xffff);
    while (end.unsent > 0 && Math.ceil((end.seq - end.acknowledged) / size) < INITIAL_WINDOW) {
      const before = end.seq;
      this.send(end, TCP_PSH | TCP_ACK, end.seq, phase, cause, SEGMENT_BYTES, end.unsent);
      // No route leads there any more, or a rule of the host's own dropped it.
      if (end.seq === before) return;
    }
  }

  /** The client's program writes; what nobody acknowledges is sent again. */
  say(end: TcpEnd, bytes: number): void {
    end.retransmitMs = RETRANSMIT_MS;
    end.retransmitAt = end.stack.now + RETRANSMIT_MS;
    this.retransmitAfter(end, RETRANSMIT_MS);
    this.sendData(end, bytes, 0, PHASE_REQUEST);
  }

  /** The client has a text to say, of the size its query gives. */
  sayFirst(end: TcpEnd): void {
    const { owner } = this;
    if (owner.saysMuch) this.say(end, owner.query.size ?? 0);
  }

  /** What an end said has arrived, as far as the other acknowledges it; the rest of it may follow. */
  heard(end: TcpEnd, { ack, number }: Packet): void {
    if (ack <= end.acknowledged) return;
    end.acknowledged = ack;
    if (end.state !== "established") return;
    if (end.unsent > 0) this.sendUnsent(end, number, end.client ? PHASE_REQUEST : PHASE_DATA);
    else if (end.client && end.seq === end.acknowledged) this.owner.wasHeard();
  }

  /** All that nobody has acknowledged, from its first byte. */
  sayAgain(end: TcpEnd): void {
    end.unsent += end.seq - end.acknowledged;
    end.seq = end.acknowledged;
    this.sendUnsent(end, 0, PHASE_REPEAT);
  }

  retransmitAfter(end: TcpEnd, ms: number): void {
    end.stack.outbox.after(ms, () => this.retransmit(end));
  }

  /** What was not acknowledged in time is sent again (`tcp_retransmit_timer`). */
  retransmit(end: TcpEnd): void {
    const waiting = end.seq - end.acknowledged;
    if (waiting <= 0 || end.state !== "established") return;
    end.rethought++;
    do {
      end.retransmitMs *= 2;
      end.retransmitAt += end.retransmitMs;
    } while (end.retransmitAt <= end.stack.now);
    this.retransmitAfter(end, end.retransmitAt - end.stack.now);
    this.sayAgain(end);
  }

  /** @param unsent bytes that wait to be sent: as many of them as one packet holds go with it */
  send(
    end: TcpEnd,
    flags: number,
    seq: number,
    phase: number,
    cause: number,
    headers: number,
    unsent: number,
    without = 0,
  ): void {
    const { stack } = end;
    const segment = packetFrom(end, this.owner.query, phase, cause);
    segment.protocol = IPPROTO_TCP;
    segment.tcpFlags = flags;
    segment.tcpWithout = without;
    segment.seq = seq;
    segment.ack = end.ack;
    segment.df = true;
    segment.length =
      headerLength(segment) + (isBare(end) && headers === SEGMENT_BYTES ? BARE_SEGMENT_BYTES : headers);
    segment.id = (flags & TCP_SYN) !== 0 ? 0 : stack.state.nextIpId();
    if (routeSegment(end, segment) !== 0) {
      stack.pool.release(segment);
      return;
    }
    if ((flags & TCP_SYN) === 0) keepWay(end, segment);
    // `ip_dont_fragment`; what answers a SYN is small enough to bear it all the same (`ip_build_and_send_pkt`).
    if (flags !== (TCP_SYN | TCP_ACK)) segment.df = dontFragment(stack, segment);
    fillHopLimit(stack, segment);
    if ((flags & TCP_SYN) !== 0) segment.mss = advertisedMss(stack, segment);
    if (unsent > 0) this.fillData(end, segment, unsent);
    const { payload } = segment;
    hashBySocket(segment, end.rethought);
    if (localOut(stack, segment) === 0 || phase === PHASE_REPEAT) return;
    // What the host's own rules drop at first counts as not sent (`tcp_write_xmit`).
    end.unsent += payload;
    end.seq -= payload;
  }

  /** Puts as much into a packet as one can hold: more than a segment leaves it to the card to cut. */
  private fillData(end: TcpEnd, packet: Packet, unsent: number): void {
    const out = end.stack.net.devices[packet.rtDev];
    const mtu = out === undefined ? 0xffff : outputMtu(packet, out);
    const size = segmentSize(end, mtu - headerLength(packet));
    // `tcp_cwnd_test`: no more than half the window at once.
    const inFlight = Math.ceil((end.seq - end.acknowledged) / size);
    const quota = Math.min(INITIAL_WINDOW / 2, INITIAL_WINDOW - inFlight, Math.floor(GSO_AT_MOST / size));
    const segments = Math.max(1, quota);
    const bytes = Math.min(unsent, segments * size);
    packet.payload = bytes;
    packet.length += bytes;
    packet.gsoExcess = Math.max(0, bytes - size);
    packet.payloadKnown = end.client && this.owner.saysMuch;
    end.unsent -= bytes;
    end.seq += bytes;
  }
}

/** `tcp_current_mss`: bytes of data in a segment, which mostly has a time stamp beside them. */
function segmentSize(end: TcpEnd, room: number): number {
  const stamp = isBare(end) ? 0 : SEGMENT_BYTES - BARE_SEGMENT_BYTES;
  return Math.max(LEAST_MSS, Math.min(end.peerMss, room - BARE_SEGMENT_BYTES)) - stamp;
}
