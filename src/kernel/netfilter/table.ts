import { ChainArena } from "./chain-arena.ts";
import { ChainOverlay, type Chains } from "./chain-map.ts";
import { HOOK_NAMES } from "./hook.ts";
import { NarrowedEntry } from "./narrowed-entry.ts";
import type { Chain, Ruleset, Table } from "./rule.ts";

/**
 * A table compiled: the chains that it shares with others (`base`), and those of its own (`top`, null without any). A chain
 * has a slot: those of the base count from 0, its own follow. Derived from the plain table and shared by every host that
 * holds it.
 */
export class CompiledTable {
  readonly name: string;
  readonly base: ChainArena;
  readonly top: ChainArena | null;
  /** The first slot of `top`. */
  readonly split: number;
  /** From the slots of chains of the base to those of their own that stand in their place; null where no jump needs it. */
  readonly replaced: ReadonlyMap<number, number> | null;
  /** By hook: the built-in chain's slot, -1 where the table has none. */
  readonly entry: Int32Array;
  /** By hook, as packets come; those that a tape is told of apart. */
  private readonly narrowedEntries: (NarrowedEntry | null)[] = HOOK_NAMES.map(() => null);
  private readonly toldEntries: (NarrowedEntry | null)[] = HOOK_NAMES.map(() => null);

  constructor(plain: Table) {
    const { chains } = plain;
    this.name = plain.name;
    const shared = chains instanceof ChainOverlay ? chains.base : chains;
    const { arena, slots } = baseOf(shared);
    this.base = arena;
    this.split = shared.size;
    if (!(chains instanceof ChainOverlay)) {
      this.top = null;
      this.replaced = null;
      this.entry = Int32Array.from(HOOK_NAMES, (name) => slots.get(name) ?? -1);
      return;
    }
    const own = [...chains.own.values()];
    const ownSlots = new Map(own.map((chain, i) => [chain.name, this.split + i]));
    const slotOf = (name: string): number => ownSlots.get(name) ?? slots.get(name) ?? -1;
    this.top = new ChainArena(own, this.split, slotOf, {
      arena,
      placeOf: (name) => slots.get(name) ?? -1,
    });
    const replaced = new Map<number, number>();
    for (const [name, slot] of ownSlots) {
      const before = slots.get(name);
      // Nothing jumps to a built-in chain.
      if (before !== undefined && chains.own.get(name)?.policy === null) replaced.set(before, slot);
    }
    this.replaced = replaced.size === 0 ? null : replaced;
    this.entry = Int32Array.from(HOOK_NAMES, slotOf);
  }

  /**
   * What was narrowed of it from a hook's built-in chain on, which is there.
   *
   * @param told for packets whose walk is told to a tape
   */
  narrowed(hook: number, told: boolean): NarrowedEntry {
    const entries = told ? this.toldEntries : this.narrowedEntries;
    return entries[hook] ?? this.beginNarrowing(entries, hook, told);
  }

  private beginNarrowing(entries: (NarrowedEntry | null)[], hook: number, told: boolean): NarrowedEntry {
    const begun = new NarrowedEntry(this, this.entry[hook] as number, told);
    entries[hook] = begun;
    return begun;
  }

  /** The chain of a slot. */
  chainAt(slot: number): Chain {
    const arena = this.arenaOf(slot);
    return arena.chains[slot - arena.first] as Chain;
  }

  /** Where the chain of a slot is compiled to. */
  arenaOf(slot: number): ChainArena {
    return slot < this.split ? this.base : (this.top as ChainArena);
  }
}

/** Chains that tables share, compiled once for all of them. */
interface CompiledBase {
  readonly arena: ChainArena;
  readonly slots: ReadonlyMap<string, number>;
}

const bases = new WeakMap<Chains, CompiledBase>();

function baseOf(chains: Chains): CompiledBase {
  let base = bases.get(chains);
  if (base === undefined) {
    const list = [...chains.values()];
    const slots = new Map(list.map((chain, slot) => [chain.name, slot]));
    base = { arena: new ChainArena(list, 0, (name) => slots.get(name) ?? -1), slots };
    bases.set(chains, base);
  }
  return base;
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
