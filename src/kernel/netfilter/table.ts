import { ChainIndex } from "./chain-index.ts";
import { DST_STRIDE, STRIDE } from "./columns.ts";
import { compileRule } from "./compile-rule.ts";
import { HOOK_NAMES } from "./hook.ts";
import type { Chain, Ruleset, Table } from "./rule.ts";
import type { MatchTest } from "./rule-context.ts";
import type { TargetAction } from "./target-action.ts";

/** `CompiledTable.policies`: what a chain's end means. */
export const POLICY_DROP = 0;
export const POLICY_ACCEPT = 1;
/** A user chain: go on behind the jump. */
export const POLICY_NONE = -1;

/**
 * A table compiled: all its rules in columns of integers, chain behind chain, and what a walk asks of a chain in columns by
 * slot. Jumps are slots already. Derived from the plain table and shared by every host that holds it.
 */
export class CompiledTable {
  readonly name: string;
  /** By slot; for names and texts, never per packet. */
  readonly chains: readonly Chain[];
  /** By slot: place of the chain's first rule, and its number of rules. */
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  readonly policies: Int8Array;
  /** Two words a rule: destination and mask (`DST_STRIDE`). */
  readonly destinations: Int32Array;
  /** `STRIDE` words a rule. */
  readonly columns: Int32Array;
  readonly tests: readonly MatchTest[];
  readonly actions: readonly TargetAction[];
  /** By hook: the built-in chain's slot, -1 where the table has none. */
  readonly entry: Int32Array;
  /** By slot: the chain's index; null: none is worth it; undefined: not tried yet. */
  private readonly indexes: (ChainIndex | null | undefined)[];

  constructor(plain: Table) {
    this.name = plain.name;
    const chains = [...plain.chains.values()];
    const slots = new Map<string, number>(chains.map((chain, slot) => [chain.name, slot]));
    this.chains = chains;
    this.starts = new Int32Array(chains.length);
    this.lengths = Int32Array.from(chains, (chain) => chain.rules.length);
    this.policies = Int8Array.from(chains, (chain) =>
      chain.policy === null ? POLICY_NONE : chain.policy === "ACCEPT" ? POLICY_ACCEPT : POLICY_DROP,
    );
    const total = this.lengths.reduce((sum, length) => sum + length, 0);
    const arena = {
      destinations: new Int32Array(total * DST_STRIDE),
      columns: new Int32Array(total * STRIDE),
      tests: [] as MatchTest[],
      actions: [] as TargetAction[],
      slotOf: (name: string): number => slots.get(name) ?? -1,
    };
    let place = 0;
    chains.forEach((chain, slot) => {
      this.starts[slot] = place;
      for (const rule of chain.rules) compileRule(rule, arena, place++);
    });
    this.destinations = arena.destinations;
    this.columns = arena.columns;
    this.tests = arena.tests;
    this.actions = arena.actions;
    this.entry = Int32Array.from(HOOK_NAMES, (name) => slots.get(name) ?? -1);
    this.indexes = new Array<ChainIndex | null | undefined>(chains.length).fill(undefined);
  }

  /** The index of a chain, null where walking it is as good. */
  indexOf(slot: number): ChainIndex | null {
    const index = this.indexes[slot];
    return index === undefined ? this.buildIndex(slot) : index;
  }

  private buildIndex(slot: number): ChainIndex | null {
    const index = ChainIndex.of(
      this.destinations,
      this.columns,
      this.starts[slot] as number,
      this.lengths[slot] as number,
    );
    this.indexes[slot] = index;
    return index;
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
