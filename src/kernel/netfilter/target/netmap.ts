import { formatMasked, lengthOfMasked, type Masked, withoutHostBits } from "../../../address/masked.ts";
import { readMasked } from "../save/address.ts";
import type { Target, TargetModule } from "./target.ts";

/** Exchange the network part of an address one to one, keeping the host part (net/netfilter/xt_NETMAP.c). */
export interface NetmapTarget extends Target {
  readonly kind: "NETMAP";
  /** A network: its mask has no holes. */
  readonly to: Masked;
}

export const netmap: TargetModule<NetmapTarget> = {
  kind: "NETMAP",
  needsConntrack: true,

  parse(reader) {
    let to: Masked | null = null;
    reader.options({
      "--to": () => {
        to = withoutHostBits(readMasked(reader));
        if (lengthOfMasked(to) === undefined)
          reader.failValue("a mask with holes is no network: write a prefix such as 10.0.0.0/24");
      },
    });
    if (to === null) reader.fail("--to is missing");
    return { kind: "NETMAP", to: to ?? { address: 0, mask: 0 } };
  },

  format: ({ to }) => `--to ${formatMasked(to)}`,
};
