import { suggestion } from "../nearest-word.ts";
import type { RulePlace } from "./command.ts";
import type { SetElement, SetElements } from "./expression.ts";
import type { NftChain, NftFlowtable, NftObject, NftRule, NftSet, NftTable } from "./ruleset.ts";
import type { NftStatement } from "./statement.ts";
import { elementKey, highestHandle, SET_ELEMENTS, TABLE_PARTS, type TableParts } from "./table-parts.ts";

/** A table of nftables under change. Every method returns null, or one sentence on why the kernel would refuse. */
export class TableDraft {
  #plain: NftTable;
  /** null until something is asked of the table. */
  #taken: TableParts | null = null;
  #changed = false;
  /** null until one is given. */
  #lastHandle: number | null = null;

  constructor(plain: NftTable) {
    this.#plain = plain;
  }

  /** The table before the changes. */
  get plain(): NftTable {
    return this.#plain;
  }

  get sets(): ReadonlyMap<string, NftSet> {
    return this.#parts.sets;
  }

  get #parts(): TableParts {
    this.#taken ??= TABLE_PARTS.take(this.#plain);
    return this.#taken;
  }

  get #chains(): Map<string, NftChain> {
    return this.#parts.chains;
  }

  get #objects(): Map<string, NftObject> {
    return this.#parts.objects;
  }

  get #flowtables(): Map<string, NftFlowtable> {
    return this.#parts.flowtables;
  }

  finish(): NftTable {
    const parts = this.#taken;
    if (parts === null) return this.#plain;
    if (this.#changed) {
      this.#plain = {
        ...this.#plain,
        objects: [...parts.objects.values()],
        sets: [...parts.sets.values()],
        flowtables: [...parts.flowtables.values()],
        chains: [...parts.chains.values()],
      };
    }
    TABLE_PARTS.keep(this.#plain, parts);
    this.#taken = null;
    this.#changed = false;
    this.#lastHandle = null;
    return this.#plain;
  }

  /** `nf_tables_alloc_handle`: one counter a table, for all that is in it. */
  #handle(skip = 0): number {
    const parts = this.#parts;
    this.#lastHandle = (this.#lastHandle ?? parts.lastHandle ?? highestHandle(parts)) + 1 + skip;
    parts.lastHandle = this.#lastHandle;
    this.#changed = true;
    return this.#lastHandle;
  }

  /** Another transaction counts on from the highest handle that is left. */
  #gone({ handle }: { readonly handle: number | null }): void {
    const parts = this.#parts;
    if (handle === parts.lastHandle) parts.lastHandle = null;
    this.#changed = true;
  }

  addChain(chain: NftChain, isNew: boolean): string | null {
    const known = this.#chains.get(chain.name);
    if (known === undefined) {
      this.#chains.set(chain.name, { ...chain, handle: this.#handle(), rules: [] });
    } else if (isNew) return `there is a chain ${chain.name} already`;
    else if (chain.base !== null) {
      if (known.base === null) return `chain ${chain.name} is there already, and is no base chain`;
      this.#put({ ...known, base: { ...known.base, policy: chain.base.policy } });
    }
    for (const rule of chain.rules) {
      const fault = this.addRule(chain.name, rule, null, false);
      if (fault !== null) return fault;
    }
    return null;
  }

  #put(chain: NftChain): void {
    this.#chains.set(chain.name, chain);
    this.#changed = true;
  }

  #chain(name: string): NftChain | string {
    const chain = this.#chains.get(name);
    return chain ?? `table ${this.plain.name} has no chain ${name}${suggestion(name, this.#chains.keys())}`;
  }

  addRule(chainName: string, rule: NftRule, at: RulePlace | null, before: boolean): string | null {
    const chain = this.#chain(chainName);
    if (typeof chain === "string") return chain;
    const fault = this.#faultOf(rule.statements);
    if (fault !== null) return fault;
    let place = before ? 0 : chain.rules.length;
    if (at !== null) {
      const found =
        at.kind === "index"
          ? at.index < chain.rules.length
            ? at.index
            : -1
          : chain.rules.findIndex(({ handle }) => handle === at.handle);
      if (found < 0) return `chain ${chainName} has no such rule`;
      place = before ? found : found + 1;
    }
    const added = { ...rule, handle: this.#handle(anonymousSets(rule.statements)) };
    this.#put({ ...chain, rules: chain.rules.toSpliced(place, 0, added) });
    return null;
  }

  replaceRule(chainName: string, handle: number, rule: NftRule): string | null {
    const chain = this.#chain(chainName);
    if (typeof chain === "string") return chain;
    const at = chain.rules.findIndex((each) => each.handle === handle);
    if (at < 0) return `chain ${chainName} has no rule with handle ${handle}`;
    const fault = this.#faultOf(rule.statements);
    if (fault !== null) return fault;
    const added = { ...rule, handle: this.#handle(anonymousSets(rule.statements)) };
    this.#put({ ...chain, rules: chain.rules.with(at, added) });
    return null;
  }

  deleteRule(chainName: string, handle: number): string | null {
    const chain = this.#chain(chainName);
    if (typeof chain === "string") return chain;
    const at = chain.rules.findIndex((each) => each.handle === handle);
    if (at < 0) return `chain ${chainName} has no rule with handle ${handle}`;
    this.#gone(chain.rules[at] as NftRule);
    this.#put({ ...chain, rules: chain.rules.toSpliced(at, 1) });
    return null;
  }

  deleteChain(name: string): string | null {
    const chain = this.#chain(name);
    if (typeof chain === "string") return chain;
    const user = this.#userOf(
      (statement) => goesTo(statement, name),
      (element) => elementGoesTo(element, name),
    );
    if (user !== null) return `${user} goes to chain ${name}`;
    // Its own rules go with it (`nf_tables_delchain`).
    this.#empty(chain);
    this.#chains.delete(name);
    this.#gone(chain);
    return null;
  }

  flushChain(name: string): string | null {
    const chain = this.#chain(name);
    if (typeof chain === "string") return chain;
    this.#empty(chain);
    return null;
  }

  flush(): null {
    for (const chain of this.#chains.values()) this.#empty(chain);
    return null;
  }

  #empty(chain: NftChain): void {
    for (const rule of chain.rules) this.#gone(rule);
    this.#put({ ...chain, rules: [] });
  }

  addSet(set: NftSet, isNew: boolean): string | null {
    const known = this.sets.get(set.name);
    if (known === undefined) {
      this.#parts.sets.set(set.name, { ...set, handle: this.#handle(), elements: [] });
    } else if (isNew) return `there is a set ${set.name} already`;
    return set.elements.length === 0 ? null : this.addElements(set.name, set.elements, false);
  }

  #set(name: string): NftSet | string {
    const set = this.sets.get(name);
    return set ?? `table ${this.plain.name} has no set ${name}${suggestion(name, this.sets.keys())}`;
  }

  addElements(name: string, elements: SetElements, isNew: boolean): string | null {
    const set = this.#set(name);
    if (typeof set === "string") return set;
    const known = SET_ELEMENTS.take(set.elements);
    for (const element of elements) {
      const target = element.data?.kind === "verdict" ? element.data.verdict : null;
      if (target !== null && (target.kind === "jump" || target.kind === "goto")) {
        const chain = this.#chain(target.chain);
        if (typeof chain === "string") return chain;
      }
      const key = elementKey(element);
      const there = known.get(key);
      if (there !== undefined) {
        if (isNew) return `${name} has ${key} already`;
        if (JSON.stringify(there.data) !== JSON.stringify(element.data))
          return `${name} has ${key} with another value`;
        continue;
      }
      known.set(key, element);
    }
    if (set.size !== null && known.size > set.size) return `${name} holds ${set.size} elements at most`;
    this.#putElements(set, known);
    return null;
  }

  deleteElements(name: string, elements: SetElements): string | null {
    const set = this.#set(name);
    if (typeof set === "string") return set;
    const known = SET_ELEMENTS.take(set.elements);
    for (const element of elements) {
      const key = elementKey(element);
      if (!known.delete(key)) return `${name} has no element ${key}`;
    }
    this.#putElements(set, known);
    return null;
  }

  #putElements(set: NftSet, known: Map<string, SetElement>): void {
    const elements = [...known.values()];
    SET_ELEMENTS.keep(elements, known);
    this.#putSet({ ...set, elements });
  }

  #putSet(set: NftSet): void {
    this.#parts.sets.set(set.name, set);
    this.#changed = true;
  }

  flushSet(name: string): string | null {
    const set = this.#set(name);
    if (typeof set === "string") return set;
    this.#putSet({ ...set, elements: [] });
    return null;
  }

  deleteSet(name: string): string | null {
    const set = this.#set(name);
    if (typeof set === "string") return set;
    const user = this.#userOf(
      (statement) => JSON.stringify(statement).includes(`"name":${JSON.stringify(name)}`),
      () => false,
    );
    if (user !== null) return `${user} uses set ${name}`;
    this.#parts.sets.delete(name);
    this.#gone(set);
    return null;
  }

  addObject(object: NftObject, isNew: boolean): string | null {
    const key = `${object.type} ${object.name}`;
    if (this.#objects.has(key)) return isNew ? `there is a ${key} already` : null;
    this.#objects.set(key, { ...object, handle: this.#handle() });
    return null;
  }

  deleteObject(type: string, name: string): string | null {
    const key = `${type} ${name}`;
    const object = this.#objects.get(key);
    if (object === undefined) return `table ${this.plain.name} has no ${key}`;
    this.#objects.delete(key);
    this.#gone(object);
    return null;
  }

  addFlowtable(flowtable: NftFlowtable, isNew: boolean): string | null {
    if (this.#flowtables.has(flowtable.name)) {
      return isNew ? `there is a flowtable ${flowtable.name} already` : null;
    }
    this.#flowtables.set(flowtable.name, { ...flowtable, handle: this.#handle() });
    return null;
  }

  deleteFlowtable(name: string): string | null {
    const flowtable = this.#flowtables.get(name);
    if (flowtable === undefined) return `table ${this.plain.name} has no flowtable ${name}`;
    this.#flowtables.delete(name);
    this.#gone(flowtable);
    return null;
  }

  /** A rule goes to chains that are there, and asks sets that are there. */
  #faultOf(statements: readonly NftStatement[]): string | null {
    for (const statement of statements) {
      for (const name of chainsOf(statement)) {
        const chain = this.#chain(name);
        if (typeof chain === "string") return chain;
      }
      for (const name of setsOf(statement)) {
        const set = this.#set(name);
        if (typeof set === "string") return set;
      }
    }
    return null;
  }

  #userOf(
    uses: (statement: NftStatement) => boolean,
    holds: (element: SetElement) => boolean,
  ): string | null {
    for (const chain of this.#chains.values()) {
      const at = chain.rules.findIndex(({ statements }) => statements.some(uses));
      if (at >= 0) return `rule ${at + 1} of chain ${chain.name}`;
    }
    for (const set of this.sets.values()) {
      if (set.elements.some(holds)) return `an element of ${set.name}`;
    }
    return null;
  }
}

function elementGoesTo({ data }: SetElement, chain: string): boolean {
  if (data?.kind !== "verdict") return false;
  const { verdict } = data;
  return (verdict.kind === "jump" || verdict.kind === "goto") && verdict.chain === chain;
}

function goesTo(statement: NftStatement, chain: string): boolean {
  return chainsOf(statement).includes(chain);
}

/** Chains that a statement goes to by itself. */
function chainsOf(statement: NftStatement): readonly string[] {
  if (statement.kind === "verdict") {
    const { verdict } = statement;
    return verdict.kind === "jump" || verdict.kind === "goto" ? [verdict.chain] : [];
  }
  if (statement.kind !== "vmap" || statement.data.kind !== "set") return [];
  return statement.data.elements.flatMap(({ data }) => {
    if (data?.kind !== "verdict") return [];
    return data.verdict.kind === "jump" || data.verdict.kind === "goto" ? [data.verdict.chain] : [];
  });
}

/** Named sets that a statement asks or changes. */
function setsOf(statement: NftStatement): readonly string[] {
  if (statement.kind === "set-change") return [statement.set];
  if (statement.kind === "vmap") return statement.data.kind === "set-reference" ? [statement.data.name] : [];
  if (statement.kind === "match")
    return statement.right.kind === "set-reference" ? [statement.right.name] : [];
  return [];
}

/** Sets without a name take handles too. */
function anonymousSets(statements: readonly NftStatement[]): number {
  let count = 0;
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if ((value as { kind?: unknown }).kind === "set") count++;
    for (const each of Object.values(value)) visit(each);
  };
  for (const statement of statements) visit(statement);
  return count;
}
