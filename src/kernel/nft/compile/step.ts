import type { NftRun } from "./nft-run.ts";

/** A statement compiled: NFT_CONTINUE goes on within the rule, anything else ends it. Runs per packet. */
export type Step = (run: NftRun) => number;
