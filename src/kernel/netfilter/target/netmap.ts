import { formatPrefix4, lengthOfMask, type Prefix4 } from "../../../address/prefix.ts";
import { readMasked, withoutHostBits } from "../save/address.ts";
import type { Target, TargetModule } from "./target.ts";

/** Exchange the network part of an address one to one, keeping the host part (net/netfilter/xt_NETMAP.c). */
export interface NetmapTarget extends Target {
  readonly kind: "NETMAP";
  readonly to: Prefix4;
}

export const netmap: TargetModule<NetmapTarget> = {
  kind: "NETMAP",
  needsConntrack: true,

  parse(reader) {
    let to: Prefix4 | null = null;
    reader.options({
      "--to": () => {
        const { address, mask } = withoutHostBits(readMasked(reader));
        const length = lengthOfMask(mask);
        if (length === undefined)
          reader.failValue("a mask with holes is no network: write a prefix such as 10.0.0.0/24");
        to = { address, length: length ?? 0 };
      },
    });
    if (to === null) reader.fail("--to is missing");
    return { kind: "NETMAP", to: to ?? { address: 0, length: 0 } };
  },

  format: ({ to }) => `--to ${formatPrefix4(to)}`,
};
