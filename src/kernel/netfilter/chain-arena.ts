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
 */
export class ChainArena {
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
  /** null: none is worth it; undefined: not tried yet. */
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
    this.indexes = new Array<ChainIndex | null | undefined>(chains.length).fill(undefined);
    const { destinations, columns, tests, actions } = this;
    const arena: RuleArena = { destinations, columns, tests, actions, slotOf };
    let place = 0;
    chains.forEach((chain, i) => {
      this.starts[i] = place;
      const known = before === null ? -1 : before.placeOf(chain.name);
      if (before !== null && known >= 0) this.splice(chain, place, before.arena, known, arena);
      else compileRules(chain.rules, 0, chain.rules.length, place, arena);
      place += chain.rules.length;
    });
  }

  /** The index of the chain at a place, null where walking it is as good. */
  indexAt(place: number): ChainIndex | null {
    const index = this.indexes[place];
    return index === undefined ? this.buildIndex(place) : index;
  }

  private buildIndex(place: number): ChainIndex | null {
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
  private splice({ rules }: Chain, place: number, before: ChainArena, known: number, into: RuleArena): void {
    const oldPlace = before.starts[known] as number;
    compareRuns(
      rules,
      (before.chains[known] as Chain).rules,
      (at, oldAt, count) => this.copy(before, oldPlace + oldAt, count, place + at),
      (at, count) => compileRules(rules, at, at + count, place, into),
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
