import type { Match } from "../../netfilter/match/match.ts";
import type { Target } from "../../netfilter/target/target.ts";
import { UnknownTest } from "../../netfilter/unknown.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";

/** A statement of nftables that the walk does not know, in its own words. */
export interface NftUnknown extends Match, Target {
  readonly kind: "nft";
  readonly text: string;
}

/**
 * A statement not known to the walk. One that may stop the rule is asked of the chooser, both ways; one that acts is
 * taken to do nothing, and the verdict names it.
 */
export function unknownStep(text: string, mayStop: boolean): Step {
  const unknown: NftUnknown = { kind: "nft", text };
  if (!mayStop) {
    return (run) => {
      run.stack.unknownTargets.add(unknown);
      return NFT_CONTINUE;
    };
  }
  const test = new UnknownTest(unknown);
  return (run) => (test.test(run.packet, run.stack) ? NFT_CONTINUE : NFT_BREAK);
}

/** The words of something unknown that came from here; undefined for iptables'. */
export function nftUnknownText(unknown: Match | Target): string | undefined {
  return unknown.kind === "nft" ? (unknown as NftUnknown).text : undefined;
}
