import { NameIds } from "../../name-ids.ts";

const symbols = new NameIds();

/** The name of a chain or a set as a number: a compiled chain refers to them so, and each table says where its own lie. */
export function internNftName(name: string): number {
  return symbols.of(name);
}

/** Places by symbol: where in a table a name stands. */
export class SymbolPlaces {
  private readonly places: Int32Array;

  constructor(names: readonly string[]) {
    const symbols = names.map(internNftName);
    this.places = new Int32Array(symbols.reduce((most, symbol) => Math.max(most, symbol + 1), 0)).fill(-1);
    for (const [place, symbol] of symbols.entries()) this.places[symbol] = place;
  }

  /** -1 where the table has nothing of this name. Runs per packet. */
  of(symbol: number): number {
    return symbol < this.places.length ? (this.places[symbol] as number) : -1;
  }
}
