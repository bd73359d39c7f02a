import type { SetSource } from "../expression.ts";
import { LiveSet } from "../host-nft-sets.ts";
import { ElementIndex } from "./element-index.ts";
import type { NftRun } from "./nft-run.ts";
import { internNftName } from "./symbol.ts";

/** The set that a rule asks: its own, or one of the table's by name. */
export interface CompiledSource {
  readonly name: string;
  /** null: the table has no set of this name. Runs per packet. */
  readonly of: (run: NftRun) => LiveSet | null;
}

/** @param dataTypes of an anonymous map's values */
export function compileSetSource(
  source: SetSource,
  types: readonly string[],
  dataTypes: readonly string[] | null,
): CompiledSource {
  if (source.kind === "set") {
    const live = new LiveSet(new ElementIndex(source.elements, types, dataTypes), null, "", 0, null);
    return { name: "", of: () => live };
  }
  const symbol = internNftName(source.name);
  return {
    name: source.name,
    of: (run) => {
      const { table } = run;
      if (table === null) return null;
      const place = table.setPlaces.of(symbol);
      return place < 0 ? null : run.sets.at(table.number, place);
    },
  };
}
