import { carriedLength, IPPROTO_TCP, type Packet, TCP_SYN } from "./packet.ts";

/** Numbers of TCP's options (RFC 9293, 7323, 2018). */
export const TCPOPT_NOP = 1;
export const TCPOPT_MSS = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERM = 4;
export const TCPOPT_TIMESTAMP = 8;

export const TCP_HEADER = 20;
const MSS_BYTES = 4;
const WINDOW_BYTES = 4;
const SACK_PERM_BYTES = 4;
/** With the permission for selective acknowledgements beside it a time stamp needs no padding. */
const TIMESTAMP_BYTES = 12;

/** What Linux writes into a SYN (`tcp_syn_options`) besides the segment size. */
const OF_SYN = bitsOf([TCPOPT_WINDOW, TCPOPT_SACK_PERM, TCPOPT_TIMESTAMP]);
/** And into a later segment. */
const OF_OTHERS = bitsOf([TCPOPT_TIMESTAMP]);

/** Options as a set, of those that `Packet.tcpWithout` tells apart. */
export function bitsOf(options: Iterable<number>): number {
  let bits = 0;
  for (const option of options) {
    if (option === TCPOPT_WINDOW || option === TCPOPT_SACK_PERM || option === TCPOPT_TIMESTAMP)
      bits |= 1 << option;
  }
  return bits;
}

/** Bytes of a segment's header: what its IP length leaves beside the payload, 20 to 60 and whole words. */
export function tcpHeaderLength(packet: Packet): number {
  const room = carriedLength(packet) - packet.payload;
  return Math.min(60, Math.max(TCP_HEADER, room & ~3));
}

/** The options that a segment has besides its segment size, as bits: those that Linux writes but the missing, if there is room for them. */
export function tcpOptionsOf(packet: Packet): number {
  const written = writtenInto(packet) & ~packet.tcpWithout;
  const size = packet.mss !== 0 ? MSS_BYTES : 0;
  return tcpHeaderLength(packet) - TCP_HEADER >= size + bytesOfOptions(written) ? written : 0;
}

function writtenInto({ tcpFlags }: Packet): number {
  return (tcpFlags & TCP_SYN) !== 0 ? OF_SYN : OF_OTHERS;
}

/** Notes which options were found in a segment, as bits. */
export function foundTcpOptions(packet: Packet, found: number): void {
  const written = writtenInto(packet);
  packet.tcpWithout = 0;
  if (tcpOptionsOf(packet) !== (found & written)) packet.tcpWithout = written & ~found;
}

/** Has a segment an option? Those of Linux's own sockets alone are known here. */
export function hasTcpOption(packet: Packet, option: number): boolean {
  if (packet.protocol !== IPPROTO_TCP || packet.fragOffset !== 0) return false;
  if (option === TCPOPT_MSS) return packet.mss !== 0;
  if (option === TCPOPT_NOP) return isPadded(packet);
  return (tcpOptionsOf(packet) & bitsOf([option])) !== 0;
}

/** Has it a byte that says nothing: padding, or what is left of an option that was blanked? */
function isPadded(packet: Packet): boolean {
  const room = tcpHeaderLength(packet) - TCP_HEADER;
  if ((packet.tcpFlags & TCP_SYN) === 0 || room <= MSS_BYTES) return room > 0 && packet.mss === 0;
  const isDense = tcpOptionsOf(packet) === bitsOf([TCPOPT_SACK_PERM, TCPOPT_TIMESTAMP]);
  return !isDense || packet.mss === 0 || room > MSS_BYTES + TIMESTAMP_BYTES;
}

/** What a SYN lacks of the options that Linux knows, as bits: its answer does not say them either, and nobody uses them. */
export function lackedBy(syn: Packet): number {
  return OF_SYN & ~tcpOptionsOf(syn);
}

/** Bytes that options need, besides the segment size. */
export function bytesOfOptions(options: number): number {
  const window = (options & (1 << TCPOPT_WINDOW)) !== 0 ? WINDOW_BYTES : 0;
  if ((options & (1 << TCPOPT_TIMESTAMP)) !== 0) return window + TIMESTAMP_BYTES;
  return window + ((options & (1 << TCPOPT_SACK_PERM)) !== 0 ? SACK_PERM_BYTES : 0);
}

/** `tcp_synack_options`: bytes of the header of an answer, its segment size included, to a SYN that lacked some. */
export function synAckBytes(lacked: number): number {
  return TCP_HEADER + MSS_BYTES + bytesOfOptions(OF_SYN & ~lacked);
}

/** Takes options out of a segment, as bits: what is left of them are bytes that say nothing. */
export function blankTcpOptions(packet: Packet, options: number): void {
  packet.tcpWithout |= options & tcpOptionsOf(packet);
}
