import { IPV4_HEADER } from "../../../packet/wire/ipv4.ts";
import { knownBytes } from "../../../packet/wire/known-bytes.ts";
import { loadKnownBits } from "./known-bits.ts";
import type { NftRun } from "./nft-run.ts";

/**
 * What a rule reads as the transport header of a fragment that has none. A load of 1, 2 or 4 bytes in their place does not ask
 * whether the packet begins with one (`nft_payload_fast_eval`), any other does (`nft_payload_eval`).
 */

/** Is a load of these bits one that does not ask? It takes whole bytes. */
function isFastLoad(offset: number, length: number): boolean {
  const first = offset >> 3;
  const bytes = ((offset + length + 7) >> 3) - first;
  return (bytes === 1 || bytes === 2 || bytes === 4) && first % bytes === 0;
}

/**
 * Up to 32 bits into a register: of IPv4's fragment its payload's, of IPv6's its own IP header's, as `ipv6_find_hdr` leaves the
 * place of the transport header at 0 where there is none. False: the fragment ends before (NFT_BREAK). Runs per packet.
 *
 * @param offset bits
 */
export function loadOfLaterFragment(run: NftRun, at: number, offset: number, length: number): boolean {
  if (!isFastLoad(offset, length)) return false;
  const { packet } = run;
  return loadKnownBits(run, at, knownBytes(packet), packet.family === 6 ? 0 : IPV4_HEADER, offset, length);
}
