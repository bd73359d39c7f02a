import { NF_ACCEPT, NF_DROP } from "../../netfilter/hook.ts";
import type { NftVerdict } from "../statement.ts";
import { internNftName } from "./symbol.ts";

/** What a rule says (`enum nft_verdicts`), beside netfilter's own NF_DROP 0, NF_ACCEPT 1, NF_STOLEN 2. */
export const NFT_CONTINUE = -1;
/** The rule does not match: on to the next. */
export const NFT_BREAK = -2;
export const NFT_JUMP = -3;
export const NFT_GOTO = -4;
export const NFT_RETURN = -5;

export function verdictCode(verdict: NftVerdict): number {
  switch (verdict.kind) {
    case "accept":
      return NF_ACCEPT;
    case "drop":
      return NF_DROP;
    case "continue":
      return NFT_CONTINUE;
    case "return":
      return NFT_RETURN;
    case "jump":
      return NFT_JUMP;
    case "goto":
      return NFT_GOTO;
    default:
      verdict satisfies never;
      throw new Error("unknown verdict");
  }
}

export function verdictTarget(verdict: NftVerdict): number {
  return verdict.kind === "jump" || verdict.kind === "goto" ? internNftName(verdict.chain) : -1;
}
