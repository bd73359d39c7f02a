import { type Ip6, internIpv6, samePrefix6, wordsOf6 } from "../../address/ip6-handle.ts";
import type { Ipv6Words } from "../../address/ipv6.ts";
import { lengthOfMasked, type Masked } from "../../address/masked.ts";
import { ICMPV6_PARAMPROB, IPPROTO_ICMPV6, KEY_IPV6, type Packet } from "../../packet/packet.ts";
import { isIcmpError } from "../conntrack/icmp.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC } from "../nat/manip.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { OP_REWRITE } from "../tape.ts";
import { NF_DROP, type NfVerdict } from "./hook.ts";
import type { NptTarget } from "./target/npt.ts";
import type { TargetAction } from "./target-action.ts";

const XT_CONTINUE = -1;
const RULE_REJECT = reason("rule-reject");

/** Where an address stands in the header of IPv6, bytes: the pointer of a parameter problem. */
const SADDR_AT = 8;
const DADDR_AT = 24;

/** `ip6t_snpt_tg`, `ip6t_dnpt_tg`; an ICMP error's quoted packet is put back what the other target did. Runs per packet. */
export function nptAction({ kind, from, to }: NptTarget): TargetAction {
  const map = prefixMap(from, to);
  const source = kind === "SNPT";
  const prefix = internIpv6(from.address as Ipv6Words);
  const length = lengthOfMasked(from) ?? 0;
  return {
    readdresses: !source,
    apply: (stack: Stack, packet: Packet): NfVerdict | typeof XT_CONTINUE => {
      const before = source ? packet.src : packet.dst;
      const after = map(before);
      if (after < 0) {
        stack.drop(packet, RULE_REJECT);
        sendIcmpError(stack, packet, ICMPV6_PARAMPROB, 0, source ? SADDR_AT : DADDR_AT);
        return NF_DROP;
      }
      if (source) packet.src = after;
      else packet.dst = after;
      tell(stack, packet, source ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST, before, after);
      const quoted =
        packet.protocol === IPPROTO_ICMPV6 && isIcmpError(packet.icmpType, 6) ? packet.inner : null;
      if (quoted === null) return XT_CONTINUE;
      const address = source ? quoted.dst : quoted.src;
      const mapped = samePrefix6(address, prefix, length) ? map(address) : -1;
      if (mapped >= 0 && source) quoted.dst = mapped;
      else if (mapped >= 0) quoted.src = mapped;
      return XT_CONTINUE;
    },
  };
}

function tell(stack: Stack, packet: Packet, manip: number, before: Ip6, after: Ip6): void {
  if (before === after) return;
  stack.tape?.words8(
    OP_REWRITE,
    stack.host,
    packet.number,
    manip | KEY_IPV6,
    before,
    -1,
    after,
    -1,
    stack.hook,
  );
}

/**
 * `ip6t_npt_map_pfx`: put the other prefix there and make up for it in a word behind, so that checksums stay right; −1: there is
 * no word to do that in.
 */
function prefixMap(from: Masked, to: Masked): (address: Ip6) => Ip6 {
  const toWords = to.address as Ipv6Words;
  const length = Math.max(lengthOfMasked(from) ?? 0, lengthOfMasked(to) ?? 0);
  const adjustment = folded(sum16(from.address as Ipv6Words) + (0xffff - folded(sum16(toWords))));
  return (address) => {
    const words = wordsOf6(address).map((word, i) => {
      const own = Math.max(0, Math.min(32, (i + 1) * 32 - length));
      const mask = own === 32 ? -1 : (1 << own) - 1;
      return ((word & mask) | (~mask & (toWords[i] as number))) >>> 0;
    });
    const halves = words.flatMap((word) => [word >>> 16, word & 0xffff]);
    const at = length <= 48 ? 3 : halves.findIndex((half, i) => i >= 4 && half !== 0xffff);
    if (at < 0) return -1;
    const sum = folded((halves[at] as number) + adjustment);
    halves[at] = sum === 0xffff ? 0 : sum;
    const word = (i: number) => (((halves[i * 2] as number) << 16) | (halves[i * 2 + 1] as number)) >>> 0;
    return internIpv6([word(0), word(1), word(2), word(3)]);
  };
}

function sum16(words: Ipv6Words): number {
  return words.reduce((sum, word) => sum + (word >>> 16) + (word & 0xffff), 0);
}

/** The sum of ones' complement in 16 bits. */
function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest & 0xffff) + (rest >>> 16);
  return rest;
}
