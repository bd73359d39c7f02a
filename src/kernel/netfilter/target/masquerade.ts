import { optionText } from "../save/option-text.ts";
import {
  ANY_NAT_RANGE,
  formatNatFlags,
  formatNatPorts,
  type NatTargetRange,
  readNatPorts,
} from "./nat-range.ts";
import type { Target, TargetModule } from "./target.ts";

/** Translate the source to an address of the device the packet leaves by (net/netfilter/xt_MASQUERADE.c). */
export interface MasqueradeTarget extends Target {
  readonly kind: "MASQUERADE";
  readonly range: NatTargetRange;
}

export const masquerade: TargetModule<MasqueradeTarget> = {
  kind: "MASQUERADE",
  needsConntrack: true,

  parse(reader) {
    let range: NatTargetRange = ANY_NAT_RANGE;
    reader.options({
      "--to-ports": () => {
        range = { ...range, ...readNatPorts(reader) };
      },
      "--random": () => {
        range = { ...range, random: true };
      },
      "--random-fully": () => {
        range = { ...range, randomFully: true };
      },
    });

    return { kind: "MASQUERADE", range };
  },

  format({ range }) {
    const bounds = formatNatPorts(range);
    return optionText(bounds && `--to-ports ${bounds}`, formatNatFlags(range));
  },
};
