import { IPPROTO_TCP } from "../../../packet/packet.ts";
import { nftSynproxySegment, type SynproxyOptions } from "../../netfilter/synproxy.ts";
import type { NftStatement } from "../statement.ts";
import type { NftRun } from "./nft-run.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";

type Synproxy = Extract<NftStatement, { kind: "synproxy" }>;

/** `nft_synproxy_do_eval`: of another protocol the rule ends. */
export function compileSynproxy({ mss, wscale, flags }: Omit<Synproxy, "kind">): Step {
  const options: SynproxyOptions = {
    mss: mss ?? 0,
    wscale: wscale !== null,
    timestamp: flags.includes("timestamp"),
  };
  return ({ packet, stack }: NftRun) => {
    if (packet.protocol !== IPPROTO_TCP) return NFT_BREAK;
    return nftSynproxySegment(stack, packet, options) ?? NFT_CONTINUE;
  };
}

/** The same of an object, from the lines nft prints it in: `mss 1460`, `wscale 7`, `timestamp sack-perm`. */
export function compileSynproxyObject(lines: readonly string[]): Step {
  const words = lines.join(" ").split(" ");
  const number = (name: string): number | null => {
    const at = words.indexOf(name);
    return at < 0 ? null : Number(words[at + 1]);
  };
  const flags = words.includes("timestamp") ? (["timestamp"] as const) : [];
  return compileSynproxy({ mss: number("mss"), wscale: number("wscale"), flags });
}
