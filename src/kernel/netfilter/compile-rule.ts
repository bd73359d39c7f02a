import { addressOnPath } from "../../address/ip6-handle.ts";
import { isMasked4, type Masked, singleAddress } from "../../address/masked.ts";
import type { Masked4 } from "../../address/prefix.ts";
import { internInterfaceName } from "../device/interface-name.ts";
import {
  A_ACCEPT,
  A_CONTINUE,
  A_DROP,
  A_EXTENDED,
  A_GOTO,
  A_JUMP,
  A_MARK,
  A_RETURN,
  ANY_PORT,
  C_ACTION,
  C_ARG,
  C_ARG2,
  C_DPORT,
  C_FLAGS,
  C_IN,
  C_MARK,
  C_MARK_MASK,
  C_NOT_DST,
  C_NOT_DST_MASK,
  C_OUT,
  C_PROTO,
  C_SPORT,
  C_SRC,
  C_SRC_MASK,
  C_TESTS,
  DST_STRIDE,
  F_FIELDS,
  F_FRAGMENT,
  F_INV_DPORT,
  F_INV_DST,
  F_INV_FRAGMENT,
  F_INV_IN,
  F_INV_MARK,
  F_INV_OUT,
  F_INV_PROTO,
  F_INV_SPORT,
  F_INV_SRC,
  F_INV_STATE,
  F_MARK,
  F_PORTS,
  F_STATE,
  STATE_SHIFT,
  STRIDE,
} from "./columns.ts";
import { InterfacePattern } from "./interface-pattern.ts";
import { AddressTest } from "./masked-address.ts";
import { type ConntrackMatch, onlyState } from "./match/conntrack.ts";
import type { MarkMatch } from "./match/mark.ts";
import type { Match } from "./match/match.ts";
import { isAlwaysTrue, MATCHES } from "./match/registry.ts";
import type { StatisticMatch } from "./match/statistic.ts";
import type { TcpMatch } from "./match/tcp.ts";
import type { UdpMatch } from "./match/udp.ts";
import type { Negatable, Rule } from "./rule.ts";
import type { MatchTest } from "./rule-context.ts";
import type { JumpTarget, Target } from "./target/target.ts";
import { compileTarget, type TargetAction } from "./target-action.ts";
import { UnknownTest } from "./unknown.ts";

/** Where the rules of a table are compiled to. */
export interface RuleArena {
  /** Two words a rule: destination, mask. */
  readonly destinations: Int32Array;
  /** `STRIDE` words a rule. */
  readonly columns: Int32Array;
  readonly tests: MatchTest[];
  /** Place of the test of a match that is some rule's only one: rules that ask the same ask it at one place. */
  readonly lone: Map<Match, number>;
  readonly actions: TargetAction[];
  /** Slot of the chain a jump names. */
  readonly slotOf: (chain: string) => number;
}

/** Matches whose answer depends on how often they were asked, or on chance: a rule asks them only where it comes to them. */
const REMEMBERING: ReadonlySet<string> = new Set([
  "connlabel",
  "connlimit",
  "hashlimit",
  "limit",
  "quota",
  "rateest",
  "recent",
  "socket",
  "statistic",
]);

/** Compile one rule into its place in the arena. */
export function compileRule(rule: Rule, arena: RuleArena, place: number): void {
  const { columns, tests, destinations } = arena;
  const at = place * STRIDE;
  let flags = 0;
  columns[at + C_IN] = -1;
  columns[at + C_OUT] = -1;
  columns[at + C_SPORT] = ANY_PORT;
  columns[at + C_DPORT] = ANY_PORT;
  const firstTest = tests.length;
  const dst = rule.dst === null ? null : inColumns(rule.dst.value);
  if (rule.dst !== null && dst === null) tests.push(new AddressTest("dst", rule.dst));
  if (rule.dst !== null && dst !== null) {
    const { address, mask } = dst;
    if (rule.dst.invert) {
      columns[at + C_NOT_DST] = address;
      columns[at + C_NOT_DST_MASK] = mask;
      flags |= F_INV_DST;
    } else {
      destinations[place * DST_STRIDE] = address;
      destinations[place * DST_STRIDE + 1] = mask;
    }
  }
  const src = rule.src === null ? null : inColumns(rule.src.value);
  if (rule.src !== null && src === null) tests.push(new AddressTest("src", rule.src));
  if (rule.src !== null && src !== null) {
    columns[at + C_SRC] = src.address;
    columns[at + C_SRC_MASK] = src.mask;
    if (rule.src.invert) flags |= F_INV_SRC;
  }
  if (rule.inInterface !== null) {
    if (rule.inInterface.value.endsWith("+")) tests.push(new InterfacePattern("in", rule.inInterface));
    else {
      columns[at + C_IN] = internInterfaceName(rule.inInterface.value);
      if (rule.inInterface.invert) flags |= F_INV_IN;
    }
  }
  if (rule.outInterface !== null) {
    if (rule.outInterface.value.endsWith("+")) tests.push(new InterfacePattern("out", rule.outInterface));
    else {
      columns[at + C_OUT] = internInterfaceName(rule.outInterface.value);
      if (rule.outInterface.invert) flags |= F_INV_OUT;
    }
  }
  if (rule.protocol !== null && rule.protocol.value !== 0) {
    columns[at + C_PROTO] = rule.protocol.value;
    if (rule.protocol.invert) flags |= F_INV_PROTO;
  }
  if (rule.fragment !== null) flags |= rule.fragment.invert ? F_INV_FRAGMENT : F_FRAGMENT;
  // The columns are looked at before the tests, so nothing is folded across a match that remembers being asked.
  let remembers = false;
  let asked: Match | null = null;
  for (const match of rule.matches) {
    if (isAlwaysTrue(match)) continue;
    const folded = remembers ? -1 : fold(match, columns, at, flags);
    if (folded >= 0) flags = folded;
    else {
      tests.push(MATCHES.get(match.kind)?.compile?.(match) ?? new UnknownTest(match));
      asked = match;
    }
    remembers ||= REMEMBERING.has(match.kind);
  }
  const count = tests.length - firstTest;
  const first = count === 1 && asked !== null && keepsNothing(asked) ? placeOfLone(asked, arena) : firstTest;
  columns[at + C_TESTS] = count === 0 ? 0 : first | (count << 24);
  columns[at + C_FLAGS] = asksFields(columns, at, flags) ? flags | F_FIELDS : flags;
  compileAction(rule.target, arena, at);
}

/** Does a rule ask for anything that stands in the columns, but for a destination and the connection's state? */
function asksFields(columns: Int32Array, at: number, flags: number): boolean {
  if ((flags & (F_STATE - 1)) !== 0) return true;
  if (columns[at + C_PROTO] !== 0 || columns[at + C_SRC_MASK] !== 0) return true;
  return columns[at + C_IN] !== -1 || columns[at + C_OUT] !== -1;
}

/** Is the match's test the same for every rule that asks it? */
function keepsNothing(match: Match): boolean {
  if (match.kind === "statistic") return (match as StatisticMatch).mode === "random";
  return !REMEMBERING.has(match.kind) && typeof MATCHES.get(match.kind)?.compile === "function";
}

/** Where the test pushed last is found: where the same match's stands already, if a rule before had it. */
function placeOfLone(match: Match, { tests, lone }: RuleArena): number {
  const known = lone.get(match);
  if (known !== undefined) {
    tests.pop();
    return known;
  }
  lone.set(match, tests.length - 1);
  return tests.length - 1;
}

/** An address as the columns hold it: IPv4's under any mask, IPv6's whole, as its handle. null for a prefix of IPv6. */
function inColumns(masked: Masked): Masked4 | null {
  if (isMasked4(masked)) return { address: masked.address & masked.mask, mask: masked.mask };
  const single = singleAddress(masked);
  return single === null ? null : { address: addressOnPath(single), mask: -1 };
}

/**
 * Put a match into the columns where they hold it: ports of tcp and udp, one mark, states of the connection.
 *
 * @returns the new flags, or -1 when it needs a test of its own
 */
function fold(match: Match, columns: Int32Array, at: number, flags: number): number {
  if ((match.kind === "tcp" || match.kind === "udp") && (flags & F_PORTS) === 0) {
    const ports = match as TcpMatch | UdpMatch;
    if (columns[at + C_PROTO] !== (match.kind === "tcp" ? 6 : 17) || (flags & F_INV_PROTO) !== 0) return -1;
    if (ports.kind === "tcp" && (ports.flags !== null || ports.option !== null)) return -1;
    let result = flags | F_PORTS;
    if (ports.sport !== null) {
      columns[at + C_SPORT] = ports.sport.value.min | (ports.sport.value.max << 16);
      if (ports.sport.invert) result |= F_INV_SPORT;
    }
    if (ports.dport !== null) {
      columns[at + C_DPORT] = ports.dport.value.min | (ports.dport.value.max << 16);
      if (ports.dport.invert) result |= F_INV_DPORT;
    }
    return result;
  }
  if (match.kind === "mark" && (flags & F_MARK) === 0) {
    const mark = match as MarkMatch;
    columns[at + C_MARK] = mark.value | 0;
    columns[at + C_MARK_MASK] = mark.mask | 0;
    return flags | F_MARK | (mark.invert ? F_INV_MARK : 0);
  }
  if (match.kind === "conntrack" && (flags & F_STATE) === 0 && onlyState(match as ConntrackMatch)) {
    const { value, invert } = (match as ConntrackMatch).state as Negatable<number>;
    return flags | F_STATE | (invert ? F_INV_STATE : 0) | (value << STATE_SHIFT);
  }
  return -1;
}

function compileAction(target: Target | null, arena: RuleArena, at: number): void {
  const { columns, actions } = arena;
  if (target === null) {
    columns[at + C_ACTION] = A_CONTINUE;
    return;
  }
  switch (target.kind) {
    case "ACCEPT":
      columns[at + C_ACTION] = A_ACCEPT;
      return;
    case "DROP":
      columns[at + C_ACTION] = A_DROP;
      return;
    case "RETURN":
      columns[at + C_ACTION] = A_RETURN;
      return;
    case "jump":
    case "goto": {
      columns[at + C_ACTION] = target.kind === "jump" ? A_JUMP : A_GOTO;
      columns[at + C_ARG] = arena.slotOf((target as JumpTarget).chain);
      return;
    }
    case "MARK": {
      const { value, mask } = target as Target & { readonly value: number; readonly mask: number };
      columns[at + C_ACTION] = A_MARK;
      columns[at + C_ARG] = value | 0;
      columns[at + C_ARG2] = mask | 0;
      return;
    }
  }
  columns[at + C_ACTION] = A_EXTENDED;
  columns[at + C_ARG] = actions.length;
  actions.push(compileTarget(target));
}
