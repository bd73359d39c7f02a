import type { KnownBytes } from "../../../packet/wire/known-bytes.ts";
import type { NftRun } from "./nft-run.ts";

/** Equal to nothing that a rule can mean: what bits are taken to be that are not known. */
export const UNKNOWN_BITS = -1;

/**
 * Puts up to 32 bits of a packet into a register; says in the run where they are not known. False: the packet ends before.
 * Runs per packet that a rule reads so.
 *
 * @param start where the header that is read begins, bytes from the IP header
 * @param offset bits from there
 */
export function loadKnownBits(
  run: NftRun,
  at: number,
  { bytes, known }: KnownBytes,
  start: number,
  offset: number,
  length: number,
): boolean {
  if (start * 8 + offset + length > bytes.length * 8) return false;
  let value = 0;
  let isKnown = true;
  for (let bit = offset; bit < offset + length; bit++) {
    const byte = start + (bit >> 3);
    const mask = 0x80 >> (bit & 7);
    value = (value << 1) | (((bytes[byte] as number) & mask) === 0 ? 0 : 1);
    isKnown &&= ((known[byte] as number) & mask) !== 0;
  }
  run.regs[at] = isKnown ? value : UNKNOWN_BITS;
  if (!isKnown) run.unsure = true;
  return true;
}
