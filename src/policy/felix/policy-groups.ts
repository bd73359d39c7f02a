import { sha3_224 } from "@noble/hashes/sha3.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { formatCalicoSelector } from "../../object/calico-selector.ts";
import type { PolicyDirection } from "../../object/policy-types.ts";
import { base64url, MAX_CHAIN_LENGTH } from "./names.ts";
import type { FelixPolicy } from "./policy.ts";
import { policyChain } from "./policy-chains.ts";
import { type FelixChain, felixRule, jump, markClear, markNotClear, RETURN } from "./rule-text.ts";
import { type FelixSettings, marksOf } from "./settings.ts";

/**
 * Policies that follow each other and are for the same endpoints: who has one of them has all, so that their endpoints share
 * one chain that asks them in turn (felix `PolicyGroup`, since 3.27).
 */
export interface PolicyGroup {
  /** What an endpoint's chain jumps to: the group's own chain, or that of its only policy. */
  readonly target: string;
  /** null: a single policy needs none. */
  readonly chain: FelixChain | null;
}

const SINCE_GROUPS = 27;

export function policyGroups(
  policies: readonly FelixPolicy[],
  direction: PolicyDirection,
  settings: FelixSettings,
): PolicyGroup[] {
  const groups: { readonly selector: string; readonly members: FelixPolicy[] }[] = [];
  for (const policy of policies) {
    const selector = formatCalicoSelector(policy.selector);
    const last = groups.at(-1);
    if (settings.minor >= SINCE_GROUPS && last?.selector === selector) last.members.push(policy);
    else groups.push({ selector, members: [policy] });
  }
  return groups.map(({ selector, members }): PolicyGroup => {
    const [only] = members;
    if (members.length === 1 && only !== undefined)
      return { target: policyChain(only.name, direction), chain: null };
    const chain = groupChain(members, selector, direction, settings);
    return { target: chain.name, chain };
  });
}

/** It looks for a verdict only after every so many policies. */
const STRIDE = 5;

function groupChain(
  members: readonly FelixPolicy[],
  selector: string,
  direction: PolicyDirection,
  settings: FelixSettings,
): FelixChain {
  const { accept, pass } = marksOf(settings);
  const verdict = accept + pass;
  const rules = members.flatMap(({ name }, i) => {
    const isFirst = i % STRIDE === 0;
    const to = jump(policyChain(name, direction));
    return [
      ...(isFirst && i > 0 ? [felixRule(markNotClear(verdict), RETURN, "Return on verdict")] : []),
      felixRule(isFirst ? "" : markClear(verdict), to),
    ];
  });
  return { name: groupName(members, selector, direction), rules };
}

/** Its tier, selector, direction and members, hashed (`PolicyGroup.UniqueID`). */
function groupName(
  members: readonly Pick<FelixPolicy, "name" | "tier">[],
  selector: string,
  direction: PolicyDirection,
): string {
  const isInbound = direction === "Ingress";
  const prefix = isInbound ? "cali-gi-" : "cali-go-";
  const lines = [
    members[0]?.tier.name ?? "",
    selector,
    isInbound ? "inbound" : "outbound",
    String(members.length),
    ...members.map(({ name }) => name),
  ];
  const hash = base64url(sha3_224(utf8ToBytes(lines.map((line) => `${line}\n`).join(""))));
  return (prefix + hash).slice(0, MAX_CHAIN_LENGTH);
}
