import { KEY_IPV6 } from "../../../packet/packet.ts";
import { helperOf } from "../../conntrack/helper.ts";
import { IPS_CONFIRMED } from "../../conntrack/status.ts";
import type { Step } from "./step.ts";
import { NFT_CONTINUE } from "./verdict.ts";

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17 };

/** `ct helper set "…"`, of the lines nft prints the object in (`nft_ct_helper_obj_eval`): a connection about to be made has a helper. */
export function compileHelper(lines: readonly string[]): Step {
  const [, name = "", protocol = ""] =
    lines.map((line) => /^type "?([^"\s]+)"? protocol (\S+)$/.exec(line)).find((found) => found !== null) ??
    [];
  const family = lines.map((line) => /^l3proto (\S+)$/.exec(line)?.[1]).find((found) => found !== undefined);
  const note = helperOf(name);
  return ({ packet, stack }) => {
    const { ct } = packet;
    const { conntrack } = stack;
    if (ct < 0 || (conntrack.status(ct) & IPS_CONFIRMED) !== 0) return NFT_CONTINUE;
    if ((conntrack.proto(ct) & ~KEY_IPV6) !== PROTOCOLS[protocol]) return NFT_CONTINUE;
    const six = conntrack.family(ct) === 6;
    if (family === undefined || family === "inet" || (family === "ip6") === six)
      stack.engine.unmodelled.add(note);
    return NFT_CONTINUE;
  };
}
