import { IPPROTO_TCP, type Packet, TCP_SYN } from "./packet.ts";
import { TCP_HEADER, tcpHeaderLength } from "./wire/tcp.ts";

/** Numbers of TCP's options (RFC 9293, 7323, 2018). */
export const TCPOPT_MSS = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERM = 4;
export const TCPOPT_TIMESTAMP = 8;

/** What Linux writes into a SYN (`tcp_syn_options`) besides the segment size, by the room that the header has. */
const OF_SYN: ReadonlyMap<number, readonly number[]> = new Map([
  [20, [TCPOPT_SACK_PERM, TCPOPT_TIMESTAMP, TCPOPT_WINDOW]],
]);
/** And into a later segment. */
const OF_OTHERS: ReadonlyMap<number, readonly number[]> = new Map([[12, [TCPOPT_TIMESTAMP]]]);

/** Has a segment an option? What its length says, and its segment size: no other is kept here. */
export function hasTcpOption(packet: Packet, option: number): boolean {
  if (packet.protocol !== IPPROTO_TCP || packet.fragOffset !== 0) return false;
  if (option === TCPOPT_MSS) return packet.mss !== 0;
  const room = tcpHeaderLength(packet) - TCP_HEADER;
  const written = ((packet.tcpFlags & TCP_SYN) !== 0 ? OF_SYN : OF_OTHERS).get(room);
  return written?.includes(option) === true;
}
