import { suggestion } from "../nearest-word.ts";
import type { NftAddition, NftCommand, NftFlushed, NftVictim } from "./command.ts";
import { EMPTY_NFT, type NftFamily, type NftRuleset, type NftSet, type NftTable } from "./ruleset.ts";
import { TableDraft } from "./table-draft.ts";

/**
 * nftables under change, as the kernel's transactions do it (net/netfilter/nf_tables_api.c). Every method returns null, or
 * one sentence on why the kernel would refuse. What a change does not touch is shared with before.
 */
export class DraftNft {
  #plain: NftRuleset | null;
  /** By `family name`, in order; null until something changes. */
  #tables: Map<string, TableDraft> | null = null;

  constructor(plain: NftRuleset | null) {
    this.#plain = plain;
  }

  finish(): NftRuleset | null {
    if (this.#tables === null) return this.#plain;
    return { tables: [...this.#tables.values()].map((table) => table.finish()) };
  }

  restore(ruleset: NftRuleset): void {
    this.#plain = ruleset;
    this.#tables = null;
  }

  /** A set as it stands. */
  set(family: NftFamily, table: string, name: string): NftSet | undefined {
    return this.#draft().get(`${family} ${table}`)?.sets.get(name);
  }

  apply(command: NftCommand): string | null {
    switch (command.op) {
      case "add":
      case "create":
        return this.#add(command.what, command.op === "create");
      case "insert": {
        const { what } = command;
        return this.#in(what, (table) => table.addRule(what.chain, what.rule, what.at, true));
      }
      case "replace":
        return this.#in(command, (table) => table.replaceRule(command.chain, command.handle, command.rule));
      case "delete":
        return this.#delete(command.what);
      case "destroy":
        this.#delete(command.what);
        return null;
      case "flush":
        return this.#flush(command.what);
      default:
        command satisfies never;
        throw new Error("unknown command");
    }
  }

  #draft(): Map<string, TableDraft> {
    this.#tables ??= new Map(
      (this.#plain ?? EMPTY_NFT).tables.map((table): [string, TableDraft] => [
        `${table.family} ${table.name}`,
        new TableDraft(table),
      ]),
    );
    return this.#tables;
  }

  #in(
    { family, table }: { readonly family: NftFamily; readonly table: string },
    change: (table: TableDraft) => string | null,
  ): string | null {
    const tables = this.#draft();
    const draft = tables.get(`${family} ${table}`);
    if (draft !== undefined) return change(draft);
    const name = `${family} ${table}`;
    return `there is no table ${name}${suggestion(name, tables.keys())}`;
  }

  #add(what: NftAddition, isNew: boolean): string | null {
    switch (what.kind) {
      case "table":
        return this.#addTable(what.block, isNew);
      case "chain":
        return this.#in(what, (table) => table.addChain(what.chain, isNew));
      case "set":
        return this.#in(what, (table) => table.addSet(what.set, isNew));
      case "object":
        return this.#in(what, (table) => table.addObject(what.object, isNew));
      case "flowtable":
        return this.#in(what, (table) => table.addFlowtable(what.flowtable, isNew));
      case "element":
        return this.#in(what, (table) => table.addElements(what.set, what.elements, isNew));
      case "rule":
        return this.#in(what, (table) => table.addRule(what.chain, what.rule, what.at, false));
      default:
        what satisfies never;
        throw new Error("unknown addition");
    }
  }

  /** A block adds what stands in it to what is there. */
  #addTable(block: NftTable, isNew: boolean): string | null {
    const tables = this.#draft();
    const name = `${block.family} ${block.name}`;
    let table = tables.get(name);
    if (table !== undefined && isNew) return `there is a table ${name} already`;
    if (table === undefined) {
      const handles = [...tables.values()].map(({ plain }) => plain.handle ?? 0);
      const handle = block.handle ?? Math.max(0, ...handles) + 1;
      table = new TableDraft({ ...block, handle, objects: [], sets: [], flowtables: [], chains: [] });
      tables.set(name, table);
    }
    const draft = table;
    // As nft sends a block: chains before what may go to them.
    const steps: (() => string | null)[] = [
      ...block.chains.map((chain) => () => draft.addChain({ ...chain, rules: [] }, false)),
      ...block.objects.map((object) => () => draft.addObject(object, false)),
      ...block.sets.map((set) => () => draft.addSet(set, false)),
      ...block.flowtables.map((flowtable) => () => draft.addFlowtable(flowtable, false)),
      ...block.chains.flatMap(({ name: chain, rules }) =>
        rules.map((rule) => () => draft.addRule(chain, rule, null, false)),
      ),
    ];
    for (const step of steps) {
      const fault = step();
      if (fault !== null) return fault;
    }
    return null;
  }

  #delete(what: NftVictim): string | null {
    switch (what.kind) {
      case "table":
        return this.#in(what, () => {
          this.#draft().delete(`${what.family} ${what.table}`);
          return null;
        });
      case "chain":
        return this.#in(what, (table) => table.deleteChain(what.name));
      case "set":
        return this.#in(what, (table) => table.deleteSet(what.name));
      case "flowtable":
        return this.#in(what, (table) => table.deleteFlowtable(what.name));
      case "object":
        return this.#in(what, (table) => table.deleteObject(what.type, what.name));
      case "element":
        return this.#in(what, (table) => table.deleteElements(what.set, what.elements));
      case "rule":
        return this.#in(what, (table) => table.deleteRule(what.chain, what.handle));
      default:
        what satisfies never;
        throw new Error("unknown victim");
    }
  }

  #flush(what: NftFlushed): string | null {
    switch (what.kind) {
      case "ruleset": {
        const tables = this.#draft();
        for (const [name, { plain }] of tables) {
          if (what.family === null || plain.family === what.family) tables.delete(name);
        }
        return null;
      }
      case "table":
        return this.#in(what, (table) => table.flush());
      case "chain":
        return this.#in(what, (table) => table.flushChain(what.name));
      case "set":
        return this.#in(what, (table) => table.flushSet(what.name));
      default:
        what satisfies never;
        throw new Error("unknown command");
    }
  }
}
