import { headerLength, IPPROTO_TCP, type Packet, TCP_SYN } from "./packet.ts";

/** Numbers of TCP's options (RFC 9293, 7323, 2018). */
export const TCPOPT_MSS = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERM = 4;
export const TCPOPT_TIMESTAMP = 8;

const TCP_HEADER = 20;
/** What Linux writes into a SYN (`tcp_syn_options`), and one that answers a SYN without options. */
const OF_SYN: ReadonlyMap<number, readonly number[]> = new Map([
  [20, [TCPOPT_MSS, TCPOPT_SACK_PERM, TCPOPT_TIMESTAMP, 1, TCPOPT_WINDOW]],
  [4, [TCPOPT_MSS]],
  [0, []],
]);
/** What it writes into a later segment, two bytes of padding before it. */
const OF_OTHERS: ReadonlyMap<number, readonly number[]> = new Map([
  [12, [1, TCPOPT_TIMESTAMP]],
  [0, []],
]);

/** Bytes of a segment's options, 0 of another packet. Runs per packet. */
export function tcpOptionBytes(packet: Packet): number {
  if (packet.protocol !== IPPROTO_TCP || packet.fragOffset !== 0) return 0;
  return Math.max(0, packet.length - headerLength(packet) - TCP_HEADER - packet.payload);
}

/** Has a segment an option? What a packet's length says of it: nothing else of options is kept here. null: nobody knows. */
export function hasTcpOption(packet: Packet, option: number): boolean | null {
  const known = ((packet.tcpFlags & TCP_SYN) !== 0 ? OF_SYN : OF_OTHERS).get(tcpOptionBytes(packet));
  return known === undefined ? null : known.includes(option);
}
