import { type IpAddress, inetNtop } from "../../../address/ip.ts";
import { anyAddress, readAddress } from "../save/address.ts";
import { optionText } from "../save/option-text.ts";
import type { Target, TargetModule } from "./target.ts";

/** Send a copy of the packet to a neighbour (net/netfilter/xt_TEE.c). */
export interface TeeTarget extends Target {
  readonly kind: "TEE";
  readonly gateway: IpAddress;
  /** The device it leaves by, null: the route's. */
  readonly oif: string | null;
}

export const tee: TargetModule<TeeTarget> = {
  kind: "TEE",
  /** The copy is marked as untracked, for which conntrack's module is loaded but not switched on. */
  needsConntrack: false,

  parse(reader) {
    let gateway: IpAddress | null = null;
    let oif: string | null = null;
    reader.options({
      "--gateway": () => {
        gateway = readAddress(reader);
      },
      "--oif": () => {
        oif = reader.word("the name of a device");
      },
    });
    if (gateway === null) reader.fail("--gateway is missing");
    return { kind: "TEE", gateway: gateway ?? anyAddress(reader.family), oif };
  },

  format: ({ gateway, oif }) => optionText(`--gateway ${inetNtop(gateway)}`, oif !== null && `--oif ${oif}`),
};
