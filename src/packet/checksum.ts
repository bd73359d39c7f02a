import { carriedLength, type Packet } from "./packet.ts";

/**
 * What the kernel keeps of a transport checksum it has seen to itself (`skb->ip_summed`). Of IPv6 it matters: the header has no
 * checksum of its own, so that a rule which changes the header of a packet that conntrack has summed up whole leaves a sum that
 * fits no more (`ipv6_change_dsfield`, `hl_tg6` do not mend `skb->csum`), and UDP does not forgive that.
 */

/** Left to a card or vouched for by one: between two ends of a cable nobody ever computes it. */
export const CHECKSUM_LEFT = 0;
/** Computed, and looked at by nobody yet (`CHECKSUM_NONE`). */
export const CHECKSUM_NONE = 1;
/** The sum of all its bytes is kept (`CHECKSUM_COMPLETE`, `csum_complete_sw`). */
export const CHECKSUM_COMPLETE = 2;
/** The same, and a header has changed since. */
export const CHECKSUM_STALE = 3;

/** `CHECKSUM_BREAK`: what is no longer is summed up anew at once. Bytes from the UDP header on. */
const CHECKSUM_BREAK = 76;

/** `nf_checksum`, as conntrack asks for it: who had to compute it keeps the sum. */
export function checksumVerified(packet: Packet): void {
  if (packet.summed === CHECKSUM_NONE) packet.summed = CHECKSUM_COMPLETE;
}

/** A field of the IP header was written. */
export function headerRewritten(packet: Packet): void {
  if (packet.family === 6 && packet.summed === CHECKSUM_COMPLETE) packet.summed = CHECKSUM_STALE;
}

/** `skb_forward_csum`: what is passed on keeps no sum. */
export function checksumForwarded(packet: Packet): void {
  if (packet.summed > CHECKSUM_NONE) packet.summed = CHECKSUM_NONE;
}

/** `udp6_csum_init`: is the sum that was kept known to be wrong? */
export function failsChecksum(packet: Packet): boolean {
  return packet.summed === CHECKSUM_STALE && carriedLength(packet) > CHECKSUM_BREAK;
}

/** What is known of a packet that comes out of a tunnel's datagram: the sum of what was around it is taken off. */
export function checksumInside(inner: Packet, outer: Packet): void {
  if (outer.summed !== CHECKSUM_LEFT) inner.summed = CHECKSUM_COMPLETE;
  else checksumForwarded(inner);
}
