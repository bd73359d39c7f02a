import { HandedOn } from "../handed-on.ts";
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

export const TABLE_PARTS = new HandedOn<NftTable, TableParts>(({ objects, sets, flowtables, chains }) => ({
  objects: new Map(objects.map((object) => [`${object.type} ${object.name}`, object])),
  sets: byName(sets),
  flowtables: byName(flowtables),
  chains: byName(chains),
  lastHandle: null,
}));

/** The elements of a set by their keys. */
export const SET_ELEMENTS = new HandedOn<SetElements, Map<string, SetElement>>(
  (list) => new Map(list.map((element) => [elementKey(element), element])),
);

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
