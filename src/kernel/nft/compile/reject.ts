import { RT_OUTPUT } from "../../../packet/packet.ts";
import { NF_INET_PRE_ROUTING } from "../../netfilter/hook.ts";
import { rejectPacket } from "../../netfilter/targets-effect.ts";
import { RTN_UNICAST } from "../../route/types.ts";
import { symbolValue } from "../datatype.ts";
import type { NftFamily } from "../ruleset.ts";
import type { NftStatement } from "../statement.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK } from "./verdict.ts";

const ICMP_DEST_UNREACH = 3;
const PORT_UNREACHABLE = 3;

/** `nft_reject_icmp_code`: what the codes of both families are in ICMP. */
const ICMPX_NAMES = ["net-unreachable", "port-unreachable", "host-unreachable", "admin-prohibited"];

/** `nft_reject_ipv4_eval`, `nft_reject_inet_eval`. */
export function compileReject(
  { type, code }: Extract<NftStatement, { kind: "reject" }>,
  family: NftFamily,
): Step {
  // What answers in ICMPv6 is for packets of IPv6 only, of which nft sees to with a comparison it does not print.
  if (type === "icmpv6" || family === "ip6") return () => NFT_BREAK;
  const reset = type === "tcp reset";
  let icmpCode = PORT_UNREACHABLE;
  if (type === "icmp") icmpCode = code ?? PORT_UNREACHABLE;
  if (type === "icmpx") icmpCode = symbolValue("icmp_code", ICMPX_NAMES[code ?? 1] ?? "") ?? PORT_UNREACHABLE;
  return (run) => {
    const { packet, stack } = run;
    if (reset && packet.protocol !== 6) return NFT_BREAK;
    if (run.hook === NF_INET_PRE_ROUTING && packet.rtDev < 0 && packet.rtInput === 0) {
      // `nf_reject_fill_skb_dst`: a route to the sender stands in for the packet's own, which is still to be found.
      packet.rtInput = RT_OUTPUT;
      packet.rtType = RTN_UNICAST;
    }
    return rejectPacket(stack, packet, reset, ICMP_DEST_UNREACH, icmpCode);
  };
}
