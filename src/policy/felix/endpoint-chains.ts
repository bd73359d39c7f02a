import type { PolicyDirection } from "../../object/policy-types.ts";
import { chainName } from "./names.ts";
import type { FelixPolicy } from "./policy.ts";
import { profileChain } from "./policy-chains.ts";
import { policyGroups } from "./policy-groups.ts";
import {
  ACCEPT,
  clearMark,
  ctstate,
  DROP,
  type FelixChain,
  type FelixRule,
  felixRule,
  jump,
  markClear,
  markSet,
  RETURN,
  setMark,
} from "./rule-text.ts";
import { type FelixSettings, marksOf } from "./settings.ts";

/** The chain of one endpoint in one direction: its tiers, then its profiles (felix `rules/endpoints.go`). */
export interface EndpointChain {
  readonly name: string;
  readonly direction: PolicyDirection;
  /** Those that are for this endpoint, tier by tier, in their order. */
  readonly tiers: readonly (readonly FelixPolicy[])[];
  readonly profiles: readonly string[];
  readonly failsafeChain: string | null;
  readonly kind: "normal" | "forward" | "untracked" | "pre-dnat";
  /** What becomes of packets of connections that were let in: the chain's own, or back to the caller with a mark. */
  readonly established: "accept" | "mark";
  /** Of a workload: its packets may not be of a tunnel, which would lead them past the policies. */
  readonly forbidsTunnels: boolean;
}

/** Felix looks for VXLAN at this port. */
const VXLAN_PORT = 4789;

/** It, and the chains of the groups of policies that it asks. */
export function endpointChains(chain: EndpointChain, settings: FelixSettings): FelixChain[] {
  const groups = chain.tiers.flatMap((policies) => policyGroups(policies, chain.direction, settings));
  return [endpointChain(chain, settings), ...groups.flatMap((group) => group.chain ?? [])];
}

function endpointChain(chain: EndpointChain, settings: FelixSettings): FelixChain {
  const { accept, pass } = marksOf(settings);
  const { direction, kind } = chain;
  const tiers = chain.tiers.filter((policies) => policies.length > 0);
  const rules: FelixRule[] = kind === "untracked" ? [] : conntrackRules(chain.established, accept);
  if (chain.failsafeChain !== null) rules.push(felixRule("", jump(chain.failsafeChain)));
  // Before, the policies' first rule cleared the pass bit.
  rules.push(felixRule("", clearMark(settings.minor >= CLEARED_AT_ONCE_SINCE ? accept + pass : accept)));
  if (chain.forbidsTunnels) rules.push(...tunnelRules());
  for (const policies of tiers) rules.push(...tierRules(policies, chain, settings));
  if (kind === "forward" && tiers.length === 0) {
    rules.push(
      felixRule("", setMark(accept), "Allow forwarded traffic by default"),
      felixRule("", RETURN, "Return for accepted forward traffic"),
    );
  }
  if (kind === "normal") {
    for (const profile of chain.profiles) {
      rules.push(
        felixRule("", jump(profileChain(profile, direction))),
        felixRule(markSet(accept), RETURN, "Return if profile accepted"),
      );
    }
    rules.push(felixRule("", DROP, "Drop if no profiles matched"));
  }
  return { name: chain.name, rules };
}

function conntrackRules(established: EndpointChain["established"], accept: number): FelixRule[] {
  const known = ctstate("RELATED,ESTABLISHED");
  return [
    ...(established === "mark"
      ? [felixRule(known, setMark(accept)), felixRule(known, RETURN)]
      : [felixRule(known, ACCEPT)]),
    felixRule(ctstate("INVALID"), DROP),
  ];
}

function tunnelRules(): FelixRule[] {
  return [
    felixRule(
      `-p 17 -m multiport --destination-ports ${VXLAN_PORT}`,
      DROP,
      "Drop VXLAN encapped packets originating in workloads",
    ),
    felixRule("-p 4", DROP, "Drop IPinIP encapped packets originating in workloads"),
  ];
}

/** A policy that accepts leaves a mark, and so does one that passes the packet to the next tier. */
function tierRules(
  policies: readonly FelixPolicy[],
  { direction, kind }: EndpointChain,
  settings: FelixSettings,
): FelixRule[] {
  const { accept, pass } = marksOf(settings);
  const tier = policies[0]?.tier;
  const name = tier?.name ?? "";
  const isOld = settings.minor < TIERS_NAMED_SINCE;
  const isCleared = isOld && settings.minor >= CLEARED_AT_ONCE_SINCE;
  const start = isOld ? "Start of policies" : `Start of tier ${name}`;
  const rules = isCleared ? [] : [felixRule("", clearMark(pass), start)];
  for (const { target } of policyGroups(policies, direction, settings)) {
    rules.push(felixRule(markClear(pass), jump(target)));
    if (kind === "untracked") rules.push(felixRule(markSet(accept), "--jump NOTRACK"));
    rules.push(felixRule(markSet(accept), RETURN, "Return if policy accepted"));
  }
  // Packets that are not tracked, or not translated yet, meet the other policies afterwards.
  const isLast = kind === "normal" || kind === "forward";
  if (isLast && tier?.defaultAction !== "pass") {
    const what = "Drop if no policies passed packet";
    const drop = felixRule(markClear(pass), DROP, isOld ? what : `End of tier ${name}. ${what}`);
    // It is there because a policy is for this endpoint: the first of them stands for all.
    const [first] = policies;
    rules.push(first === undefined ? drop : { ...drop, source: { object: first.object, field: ["spec"] } });
  }
  return rules;
}

/** Calico's tiers were its makers' own before. */
const TIERS_NAMED_SINCE = 29;
const CLEARED_AT_ONCE_SINCE = 27;

/** `cali-tw-` leads to a workload, `cali-fw-` from it. */
export const toWorkload = (device: string) => chainName("cali-tw-", device);
export const fromWorkload = (device: string) => chainName("cali-fw-", device);
