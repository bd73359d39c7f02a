import { ChainIndex } from "./chain-index.ts";
import { A_EXTENDED, C_ACTION, C_ARG, C_TESTS, DST_STRIDE, STRIDE } from "./columns.ts";
import { compileRule, type RuleArena } from "./compile-rule.ts";
import type { Chain, Rule } from "./rule.ts";
import type { MatchTest } from "./rule-context.ts";
import { compareRuns } from "./rule-runs.ts";
import type { TargetAction } from "./target-action.ts";

/** `ChainArena.policies`: what a chain's end means. */
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
  /** Place of each chain's first rule, and its number of rules. */
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  readonly policies: Int8Array;
  /** Two words a rule: destination and mask (`DST_STRIDE`). */
  readonly destinations: Int32Array;
  /** `STRIDE` words a rule. */
  readonly columns: Int32Array;
  readonly tests: MatchTest[] = [];
  readonly actions: TargetAction[] = [];
  /** Slot of the chain a jump names. */
  readonly slotOf: (chain: string) => number;
  /** By place: 1 where the chain's rules are compiled. */
  private readonly compiled: Uint8Array;
  /** null: none is worth it; undefined: no packet has entered the chain yet. */
  private readonly indexes: (ChainIndex | null | undefined)[];

  constructor(
    chains: readonly Chain[],
    first: number,
    slotOf: (chain: string) => number,
    before: CompiledBefore | null = null,
  ) {
    this.chains = chains;
    this.first = first;
    this.starts = new Int32Array(chains.length);
    this.lengths = Int32Array.from(chains, (chain) => chain.rules.length);
    this.policies = Int8Array.from(chains, (chain) =>
      chain.policy === null ? POLICY_NONE : chain.policy === "ACCEPT" ? POLICY_ACCEPT : POLICY_DROP,
    );
    const total = this.lengths.reduce((sum, length) => sum + length, 0);
    this.destinations = new Int32Array(total * DST_STRIDE);
    this.columns = new Int32Array(total * STRIDE);
    this.compiled = new Uint8Array(chains.length);
    this.indexes = new Array<ChainIndex | null | undefined>(chains.length).fill(undefined);
    this.slotOf = slotOf;
    let place = 0;
    for (let i = 0; i < chains.length; i++) {
      this.starts[i] = place;
      place += this.lengths[i] as number;
    }
    if (before !== null) this.takeOver(before);
  }

  /** Take what was compiled before: copying it is cheaper than compiling it again. */
  private takeOver({ arena, placeOf }: CompiledBefore): void {
    for (const [i, chain] of this.chains.entries()) {
      const known = placeOf(chain.name);
      if (known >= 0 && arena.compiled[known] === 1) this.splice(chain, i, arena, known);
    }
  }

  /** The index of the chain at a place, null where walking it is as good. From then on the chain's rules are there. */
  indexAt(place: number): ChainIndex | null {
    const index = this.indexes[place];
    return index === undefined ? this.buildIndex(place) : index;
  }

  private buildIndex(place: number): ChainIndex | null {
    if (this.compiled[place] === 0) {
      this.compiled[place] = 1;
      const { rules } = this.chains[place] as Chain;
      compileRules(rules, 0, rules.length, this.starts[place] as number, this);
    }
    const index = ChainIndex.of(
      this.destinations,
      this.columns,
      this.starts[place] as number,
      this.lengths[place] as number,
    );
    this.indexes[place] = index;
    return index;
  }

  /** Rules that the chain had before are copied in runs; what stands between them is compiled. */
  private splice({ rules }: Chain, place: number, before: ChainArena, known: number): void {
    this.compiled[place] = 1;
    const start = this.starts[place] as number;
    const oldStart = before.starts[known] as number;
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
