import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import * as STATUS from "./status.ts";
import { ctInfoDirection } from "./status.ts";
import type { ConntrackTable } from "./table.ts";
import type { ConntrackTimeouts } from "./timeouts.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IPPROTO_TCP, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } = PACKET;
const { IPS_ASSURED, IPS_CONFIRMED, IPS_SEEN_REPLY, IPS_SEQ_ADJUST, IPS_SYNPROXY } = STATUS;

/** TCP states of conntrack (`enum tcp_conntrack`), and their names as `conntrack -L` prints them. */
export const TCP_CONNTRACK_NAMES = [
  "NONE",
  "SYN_SENT",
  "SYN_RECV",
  "ESTABLISHED",
  "FIN_WAIT",
  "CLOSE_WAIT",
  "LAST_ACK",
  "TIME_WAIT",
  "CLOSE",
  "SYN_SENT2",
] as const;

export const TCP_CONNTRACK_SYN_SENT = 1;
export const TCP_CONNTRACK_SYN_RECV = 2;
export const TCP_CONNTRACK_ESTABLISHED = 3;
/** States of a connection that is over. */
export const TCP_CONNTRACK_TIME_WAIT = 7;
export const TCP_CONNTRACK_CLOSE = 8;

const sNO = 0;
const sSS = TCP_CONNTRACK_SYN_SENT;
const sSR = TCP_CONNTRACK_SYN_RECV;
const sES = TCP_CONNTRACK_ESTABLISHED;
const sFW = 4;
const sCW = 5;
const sLA = 6;
const sTW = TCP_CONNTRACK_TIME_WAIT;
const sCL = TCP_CONNTRACK_CLOSE;
const sS2 = 9;
const sIV = 10;
const sIG = 11;

/** `tcp_conntracks[direction][flag][state]` (net/netfilter/nf_conntrack_proto_tcp.c). Rows: syn, synack, fin, ack, rst, none. */
const TRANSITIONS: readonly (readonly (readonly number[])[])[] = [
  [
    [sSS, sSS, sIG, sIG, sIG, sIG, sIG, sSS, sSS, sS2],
    [sIV, sIV, sSR, sIV, sIV, sIV, sIV, sIV, sIV, sSR],
    [sIV, sIV, sFW, sFW, sLA, sLA, sLA, sTW, sCL, sIV],
    [sES, sIV, sES, sES, sCW, sCW, sTW, sTW, sCL, sIV],
    [sIV, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL],
    [sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV],
  ],
  [
    [sIV, sS2, sIV, sIV, sIV, sIV, sIV, sSS, sIV, sS2],
    [sIV, sSR, sIG, sIG, sIG, sIG, sIG, sIG, sIG, sSR],
    [sIV, sIV, sFW, sFW, sLA, sLA, sLA, sTW, sCL, sIV],
    [sIV, sIG, sSR, sES, sCW, sCW, sTW, sTW, sCL, sIG],
    [sIV, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL],
    [sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV],
  ],
];

/** What a TCP entry keeps in the cell where a UDP entry has its stream's time: how its last connection ended, and what came last. */
const CLOSE_BEGUN = 1;
const RESET_BY_ORIGINAL = 2;
/** The last packet was a SYN of the side that began, which the entry passed by. */
const SYN_PASSED_BY = 4;
/** So it was in LAST_ACK: the other side may answer with a challenge instead of an acknowledgement (`IP_CT_EXP_CHALLENGE_ACK`). */
const CHALLENGE_EXPECTED = 8;
/** The original direction has sent what is not acknowledged (`IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED`); twice this, the other one has. */
const UNACKNOWLEDGED = 16;
const UNACKNOWLEDGED_ANY = UNACKNOWLEDGED | (UNACKNOWLEDGED << 1);

/** What `nf_conntrack_tcp_packet` makes of a packet. */
export const TCP_INVALID = 0;
/** It is the connection's and changes nothing: neither its time nor its counters. */
export const TCP_PASSED_BY = 1;
export const TCP_ACCEPTED = 2;

/** `get_conntrack_index`. */
function flagRow(flags: number): number {
  if ((flags & TCP_RST) !== 0) return 4;
  if ((flags & TCP_SYN) !== 0) return (flags & TCP_ACK) !== 0 ? 1 : 0;
  if ((flags & TCP_FIN) !== 0) return 2;
  if ((flags & TCP_ACK) !== 0) return 3;
  return 5;
}

/** Combinations of flags a real stack sends (`tcp_valid_flags`); others are INVALID. PSH, ECE and CWR do not count. */
function validFlags(flags: number): boolean {
  const bits = flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | 0x20);
  switch (bits) {
    case TCP_SYN:
    case TCP_SYN | 0x20:
    case TCP_SYN | TCP_ACK:
    case TCP_RST:
    case TCP_RST | TCP_ACK:
    case TCP_FIN | TCP_ACK:
    case TCP_FIN | TCP_ACK | 0x20:
    case TCP_ACK:
    case TCP_ACK | 0x20:
      return true;
    default:
      return false;
  }
}

/** What of a host's settings TCP's tracking goes by. */
interface TcpTracking {
  /** A connection may be met in the middle. */
  readonly tcpLoose: boolean;
  /** Whatever lies out of the window is let be. */
  readonly tcpLiberal: boolean;
  readonly conntrackTimeouts: ConntrackTimeouts;
}

/**
 * `tcp_in_window`, as far as sequence numbers go without windows: does the packet acknowledge more than the other direction was
 * seen to send? Where part of a connection goes past connection tracking it does.
 */
function isInWindow(
  table: ConntrackTable,
  ct: number,
  direction: number,
  { seq, ack, payload, tcpFlags }: Packet,
  state: number,
): boolean {
  // What a proxy of handshakes moves is known to itself. Until the server answers, the client acknowledges the proxy's number, which
  // nobody was seen to send: by its upper bit that is over the bound, as here, or far under it, where packet and state are let be. The
  // proxy says its SYN again either way, but for a client's FIN or RST that iptables' rule meets.
  if ((table.status(ct) & (IPS_SYNPROXY | IPS_SEQ_ADJUST)) !== 0)
    return state !== sSS || direction !== 0 || (tcpFlags & TCP_ACK) === 0;
  const syn = (tcpFlags & TCP_SYN) !== 0;
  const sent = sentWord(seq + payload + (syn ? 1 : 0) + ((tcpFlags & TCP_FIN) !== 0 ? 1 : 0));
  const before = table.extensions.sentTo(ct, direction);
  let other = table.extensions.sentTo(ct, 1 - direction);
  if ((before & HEARD) === 0) {
    table.extensions.setSentTo(ct, direction, sent | HEARD);
    if (!syn && (other & HEARD) === 0) {
      // In the middle of a connection: the other direction has sent what is acknowledged.
      other = sentWord(ack);
      table.extensions.setSentTo(ct, 1 - direction, other);
    } else if (!syn && sentWord(ack) === (other & ~HEARD) + sentWord(0)) {
      // "Likely a reply to a keepalive."
      other = sentWord(ack) | HEARD;
      table.extensions.setSentTo(ct, 1 - direction, other);
    }
  } else if (syn && sent > before && (state === sSS || state === sSR)) {
    table.extensions.setSentTo(ct, direction, sent | HEARD);
  }
  const acknowledges = (tcpFlags & TCP_ACK) !== 0 && !((tcpFlags & TCP_RST) !== 0 && ack === 0);
  if (acknowledges && other !== 0 && sentWord(ack) > (other & ~HEARD)) return false;
  let history = table.streamAt(ct);
  if ((before & HEARD) !== 0 && sent > (before & ~HEARD)) {
    table.extensions.setSentTo(ct, direction, sent | HEARD);
    if (!syn) history |= UNACKNOWLEDGED << direction;
  }
  // What acknowledges nothing counts as if it did all.
  if (!acknowledges || sentWord(ack) === (other & ~HEARD)) history &= ~(UNACKNOWLEDGED << (1 - direction));
  if (history !== table.streamAt(ct)) table.setStreamAt(ct, history);
  return true;
}

/** Of a sequence number: beside it there is room for `HEARD`, and 0 is none. */
function sentWord(seq: number): number {
  return (seq + 1) * 2;
}

/** Packets of the direction itself were seen (`td_maxwin`). */
const HEARD = 1;

/**
 * `nf_conntrack_tcp_packet`; of the window only what is acknowledged is looked at.
 *
 * @returns `TCP_INVALID` when the packet is to go on without an entry
 */
export function tcpPacket(
  table: ConntrackTable,
  ct: number,
  ctInfo: number,
  packet: Packet,
  isNew: boolean,
  {
    tcpLoose: loose,
    tcpLiberal: liberal,
    conntrackTimeouts: { tcp: timeoutMs, tcpUnacknowledged },
  }: TcpTracking,
): typeof TCP_INVALID | typeof TCP_PASSED_BY | typeof TCP_ACCEPTED {
  if (!validFlags(packet.tcpFlags)) return TCP_INVALID;
  const row = flagRow(packet.tcpFlags);
  const direction = ctInfoDirection(ctInfo);
  let old = table.tcpState(ct);
  if (isNew) {
    // tcp_new
    const state = TRANSITIONS[0]?.[row]?.[sNO] as number;
    if (state >= sIV) return TCP_INVALID;
    if (state !== sSS && !loose) return TCP_INVALID;
  }
  let next = TRANSITIONS[direction]?.[row]?.[old] as number;
  const before = table.streamAt(ct);
  const synPassedBy = (before & SYN_PASSED_BY) !== 0;
  let history = before & CLOSE_BEGUN;
  if (next === sIG || (next === sSS && old >= sTW)) {
    if (row === 1 && synPassedBy) {
      // The other side takes the SYN that the entry passed by: both begin anew, and the entry with them.
      old = sSS;
      next = sSR;
      history = 0;
      table.extensions.setSentTo(ct, 0, 0);
      table.extensions.setSentTo(ct, 1, 0);
    } else {
      history |= before & UNACKNOWLEDGED_ANY;
      if (row === 0 && direction === 0) history |= SYN_PASSED_BY | (old === sLA ? CHALLENGE_EXPECTED : 0);
      table.setStreamAt(ct, history);
      return TCP_PASSED_BY;
    }
  }
  if (next === sIV) return TCP_INVALID;
  if (next === sTW && old === sLA && row === 3 && direction === 1 && synPassedBy) {
    if ((before & CHALLENGE_EXPECTED) !== 0) {
      table.setStreamAt(ct, before & ~CHALLENGE_EXPECTED);
      return TCP_PASSED_BY;
    }
  }
  if (!isInWindow(table, ct, direction, packet, old) && !liberal) return TCP_INVALID;
  table.setTcpState(ct, next);
  history |= table.streamAt(ct) & UNACKNOWLEDGED_ANY;
  if (next === sFW && old !== sFW) history |= CLOSE_BEGUN;
  if (row === 4 && direction === 0) history |= RESET_BY_ORIGINAL;
  if (history !== table.streamAt(ct)) table.setStreamAt(ct, history);
  const status = table.status(ct);
  if ((status & IPS_SEEN_REPLY) === 0) {
    // "If only reply is a RST, we can consider ourselves not to have an established connection."
    if (row === 4 && !isNew) {
      table.remove(ct);
      return TCP_ACCEPTED;
    }
    // Else a port used again and again would keep an entry for ever.
    if (row === 0 && old === sSS) return TCP_PASSED_BY;
    if (next === sES) {
      table.refresh(ct, Math.min(timeoutMs[next] as number, tcpUnacknowledged));
      return TCP_ACCEPTED;
    }
  } else if ((status & IPS_ASSURED) === 0 && (old === sSR || old === sES) && next === sES) {
    table.setStatus(ct, IPS_ASSURED);
  }
  let time = timeoutMs[next] as number;
  if ((history & UNACKNOWLEDGED_ANY) !== 0) time = Math.min(time, tcpUnacknowledged);
  table.refresh(ct, time);
  return TCP_ACCEPTED;
}

/** `nf_conntrack_tcp_set_closing`: this host itself sends a reset about it (since Linux 6.2). */
export function closeTcp(table: ConntrackTable, ct: number, timeouts: ConntrackTimeouts): void {
  if ((table.status(ct) & IPS_CONFIRMED) === 0 || table.tcpState(ct) === sCL) return;
  table.setTcpState(ct, sCL);
  table.refresh(ct, timeouts.tcp[sCL] as number);
}

/**
 * May a SYN begin anew over this entry? (RFC 1122 4.2.2.13: after a close that a FIN began, or a reset by the side that
 * sends the SYN.) Otherwise the entry goes on with what it knows.
 */
export function reopens(table: ConntrackTable, ct: number, packet: Packet, direction: number): boolean {
  if (packet.protocol !== IPPROTO_TCP || direction !== 0 || flagRow(packet.tcpFlags) !== 0) return false;
  const state = table.tcpState(ct);
  if (state !== sTW && state !== sCL) return false;
  return (table.streamAt(ct) & (CLOSE_BEGUN | RESET_BY_ORIGINAL)) !== 0;
}
