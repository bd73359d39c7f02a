import type { SetElement, SetElements } from "./expression.ts";
import type { NftChain, NftFlowtable, NftObject, NftSet, NftTable } from "./ruleset.ts";
import { formatExpression } from "./text/format-expression.ts";

/** What a table holds, by name and in order. */
export interface TableParts {
  readonly objects: Map<string, NftObject>;
  readonly sets: Map<string, NftSet>;
  readonly flowtables: Map<string, NftFlowtable>;
  readonly chains: Map<string, NftChain>;
  /** The highest handle in the table; null where it is not known. */
  lastHandle: number | null;
}

/** Of the newest table of each line of changes only, so that a change need not take ten thousand chains apart again. */
const parts = new WeakMap<NftTable, TableParts>();
const elements = new WeakMap<SetElements, Map<string, SetElement>>();

/** The taker may change them: nobody else is given the same. */
export function takeParts(table: NftTable): TableParts {
  const kept = parts.get(table);
  parts.delete(table);
  return (
    kept ?? {
      objects: new Map(table.objects.map((object) => [`${object.type} ${object.name}`, object])),
      sets: byName(table.sets),
      flowtables: byName(table.flowtables),
      chains: byName(table.chains),
      lastHandle: null,
    }
  );
}

/** They are now those of this table, for whoever takes them next. */
export function keepParts(table: NftTable, held: TableParts): void {
  parts.set(table, held);
}

/** The elements of a set by their keys; the taker may change them. */
export function takeElements(list: SetElements): Map<string, SetElement> {
  const kept = elements.get(list);
  elements.delete(list);
  return kept ?? new Map(list.map((element) => [elementKey(element), element]));
}

export function keepElements(list: SetElements, held: Map<string, SetElement>): void {
  elements.set(list, held);
}

export function elementKey({ key }: SetElement): string {
  return formatExpression(key);
}

export function highestHandle({ objects, sets, flowtables, chains }: TableParts): number {
  let last = 0;
  const see = ({ handle }: { readonly handle: number | null }): void => {
    if (handle !== null && handle > last) last = handle;
  };
  for (const chain of chains.values()) {
    see(chain);
    for (const rule of chain.rules) see(rule);
  }
  for (const set of sets.values()) see(set);
  for (const object of objects.values()) see(object);
  for (const flowtable of flowtables.values()) see(flowtable);
  return last;
}

function byName<T extends { readonly name: string }>(list: readonly T[]): Map<string, T> {
  return new Map(list.map((one) => [one.name, one]));
}
