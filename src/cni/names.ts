import { internMacNumber, type Mac } from "../address/mac.ts";
import { hashText } from "./chain-name.ts";

/**
 * What the real plugins and the kernel draw at random: names of host ends, link addresses. The same container gets the
 * same ones here, so that a run can be repeated; `taken` tells of a name that the host has already.
 */
export interface NameSource {
  /** Name of a veth's end on the node. */
  veth(key: string, taken: (name: string) => boolean): string;
  /** A link address for a device of this role. */
  mac(key: string): Mac;
}

export const HASHED_NAMES: NameSource = {
  veth(key, taken) {
    for (let turn = 0; ; turn++) {
      const name = `veth${hashText(turn === 0 ? key : `${key} ${turn}`).slice(0, 8)}`;
      if (!taken(name)) return name;
    }
  },
  /** Locally administered and of one station, as `eth_random_addr` makes them. */
  mac(key) {
    const high = mixedHash(key, 1);
    const first = (high & 0xfe) | 0x02;
    return internMacNumber(first * 2 ** 40 + ((high >>> 8) & 0xff) * 2 ** 32 + (mixedHash(key, 2) >>> 0));
  },
};

/** 32 bits of a text, another 32 for another seed: the mixing of MurmurHash3, unit by unit. */
function mixedHash(text: string, seed: number): number {
  let h = Math.imul(seed + 1, 0x9e3779b1);
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  h ^= text.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
