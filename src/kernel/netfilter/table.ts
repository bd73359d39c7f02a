import { internInterfaceName } from "../device/interface-name.ts";
import { ChainIndex } from "./chain-index.ts";
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
  C_DST,
  C_DST_MASK,
  C_FLAGS,
  C_IN,
  C_MARK,
  C_MARK_MASK,
  C_OUT,
  C_PROTO,
  C_SPORT,
  C_SRC,
  C_SRC_MASK,
  C_TESTS,
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
  F_MARK,
  F_PORTS,
  STRIDE,
} from "./columns.ts";
import { HOOK_NAMES } from "./hook.ts";
import { InterfacePattern } from "./interface-pattern.ts";
import type { MarkMatch } from "./match/mark.ts";
import type { Match } from "./match/match.ts";
import { isAlwaysTrue, MATCHES } from "./match/registry.ts";
import type { TcpMatch } from "./match/tcp.ts";
import type { UdpMatch } from "./match/udp.ts";
import type { Chain, Rule, Ruleset, Table } from "./rule.ts";
import type { MatchTest } from "./rule-context.ts";
import type { JumpTarget, Target } from "./target/target.ts";
import { compileTarget, type TargetAction } from "./target-action.ts";
import { UnknownTest } from "./unknown.ts";

/**
 * Rules compiled into columns of integers, a chain each. A chain is self-contained: its jumps are indexes into `jumps`,
 * resolved through the table's slots. Derived from the plain rules, shared by every host that holds the same chain.
 */

export class CompiledChain {
  readonly plain: Chain;
  readonly name: string;
  /** Number of rules. */
  readonly length: number;
  readonly columns: Int32Array;
  readonly tests: readonly MatchTest[];
  readonly actions: readonly TargetAction[];
  /** Names of the chains jumped to, by the index in C_ARG. */
  readonly jumps: readonly string[];
  private built: ChainIndex | null | undefined;

  constructor(plain: Chain) {
    this.plain = plain;
    this.name = plain.name;
    this.length = plain.rules.length;
    this.columns = new Int32Array(this.length * STRIDE);
    const tests: MatchTest[] = [];
    const actions: TargetAction[] = [];
    const jumps: string[] = [];
    plain.rules.forEach((rule, i) => {
      compileRule(rule, this.columns, i * STRIDE, tests, actions, jumps);
    });
    this.tests = tests;
    this.actions = actions;
    this.jumps = jumps;
  }

  /** The index of a chain long enough to be worth one, else null. */
  get index(): ChainIndex | null {
    if (this.built === undefined) this.built = ChainIndex.of(this.columns, this.length);
    return this.built;
  }
}

const chains = new WeakMap<Chain, CompiledChain>();

function compiledChain(plain: Chain): CompiledChain {
  let chain = chains.get(plain);
  if (chain === undefined) {
    chain = new CompiledChain(plain);
    chains.set(plain, chain);
  }
  return chain;
}

/** A table compiled: its chains by slot, and for each chain which slots its jumps lead to. */
export class CompiledTable {
  readonly name: string;
  readonly chains: readonly CompiledChain[];
  /** By slot: the slots behind `CompiledChain.jumps`. */
  readonly jumpSlots: readonly Int32Array[];
  /** By hook: the built-in chain's slot, -1 where the table has none. */
  readonly entry: Int32Array;

  constructor(plain: Table) {
    this.name = plain.name;
    const slots = new Map<string, number>();
    const list: CompiledChain[] = [];
    for (const chain of plain.chains.values()) {
      slots.set(chain.name, list.length);
      list.push(compiledChain(chain));
    }
    this.chains = list;
    this.jumpSlots = list.map((chain) => Int32Array.from(chain.jumps, (name) => slots.get(name) ?? -1));
    this.entry = Int32Array.from(HOOK_NAMES, (name) => slots.get(name) ?? -1);
  }
}

const tables = new WeakMap<Table, CompiledTable>();

/** All tables of a family. Order of the array is the number a tape names a table by. */
export interface CompiledRuleset {
  readonly tables: readonly CompiledTable[];
}

const rulesets = new WeakMap<Ruleset, CompiledRuleset>();

export function compileRuleset(ruleset: Ruleset): CompiledRuleset {
  let compiled = rulesets.get(ruleset);
  if (compiled === undefined) {
    const list: CompiledTable[] = [];
    for (const plain of ruleset.tables.values()) {
      let table = tables.get(plain);
      if (table === undefined) {
        table = new CompiledTable(plain);
        tables.set(plain, table);
      }
      list.push(table);
    }
    compiled = { tables: list };
    rulesets.set(ruleset, compiled);
  }
  return compiled;
}

function compileRule(
  rule: Rule,
  columns: Int32Array,
  at: number,
  tests: MatchTest[],
  actions: TargetAction[],
  jumps: string[],
): void {
  let flags = 0;
  columns[at + C_IN] = -1;
  columns[at + C_OUT] = -1;
  columns[at + C_SPORT] = ANY_PORT;
  columns[at + C_DPORT] = ANY_PORT;
  const firstTest = tests.length;
  if (rule.dst !== null) {
    const mask = rule.dst.value.mask;
    columns[at + C_DST] = rule.dst.value.address & mask;
    columns[at + C_DST_MASK] = mask;
    if (rule.dst.invert) flags |= F_INV_DST;
  }
  if (rule.src !== null) {
    const mask = rule.src.value.mask;
    columns[at + C_SRC] = rule.src.value.address & mask;
    columns[at + C_SRC_MASK] = mask;
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
  for (const match of rule.matches) {
    if (isAlwaysTrue(match)) continue;
    const folded = fold(match, columns, at, flags);
    if (folded >= 0) flags = folded;
    else tests.push(MATCHES.get(match.kind)?.compile?.(match) ?? new UnknownTest(match));
  }
  columns[at + C_TESTS] = tests.length === firstTest ? 0 : firstTest | ((tests.length - firstTest) << 24);
  columns[at + C_FLAGS] = flags;
  compileAction(rule.target, columns, at, actions, jumps);
}

/**
 * Put a match into the columns where they hold it: ports of tcp and udp, one mark.
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
  return -1;
}

function compileAction(
  target: Target | null,
  columns: Int32Array,
  at: number,
  actions: TargetAction[],
  jumps: string[],
): void {
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
      const name = (target as JumpTarget).chain;
      const known = jumps.lastIndexOf(name);
      columns[at + C_ARG] = known >= 0 && jumps.length - known < 16 ? known : jumps.push(name) - 1;
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
