import type { Journal } from "./journal.ts";
import * as PAIR_MAP from "./pair-map.ts";
import { PairMap } from "./pair-map.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ABSENT } = PAIR_MAP;

/**
 * Who was seen behind which port of a bridge or end of a VXLAN, by the key of a database and a MAC: what a frame has not said
 * again for the database's ageing time is forgotten (`br_fdb_cleanup`, `vxlan_cleanup`). Runs per packet.
 */
export class LearnedAddresses {
  private readonly places: PairMap;
  /** When it was last said, milliseconds. */
  private readonly said: PairMap;

  constructor(journal: Journal) {
    this.places = new PairMap(journal, 16);
    this.said = new PairMap(journal, 16);
  }

  get size(): number {
    return this.places.size;
  }

  /**
   * The place, `ABSENT` where it is not known (any more).
   *
   * @param since what was not said after this instant, milliseconds, has been forgotten; `-Infinity`: nothing has
   */
  get(key: number, mac: number, since: number): number {
    const place = this.places.get(key, mac);
    return place === ABSENT || this.said.get(key, mac) > since ? place : ABSENT;
  }

  set(key: number, mac: number, place: number, now: number): void {
    if (this.places.get(key, mac) !== place) this.places.set(key, mac, place);
    if (this.said.get(key, mac) !== now) this.said.set(key, mac, now);
  }

  /** Every place ever learned and not yet deleted. */
  forEach(visit: (key: number, mac: number, place: number) => void): void {
    this.places.forEach(visit);
  }

  deleteWhere(goes: (key: number, place: number) => boolean): void {
    const gone: [number, number][] = [];
    this.places.forEach((key, mac, place) => {
      if (goes(key, place)) gone.push([key, mac]);
    });
    for (const [key, mac] of gone) {
      this.places.delete(key, mac);
      this.said.delete(key, mac);
    }
  }
}
