import { NF_ACCEPT, NF_DROP } from "../../netfilter/hook.ts";
import { UnknownTest } from "../../netfilter/unknown.ts";
import type { Step } from "./step.ts";
import type { NftUnknown } from "./unknown-step.ts";

/** `nft_queue`: a program decides, and nobody here knows how: both its answers are walked. */
export function compileQueue(text: string): Step {
  const unknown: NftUnknown = { kind: "nft", text };
  const test = new UnknownTest(unknown);
  return ({ packet, stack }) => (test.test(packet, stack) ? NF_ACCEPT : NF_DROP);
}
