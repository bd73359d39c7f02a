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
    const hash = hashText(`mac ${key}`);
    const first = (Number.parseInt(hash.slice(0, 2), 16) & 0xfe) | 0x02;
    return internMacNumber(first * 2 ** 40 + Number.parseInt(hash.slice(2, 12), 16));
  },
};
