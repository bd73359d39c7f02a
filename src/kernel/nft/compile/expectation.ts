import { KEY_IPV6 } from "../../../packet/packet.ts";
import { IPS_CONFIRMED } from "../../conntrack/status.ts";
import { NF_DROP } from "../../netfilter/hook.ts";
import { parseTime } from "../text/time.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 };

/**
 * `ct expectation set "…"`, of the lines nft prints the object in (`nft_ct_expect_obj_eval`): a connection that is about to be made
 * announces one from where its answers come, to where they go. One that another announces already is an error, and the packet is dropped.
 */
export function compileExpectation(lines: readonly string[]): Step {
  const said = new Map(lines.map((line) => line.split(" ", 2) as [string, string]));
  const protocol = PROTOCOLS[said.get("protocol") ?? ""] ?? Number(said.get("protocol"));
  const dport = Number(said.get("dport"));
  const size = Number(said.get("size"));
  // nft gives milliseconds, and the kernel takes them for seconds: 2m are 33 hours.
  const seconds = parseTime(said.get("timeout") ?? "") ?? 0;
  const family = said.get("l3proto") ?? "inet";
  return ({ packet, stack }) => {
    const { ct } = packet;
    const { conntrack } = stack;
    if (ct < 0 || (conntrack.status(ct) & IPS_CONFIRMED) !== 0) return NFT_BREAK;
    const { expectations } = conntrack;
    if (expectations.of(ct) >= size) return NFT_BREAK;
    const six = conntrack.family(ct) === 6;
    // Of the other family nothing can come that is expected.
    if (family !== "inet" && (family === "ip6") !== six) return NFT_CONTINUE;
    const expected = {
      ...{ master: ct, src: conntrack.replySrc(ct), dst: conntrack.replyDst(ct), dport },
      ...{ proto: six ? protocol | KEY_IPV6 : protocol, zone: conntrack.zone(ct) },
    };
    return expectations.add(expected, stack.now, seconds) ? NFT_CONTINUE : NF_DROP;
  };
}
