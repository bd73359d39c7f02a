import type { Ipv4 } from "../../address/ipv4.ts";

/** A network: its address, host bits cleared, and its mask. */
export type Network4 = readonly [address: Ipv4, mask: number];

/** Without a sign bit to mind: addresses compare as they stand in a row. */
const FLIP = 0x8000_0000 | 0;

/** Classes of IPv4 addresses: those of one class lie in the same of the networks named, and no other tells them apart. */
export class AddressClasses {
  /** Where each class begins, ascending, flipped. */
  private readonly starts: Int32Array;

  constructor(networks: Iterable<Network4>) {
    const starts = new Set<number>([FLIP]);
    for (const [address, mask] of networks) {
      starts.add(address ^ FLIP);
      const last = address | ~mask;
      if (last !== -1) starts.add((last + 1) ^ FLIP);
    }
    this.starts = Int32Array.from(starts).sort();
  }

  get count(): number {
    return this.starts.length;
  }

  /** The class of an address, from 0. Runs per packet. */
  of(address: Ipv4): number {
    const { starts } = this;
    const key = address ^ FLIP;
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((starts[middle] as number) <= key) low = middle;
      else high = middle;
    }
    return low;
  }
}
