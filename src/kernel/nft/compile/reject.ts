import {
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PKT_FILTERED,
  ICMP_PORT_UNREACH,
  ICMPV6_ADDR_UNREACH,
  ICMPV6_ADM_PROHIBITED,
  ICMPV6_DEST_UNREACH,
  ICMPV6_NOROUTE,
  ICMPV6_PORT_UNREACH,
  IPPROTO_TCP,
  RT_OUTPUT,
} from "../../../packet/packet.ts";
import { NF_DROP, NF_INET_PRE_ROUTING } from "../../netfilter/hook.ts";
import { rejectPacket } from "../../netfilter/targets-effect.ts";
import { probed } from "../../route/probed.ts";
import type { NftFamily } from "../ruleset.ts";
import type { NftStatement } from "../statement.ts";
import type { Step } from "./step.ts";
import type { NftUnknown } from "./unknown-step.ts";
import { NFT_BREAK } from "./verdict.ts";

/** `nft_reject_icmp_code`, `nft_reject_icmpv6_code`: what the codes of both families are in each. */
const ICMPX: readonly (readonly [icmp: number, icmpv6: number])[] = [
  [ICMP_NET_UNREACH, ICMPV6_NOROUTE],
  [ICMP_PORT_UNREACH, ICMPV6_PORT_UNREACH],
  [ICMP_HOST_UNREACH, ICMPV6_ADDR_UNREACH],
  [ICMP_PKT_FILTERED, ICMPV6_ADM_PROHIBITED],
];

const UNANSWERED: NftUnknown = {
  kind: "nft",
  text: "reject in a table of family bridge or netdev: its answer",
};

/** `nft_reject_ipv4_eval`, `nft_reject_ipv6_eval`, `nft_reject_inet_eval`. */
export function compileReject(
  { type, code }: Extract<NftStatement, { kind: "reject" }>,
  family: NftFamily,
): Step {
  const reset = type === "tcp reset";
  // What answers in one family's ICMP is for packets of that family only: nft sees to it with a comparison it does not print.
  const only = type === "icmp" ? 4 : type === "icmpv6" ? 6 : 0;
  let [icmpCode, icmpv6Code] = ICMPX[type === "icmpx" ? (code ?? 1) : 1] ?? [0, 0];
  if (type === "icmp") icmpCode = code ?? ICMP_PORT_UNREACH;
  if (type === "icmpv6") icmpv6Code = code ?? ICMPV6_PORT_UNREACH;
  // Bridges and devices answer with frames of their own making, which are not walked; the packet is dropped all the same.
  const isFrame = family === "bridge" || family === "netdev";
  return (run) => {
    const { packet, stack } = run;
    if ((reset && packet.protocol !== IPPROTO_TCP) || (only !== 0 && packet.family !== only))
      return NFT_BREAK;
    if (isFrame) {
      stack.unknownTargets.add(UNANSWERED);
      return NF_DROP;
    }
    if (run.hook === NF_INET_PRE_ROUTING && packet.rtDev < 0 && packet.rtInput === 0) {
      // `nf_reject_fill_skb_dst`: a route to the sender stands in for the packet's own, which is still to be found.
      probed(stack, packet.family, packet.src, ({ rtType }) => {
        packet.rtInput = RT_OUTPUT;
        packet.rtType = rtType;
        return true;
      });
    }
    if (packet.family === 6) return rejectPacket(stack, packet, reset, ICMPV6_DEST_UNREACH, icmpv6Code);
    return rejectPacket(stack, packet, reset, ICMP_DEST_UNREACH, icmpCode);
  };
}
