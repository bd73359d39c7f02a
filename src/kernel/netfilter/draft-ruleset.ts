import { type Chains, ChainsDraft } from "./chain-map.ts";
import type { Chain, Rule, Ruleset, Table } from "./rule.ts";
import { compareRuns } from "./rule-runs.ts";
import { isSameRule } from "./same-rule.ts";

/**
 * A rule set being changed by a run of `iptables` and `iptables-restore` commands. Each changed chain's rules are copied
 * once, on the first change; what is not touched is shared with the rule set before, a large table's chains included
 * (`chain-map.ts`). Every method returns null, or one sentence on why the kernel would refuse.
 */
export class DraftRuleset {
  readonly #original: Ruleset | null;
  #backend: Ruleset["backend"];
  readonly #tables: Map<string, Table>;
  /** Tables under change, in the place of those of their names in `#tables`. */
  readonly #drafts = new Map<string, ChainsDraft>();
  /** Rule arrays that belong to this draft alone, so may be written. */
  readonly #ownRules = new Set<readonly Rule[]>();
  #changed = false;

  constructor(original: Ruleset | null) {
    this.#original = original;
    this.#backend = original?.backend ?? "nft";
    this.#tables = new Map(original?.tables);
  }

  finish(): Ruleset | null {
    if (!this.#changed) return this.#original;
    for (const [name, draft] of this.#drafts) this.#tables.set(name, { name, chains: draft.finish() });
    this.#drafts.clear();
    return { backend: this.#backend, tables: this.#tables };
  }

  /**
   * `iptables-restore`: each table named is replaced. With `noflush` a user's chain named is made, or emptied first, and
   * a built-in one takes the policy and keeps its rules, new ones going behind (`iptables/iptables-restore.c`).
   */
  restore(ruleset: Ruleset, noflush: boolean): string | null {
    for (const table of ruleset.tables.values()) {
      const fault = missingTarget(table, noflush ? this.#chainsIn(table.name) : undefined);
      if (fault !== null) return fault;
    }
    this.#changed = true;
    if (this.#tables.size === 0) this.#backend = ruleset.backend;
    for (const table of ruleset.tables.values()) {
      if (!noflush || !this.#tables.has(table.name)) {
        this.#tables.set(table.name, table);
        this.#drafts.delete(table.name);
      } else if (this.#drafts.has(table.name)) mergeInto(this.#draftOf(table.name), table);
      else this.#tables.set(table.name, mergedTable(this.#tables.get(table.name) as Table, table));
    }
    return null;
  }

  /** `iptables -I CHAIN INDEX`, counting from 1, or `-A` with index null. */
  insert(table: string, chain: string, index: number | null, rule: Rule): string | null {
    const found = this.#find(table, chain);
    if (typeof found === "string") return found;
    const length = found.rules.length;
    if (index !== null && !(Number.isInteger(index) && index >= 1 && index <= length + 1)) {
      return `cannot insert at ${index}: chain ${chain} of table ${table} has ${count(length)}, so 1 to ${length + 1}`;
    }
    const target = jumpTarget(rule);
    if (target !== null && !this.#chainsIn(table)?.has(target)) {
      return `table ${table} has no chain ${target} to jump to`;
    }
    this.#rulesOf(table, chain, found).splice(index === null ? length : index - 1, 0, rule);
    return null;
  }

  /** `iptables -D CHAIN INDEX`, counting from 1. */
  remove(table: string, chain: string, index: number): string | null {
    const found = this.#find(table, chain);
    if (typeof found === "string") return found;
    const length = found.rules.length;
    if (!(Number.isInteger(index) && index >= 1 && index <= length)) {
      return `cannot delete rule ${index}: chain ${chain} of table ${table} has ${count(length)}`;
    }
    this.#rulesOf(table, chain, found).splice(index - 1, 1);
    return null;
  }

  /** The chain, the table being loaded with its built-in chains when it is one that the kernel has. */
  #find(table: string, chain: string): Chain | string {
    if (!this.#tables.has(table)) {
      const hooks = BUILT_IN_CHAINS.get(table);
      if (hooks === undefined) {
        return `no table ${JSON.stringify(table)}: iptables has ${[...BUILT_IN_CHAINS.keys()].join(", ")}`;
      }
      this.#tables.set(table, emptyTable(table, hooks));
    }
    return this.#chainsIn(table)?.get(chain) ?? `table ${table} has no chain ${JSON.stringify(chain)}`;
  }

  #chainsIn(table: string): Pick<Chains, "get" | "has"> | undefined {
    return this.#drafts.get(table) ?? this.#tables.get(table)?.chains;
  }

  #draftOf(table: string): ChainsDraft {
    const known = this.#drafts.get(table);
    if (known !== undefined) return known;
    const made = new ChainsDraft(this.#tables.get(table)?.chains ?? new Map());
    this.#drafts.set(table, made);
    return made;
  }

  #rulesOf(table: string, name: string, chain: Chain): Rule[] {
    this.#changed = true;
    if (this.#ownRules.has(chain.rules)) return chain.rules as Rule[];
    const rules = [...chain.rules];
    this.#ownRules.add(rules);
    this.#draftOf(table).set(name, { ...chain, rules });
    return rules;
  }
}

/** The chains that each table is loaded with, in the order that iptables-save prints them. */
export const BUILT_IN_CHAINS: ReadonlyMap<string, readonly string[]> = new Map([
  ["filter", ["INPUT", "FORWARD", "OUTPUT"]],
  ["nat", ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]],
  ["mangle", ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]],
  ["raw", ["PREROUTING", "OUTPUT"]],
  ["security", ["INPUT", "FORWARD", "OUTPUT"]],
]);

function emptyTable(name: string, hooks: readonly string[]): Table {
  const zero = { packets: 0, bytes: 0 };
  const chains = hooks.map((hook): [string, Chain] => [
    hook,
    { name: hook, policy: "ACCEPT", policyCounters: zero, rules: [] },
  ]);
  return { name, chains: new Map(chains) };
}

/** The table after a restore that does not flush: of the same two tables it is the same value, on whatever host. */
function mergedTable(before: Table, given: Table): Table {
  const known = afterRestore.get(before) ?? new WeakMap<Table, Table>();
  afterRestore.set(before, known);
  let after = known.get(given);
  if (after === undefined) {
    const draft = new ChainsDraft(before.chains);
    mergeInto(draft, given);
    after = { name: before.name, chains: draft.finish() };
    known.set(given, after);
  }
  return after;
}

const afterRestore = new WeakMap<Table, WeakMap<Table, Table>>();

function mergeInto(draft: ChainsDraft, given: Table): void {
  for (const chain of given.chains.values()) {
    const before = draft.get(chain.name);
    const after = merged(before, chain);
    if (after !== before) draft.set(chain.name, after);
  }
}

function merged(before: Chain | undefined, chain: Chain): Chain {
  if (before === undefined) return chain;
  if (chain.policy === null) return hasRules(before, chain.rules) ? before : chain;
  return { ...chain, rules: [...before.rules, ...chain.rules] };
}

/** `base` are the chains that stay, where any do. */
function missingTarget(table: Table, base: Pick<Chains, "get" | "has"> | undefined): string | null {
  if (base === undefined) {
    const [first] = foreignJumps(table);
    return first === undefined ? null : nowhere(table, first);
  }
  for (const { name: chain, rules } of table.chains.values()) {
    let missing: ForeignJump | null = null;
    // Rules that stood in the chain before jump to chains that are still there.
    compareRuns(
      rules,
      base.get(chain)?.rules ?? [],
      () => {},
      (at, count) => {
        for (let i = at; i < at + count && missing === null; i++) {
          const target = jumpTarget(rules[i] as Rule);
          if (target !== null && !table.chains.has(target) && !base.has(target)) missing = { chain, target };
        }
      },
    );
    if (missing !== null) return nowhere(table, missing);
  }
  return null;
}

function nowhere(table: Table, { chain, target }: ForeignJump): string {
  return `chain ${chain} of table ${table.name} jumps to ${target}, which does not exist`;
}

/** Jumps to chains that the table does not bring itself: looked for once, however many hosts load it. */
function foreignJumps(table: Table): readonly ForeignJump[] {
  const known = foreign.get(table);
  if (known !== undefined) return known;
  const found: ForeignJump[] = [];
  for (const chain of table.chains.values()) {
    for (const rule of chain.rules) {
      const target = jumpTarget(rule);
      if (target !== null && !table.chains.has(target)) found.push({ chain: chain.name, target });
    }
  }
  foreign.set(table, found);
  return found;
}

interface ForeignJump {
  readonly chain: string;
  readonly target: string;
}

const foreign = new WeakMap<Table, readonly ForeignJump[]>();

function jumpTarget(rule: Rule): string | null {
  const target = rule.target;
  if (target === null || (target.kind !== "jump" && target.kind !== "goto")) return null;
  return (target as { readonly chain?: string }).chain ?? null;
}

function count(rules: number): string {
  return rules === 1 ? "1 rule" : `${rules} rules`;
}

/** So many rules of a chain are compared by what they say; a chain of which more are new is taken for another. */
const MOST_COMPARED = 8;

/**
 * Does the chain hold these rules already? An agent writes whole chains of which next to nothing is new: what stays the
 * same value need not be compiled again.
 */
function hasRules({ rules: before }: Chain, rules: readonly Rule[]): boolean {
  if (before.length !== rules.length) return false;
  let compared = 0;
  for (let i = 0; i < rules.length; i++) {
    const [old, given] = [before[i] as Rule, rules[i] as Rule];
    if (old === given) continue;
    if (++compared > MOST_COMPARED || !isSameRule(old, given)) return false;
  }
  return true;
}
