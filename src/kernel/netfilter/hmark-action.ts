import { word6 } from "../../address/ip6-handle.ts";
import { maskOf } from "../../address/prefix.ts";
import { mask6Of } from "../../address/prefix6.ts";
import { IPPROTO_ICMP, isIcmp, type Packet } from "../../packet/packet.ts";
import { hasPorts } from "../../packet/ports.ts";
import { jhashWords, reciprocalScale } from "../nat/jhash.ts";
import type { Stack } from "../stack.ts";
import type { HmarkTarget } from "./target/hmark.ts";
import type { TargetAction } from "./target-action.ts";

const XT_CONTINUE = -1;

const words = new Int32Array(3);

/** `hmark_tg_v4`, `hmark_tg_v6`. Runs per packet. */
export function hmarkAction(target: HmarkTarget): TargetAction {
  const { seed, modulus, offset, ofConnection } = target;
  const portMask = target.spiMask ?? ((target.sportMask ?? 0) << 16) | (target.dportMask ?? 0);
  const portsSet = target.spi ?? ((target.sport ?? 0) << 16) | (target.dport ?? 0);
  const protocolMask = target.protocolMask ?? 0;
  return {
    apply: (stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      const quoted = isIcmp(packet) ? packet.inner : null;
      const of = quoted ?? packet;
      const { conntrack } = stack;
      const { ct, family } = packet;
      if (ofConnection && ct < 0) return XT_CONTINUE;
      const protocol = ofConnection ? conntrack.proto(ct) : of.protocol;
      const from = folded(ofConnection ? conntrack.origSrc(ct) : of.src, family, target.srcPrefix);
      const to = folded(ofConnection ? conntrack.replySrc(ct) : of.dst, family, target.dstPrefix);
      const low = from >>> 0 < to >>> 0 ? from : to;
      words[0] = low;
      words[1] = low === from ? to : from;
      words[2] = 0;
      if (ofConnection ? protocol !== IPPROTO_ICMP : hasPorts(protocol) && !of.isFragment) {
        const sport = ofConnection ? conntrack.origSport(ct) : of.sport;
        const dport = ofConnection ? conntrack.replySport(ct) : of.dport;
        const ports = (((sport << 16) | dport) & portMask) | portsSet;
        const [one, other] = [ports >>> 16, ports & 0xffff];
        words[2] = other > one ? (other << 16) | one : (one << 16) | other;
      }
      const hash = jhashWords(words, 0, 12, seed | 0) ^ (protocol & protocolMask);
      packet.mark = (reciprocalScale(hash >>> 0, modulus) + (offset ?? 0)) | 0;
      return XT_CONTINUE;
    },
  };
}

/** `hmark_addr_mask`: the bits of an address that are hashed, of IPv6 folded into one word. */
function folded(address: number, family: number, prefix: number | null): number {
  if (prefix === null) return 0;
  if (family !== 6) return address & maskOf(prefix);
  const mask = mask6Of(prefix);
  let word = 0;
  for (let i = 0; i < 4; i++) word ^= word6(address, i) & (mask[i] as number);
  return word;
}
