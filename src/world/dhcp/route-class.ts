import type { Ipv4 } from "../../address/ipv4.ts";

const CLASS_A_END = 128;
const CLASS_B_END = 192;

/** The length of an address's network when addresses still had classes (RFC 791), as option 33 takes them. */
export function lengthOfClass(address: Ipv4): number {
  const first = address >>> 24;
  if (first < CLASS_A_END) return 8;
  return first < CLASS_B_END ? 16 : 24;
}
