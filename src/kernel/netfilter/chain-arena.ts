import { ChainIndex } from "./chain-index.ts";
import { A_EXTENDED, C_ACTION, C_ARG, C_TESTS, DST_STRIDE, STRIDE } from "./columns.ts";
import { compileRule, type RuleArena } from "./compile-rule.ts";
import type { Match } from "./match/match.ts";
import type { Chain, Rule } from "./rule.ts";
import type { MatchTest } from "./rule-context.ts";
import { compareRuns } from "./rule-runs.ts";
import type { TargetAction } from "./target-action.ts";

/** The words of a chain in `ChainArena.heads`: place of its first rule, its number of rules, what its end means, how far it is compiled. */
export const HEAD_STRIDE = 4;
export const H_START = 0;
export const H_LENGTH = 1;
export const H_POLICY = 2;
const H_STATE = 3;

/** No packet has entered the chain yet. */
const PLAIN = 0;
/** Its rules were taken over; whether an index is worth it was not tried. */
const COMPILED = 1;
/** It is walked rule by rule, without an index. */
const WALKED = 2;
/** It has an index, which is found this much further in `indexes`. */
const INDEXED = 3;

/** What a chain's end means. */
export const POLICY_DROP = 0;
export const POLICY_ACCEPT = 1;
/** A user chain: go on behind the jump. */
export const POLICY_NONE = -1;

/** Where rules that were compiled before can be copied from: the chain's place among an arena's, -1 for a new chain. */
export interface CompiledBefore {
  readonly arena: ChainArena;
  readonly placeOf: (chain: string) => number;
}

/**
 * Chains compiled: all their rules in columns of integers, chain behind chain, and what a walk asks of a chain in columns
 * by its place here. Jumps are slots of the table. Derived from plain chains and shared by every table that has them.
 *
 * A chain's rules are compiled when the first packet enters it (`indexAt`): of an agent's forty thousand chains a trace
 * meets a few.
 */
export class ChainArena implements RuleArena {
  /** Slot in the table of the chain at place 0. */
  readonly first: number;
  /** For names and texts, never per packet. */
  readonly chains: readonly Chain[];
  /** `HEAD_STRIDE` words a chain. */
  readonly heads: Int32Array;
  /** Two words a rule: destination and mask (`DST_STRIDE`). */
  readonly destinations: Int32Array;
  /** `STRIDE` words a rule. */
  readonly columns: Int32Array;
  readonly tests: MatchTest[] = [];
  readonly actions: TargetAction[] = [];
  /** Slot of the chain a jump names. */
  readonly slotOf: (chain: string) => number;
  readonly lone = new Map<Match, number>();
  /** Of the chains that have one, in the order in which packets entered them. */
  private readonly indexes: ChainIndex[] = [];

  constructor(
    chains: readonly Chain[],
    first: number,
    slotOf: (chain: string) => number,
    before: CompiledBefore | null = null,
  ) {
    this.chains = chains;
    this.first = first;
    this.heads = new Int32Array(chains.length * HEAD_STRIDE);
    let total = 0;
    for (let i = 0; i < chains.length; i++) {
      const { rules, policy } = chains[i] as Chain;
      const head = i * HEAD_STRIDE;
      this.heads[head + H_START] = total;
      this.heads[head + H_LENGTH] = rules.length;
      this.heads[head + H_POLICY] =
        policy === null ? POLICY_NONE : policy === "ACCEPT" ? POLICY_ACCEPT : POLICY_DROP;
      total += rules.length;
    }
    this.destinations = new Int32Array(total * DST_STRIDE);
    this.columns = new Int32Array(total * STRIDE);
    this.slotOf = slotOf;
    if (before !== null) this.takeOver(before);
  }

  /** Take what was compiled before: copying it is cheaper than compiling it again. */
  private takeOver({ arena, placeOf }: CompiledBefore): void {
    for (const [i, chain] of this.chains.entries()) {
      const known = placeOf(chain.name);
      if (known >= 0 && arena.stateOf(known) !== PLAIN) this.splice(chain, i, arena, known);
    }
  }

  /** The index of the chain at a place, null where walking it is as good. From then on the chain's rules are there. */
  indexAt(place: number): ChainIndex | null {
    const state = this.stateOf(place);
    if (state === WALKED) return null;
    return state >= INDEXED ? (this.indexes[state - INDEXED] as ChainIndex) : this.enter(place);
  }

  private enter(place: number): ChainIndex | null {
    const { rules } = this.chains[place] as Chain;
    const start = this.startOf(place);
    if (this.stateOf(place) === PLAIN) compileRules(rules, 0, rules.length, start, this);
    const index = ChainIndex.of(this.destinations, this.columns, start, rules.length);
    this.heads[place * HEAD_STRIDE + H_STATE] = index === null ? WALKED : INDEXED + this.indexes.length;
    if (index !== null) this.indexes.push(index);
    return index;
  }

  private startOf(place: number): number {
    return this.heads[place * HEAD_STRIDE + H_START] as number;
  }

  private stateOf(place: number): number {
    return this.heads[place * HEAD_STRIDE + H_STATE] as number;
  }

  /** Rules that the chain had before are copied in runs; what stands between them is compiled. */
  private splice({ rules }: Chain, place: number, before: ChainArena, known: number): void {
    this.heads[place * HEAD_STRIDE + H_STATE] = COMPILED;
    const start = this.startOf(place);
    const oldStart = before.startOf(known);
    compareRuns(
      rules,
      (before.chains[known] as Chain).rules,
      (at, oldAt, count) => this.copy(before, oldStart + oldAt, count, start + at),
      (at, count) => compileRules(rules, at, at + count, start, this),
    );
  }

  private copy(arena: ChainArena, from: number, count: number, to: number): void {
    const { destinations, columns, tests, actions } = arena;
    this.destinations.set(
      destinations.subarray(from * DST_STRIDE, (from + count) * DST_STRIDE),
      to * DST_STRIDE,
    );
    const own = this.columns;
    own.set(columns.subarray(from * STRIDE, (from + count) * STRIDE), to * STRIDE);
    const end = (to + count) * STRIDE;
    for (let at = to * STRIDE; at < end; at += STRIDE) {
      const asked = own[at + C_TESTS] as number;
      if (asked !== 0) {
        const first = asked & 0xffffff;
        own[at + C_TESTS] = this.tests.length | (asked & 0xff000000);
        for (let t = first; t < first + (asked >>> 24); t++) this.tests.push(tests[t] as MatchTest);
      }
      if (own[at + C_ACTION] === A_EXTENDED) {
        const action = actions[own[at + C_ARG] as number] as TargetAction;
        own[at + C_ARG] = this.actions.length;
        this.actions.push(action);
      }
    }
  }
}

function compileRules(
  rules: readonly Rule[],
  from: number,
  to: number,
  place: number,
  arena: RuleArena,
): void {
  for (let i = from; i < to; i++) compileRule(rules[i] as Rule, arena, place + i);
}
