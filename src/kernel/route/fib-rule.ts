import type { Family } from "../../address/ip.ts";
import { addressOnPath, samePrefix6 } from "../../address/ip6-handle.ts";
import type { Flow } from "./fib.ts";
import { DEFAULT_RULES, DEFAULT_RULES6, L3MDEV_RULE } from "./ip-rule.ts";
import { realmsNumber } from "./realms.ts";
import type { PolicyRule, PolicyRule6 } from "./route.ts";

/** Policy rules compiled (net/core/fib_rules.c), of both families. */
export interface CompiledRule extends Omit<PolicyRule, "src" | "dst" | "origin" | "realms"> {
  readonly family: Family;
  /** Addresses as the path holds them. */
  readonly src: PathPrefix | null;
  readonly dst: PathPrefix | null;
  /** A look-up for everybody, as the rules are that every host has. */
  readonly always: boolean;
  /** As a number; 0 none. */
  readonly realms: number;
}

interface PathPrefix {
  readonly address: number;
  readonly length: number;
}

/** A host's rules by priority; where there are none, those of a new namespace. */
export function compileRules(
  family: Family,
  rules: readonly (PolicyRule | PolicyRule6)[],
  hasVrf: boolean,
): readonly CompiledRule[] {
  const usual = family === 6 ? DEFAULT_RULES6 : DEFAULT_RULES;
  const before = hasVrf ? [...usual, L3MDEV_RULE] : usual;
  const plain = [...(rules.length > 0 ? rules : before)].sort((a, b) => a.priority - b.priority);
  return plain.map((rule) => ({
    ...rule,
    family,
    realms: family === 6 ? 0 : realmsNumber(rule.realms),
    src: prefixOnPath(rule.src),
    dst: prefixOnPath(rule.dst),
    always:
      rule.src === null &&
      rule.dst === null &&
      rule.iif === null &&
      rule.oif === null &&
      rule.fwmark === null &&
      rule.tos === 0 &&
      rule.ipproto === null &&
      rule.sport === null &&
      rule.dport === null &&
      rule.uidRange === null &&
      !rule.not &&
      rule.realms === undefined &&
      rule.action.kind === "lookup" &&
      rule.action.suppressPrefixLength === null,
  }));
}

function prefixOnPath(prefix: PolicyRule["src"] | PolicyRule6["src"]): PathPrefix | null {
  return prefix === null ? null : { address: addressOnPath(prefix.address), length: prefix.length };
}

/** Does a rule apply to a look-up? Runs per packet. */
export function ruleMatches(rule: CompiledRule, flow: Flow, nameOf: (ifindex: number) => string): boolean {
  return rule.not !== selectorMatches(rule, flow, nameOf);
}

/**
 * `fib_rule_match`, with `fib4_rule_match` or `fib6_rule_match`. A VRF's name stands for all of its devices (since Linux 6.15
 * `fib_rule_iif_match`, `fib_rule_oif_match`).
 */
function selectorMatches(rule: CompiledRule, flow: Flow, nameOf: (ifindex: number) => string): boolean {
  if (rule.iif !== null && (flow.iif === 0 || nameOf(flow.iif) !== rule.iif)) {
    if (flow.vrf === 0 || flow.vrfByOif || nameOf(flow.vrf) !== rule.iif) return false;
  }
  if (rule.oif !== null && (flow.oif === 0 || nameOf(flow.oif) !== rule.oif)) {
    if (flow.vrf === 0 || !flow.vrfByOif || nameOf(flow.vrf) !== rule.oif) return false;
  }
  if (rule.fwmark !== null && ((flow.mark ^ rule.fwmark.value) & rule.fwmark.mask) !== 0) return false;
  if (rule.family === 6) {
    // No source yet: nothing that asks for one applies (RT6_LOOKUP_F_HAS_SADDR).
    if (rule.src !== null && rule.src.length > 0 && flow.saddr === 0) return false;
    if (rule.src !== null && !samePrefix6(flow.saddr, rule.src.address, rule.src.length)) return false;
    if (rule.dst !== null && !samePrefix6(flow.daddr, rule.dst.address, rule.dst.length)) return false;
  } else {
    if (rule.src !== null && !inPrefix(flow.saddr, rule.src)) return false;
    if (rule.dst !== null && !inPrefix(flow.daddr, rule.dst)) return false;
  }
  if (rule.tos !== 0 && rule.tos !== flow.tos) return false;
  if (rule.ipproto !== null && rule.ipproto !== flow.proto) return false;
  if (rule.uidRange !== null && (flow.uid < rule.uidRange.from || flow.uid > rule.uidRange.to)) return false;
  if (rule.sport !== null && !(flow.hasPorts && flow.sport >= rule.sport.from && flow.sport <= rule.sport.to))
    return false;
  if (rule.dport !== null && !(flow.hasPorts && flow.dport >= rule.dport.from && flow.dport <= rule.dport.to))
    return false;
  return true;
}

function inPrefix(address: number, { address: prefix, length }: PathPrefix): boolean {
  return length === 0 || ((address ^ prefix) & (-1 << (32 - length))) === 0;
}
