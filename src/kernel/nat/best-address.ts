import { type Ip6, intern, word6 } from "../../address/ip6-handle.ts";
import * as PACKET from "../../packet/packet.ts";
import { jhashAddress, jhashAddress6, reciprocalScale, swap32 } from "./jhash.ts";
import type { Manip } from "./manip.ts";
import * as MANIP from "./manip.ts";
import type { NatRange } from "./range.ts";
import type { NatTuple } from "./tuple.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { KEY_IPV6 } = PACKET;
const { NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC } = MANIP;

/**
 * `find_best_ips_proto`: give a tuple's end one address of a range, by the kernel's own hash of the pair, so that a client keeps its
 * address. Runs per packet.
 *
 * @param zone the connection's
 */
export function setBestAddress(tuple: NatTuple, range: NatRange, manip: Manip, zone: number): void {
  const address = bestAddress(tuple, range, manip, zone & 0xffff);
  if (manip === NF_NAT_MANIP_SRC) tuple.src = address;
  else tuple.dst = address;
}

function bestAddress({ src, dst, proto }: NatTuple, range: NatRange, manip: Manip, zone: number): number {
  if (range.minAddress === range.maxAddress) return range.minAddress;
  if ((proto & KEY_IPV6) !== 0) return bestAddress6(range, src, dst, manip, zone);
  const min = range.minAddress >>> 0;
  const max = range.maxAddress >>> 0;
  const hash = jhashAddress(swap32(src), range.persistent ? 0 : swap32(dst) ^ zone);
  return (min + reciprocalScale(hash, max - min + 1)) | 0;
}

function swapped(address: Ip6, i: number): number {
  return swap32(word6(address, i));
}

const picked = new Int32Array(4);

/** The same of IPv6: word by word, the whole of a word's values once an earlier one is below the last address's. */
function bestAddress6(range: NatRange, src: Ip6, dst: Ip6, manip: Manip, zone: number): Ip6 {
  const seed = range.persistent ? 0 : swapped(dst, 3) ^ zone;
  let hash = jhashAddress6(swapped(src, 0), swapped(src, 1), swapped(src, 2), swapped(src, 3), seed);
  let wholeWord = false;
  for (let i = 0; i < 4; i++) {
    const last = word6(range.maxAddress, i);
    const first = wholeWord ? 0 : word6(range.minAddress, i);
    // 32-bit arithmetic, as the kernel's: a range of all values has the size 0.
    const size = wholeWord ? 0xffffffff : (last - first + 1) >>> 0;
    picked[i] = first + reciprocalScale(hash, size);
    if (picked[i] !== last) wholeWord = true;
    // The destination is already written over where it is the one that is chosen.
    const other = manip === NF_NAT_MANIP_DST ? (picked[i] as number) : word6(dst, i);
    if (!range.persistent) hash = (hash ^ swap32(other)) >>> 0;
  }
  return intern(picked[0] as number, picked[1] as number, picked[2] as number, picked[3] as number);
}
