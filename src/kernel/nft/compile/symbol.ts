/**
 * Names of chains and sets as small integers, one table for the process: a compiled chain refers to them so, and each
 * table says where its own lie. Ids never leave the process.
 */
const ids = new Map<string, number>();

export function internNftName(name: string): number {
  let id = ids.get(name);
  if (id === undefined) {
    id = ids.size;
    ids.set(name, id);
  }
  return id;
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
