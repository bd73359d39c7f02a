import type { CounterTest } from "../ipset/counter-test.ts";
import { internSetName, type SetQuery } from "../ipset/set-query.ts";
import type { SetReference } from "./save/set-reference.ts";

/** What a match may ask beside the set and its sides. */
export interface SetAsked {
  readonly returnNomatch: boolean;
  readonly updateCounters: boolean;
  readonly updateSubcounters: boolean;
  readonly packets: CounterTest | null;
  readonly bytes: CounterTest | null;
}

const PLAIN: SetAsked = {
  returnNomatch: false,
  updateCounters: true,
  updateSubcounters: true,
  packets: null,
  bytes: null,
};

/** A rule's reference to a set, compiled. */
export function compileSetQuery({ set, dimensions }: SetReference, asked: SetAsked = PLAIN): SetQuery {
  return {
    set: internSetName(set),
    dimensions: dimensions.length,
    sources: dimensions.reduce((bits, side, i) => (side === "src" ? bits | (1 << i) : bits), 0),
    returnNomatch: asked.returnNomatch,
    updateCounters: asked.updateCounters,
    updateSubcounters: asked.updateSubcounters,
    packets: asked.packets,
    bytes: asked.bytes,
  };
}
