import { maskWord } from "../../address/prefix6.ts";
import type { Packet } from "../../packet/packet.ts";
import type { RuleContext } from "../netfilter/rule-context.ts";
import { type CompiledSet, DIM_NET, LENGTHS } from "./compiled-set.ts";
import { readElement } from "./set-element.ts";

/**
 * Write the key that adding and deleting work on: a net of the longest prefix that the set holds, a whole address in a set
 * without any (`INIT_CIDR`). Runs per packet.
 *
 * @param lengths as `CompiledSet.lengthCounts`
 * @returns false where the packet has no such element
 */
export function elementToChange(
  set: CompiledSet,
  lengths: Int32Array,
  sources: number,
  packet: Packet,
  context: RuleContext,
  key: Int32Array,
): boolean {
  const { layout, dimensions } = set;
  if (!readElement(set, sources, packet, context, key)) return false;
  if (!set.hasNets) return true;
  const last = dimensions.length - 1;
  const firstIsNet = dimensions[0] === DIM_NET;
  const first = longestOf(set, lengths, 0);
  cut(set, key, firstIsNet ? layout.address : layout.second, first);
  key[layout.lengths] = first;
  if (firstIsNet && last > 0 && dimensions[last] === DIM_NET) {
    const second = longestOf(set, lengths, LENGTHS);
    cut(set, key, layout.second, second);
    key[layout.lengths] = first | (second << 8);
  }
  return true;
}

function cut({ layout }: CompiledSet, key: Int32Array, at: number, length: number): void {
  for (let i = 0; i < layout.addressWords; i++) {
    key[at + i] = (key[at + i] as number) & maskWord(length, i);
  }
}

function longestOf({ addressBits }: CompiledSet, lengths: Int32Array, from: number): number {
  for (let length: number = addressBits; length >= 0; length--) {
    if ((lengths[from + length] as number) > 0) return length;
  }
  return addressBits;
}
