import type { NftRun } from "./nft-run.ts";
import type { Load } from "./read.ts";

/** A statement compiled: NFT_CONTINUE goes on within the rule, anything else ends it. Runs per packet. */
export type Step = (run: NftRun) => number;

/** A statement of the kinds that rule sets are full of: a rule's code (`rule-code.ts`) holds it without a function of its own. */
export type Inline =
  | { readonly kind: "verdict"; readonly verdict: number; readonly target: number }
  /** One word against a constant. */
  | { readonly kind: "compare"; readonly from: Load; readonly equal: boolean; readonly word: number }
  /** A map of a few single words to verdicts; the first of equal keys counts. */
  | { readonly kind: "choose"; readonly from: Load; readonly choices: readonly Choice[] }
  /** Constants put into the first registers before a step. */
  | { readonly kind: "fill"; readonly words: readonly number[]; readonly step: Step };

export interface Choice {
  readonly key: number;
  readonly verdict: number;
  /** Symbol of the chain that the verdict goes to, -1 none. */
  readonly target: number;
}
