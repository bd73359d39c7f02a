import { optionText } from "../save/option-text.ts";
import {
  ANY_NAT_RANGE,
  formatNatBounds,
  formatNatFlags,
  type NatTargetRange,
  readNatBounds,
} from "./nat-range.ts";
import type { Target, TargetModule } from "./target.ts";

/** Translate the destination (net/netfilter/xt_nat.c). */
export interface DnatTarget extends Target {
  readonly kind: "DNAT";
  readonly range: NatTargetRange;
}

export const dnat: TargetModule<DnatTarget> = {
  kind: "DNAT",
  needsConntrack: true,

  parse(reader) {
    let range: NatTargetRange = ANY_NAT_RANGE;
    reader.options({
      "--to-destination": () => {
        range = { ...range, ...readNatBounds(reader) };
      },
      "--random": () => {
        range = { ...range, random: true };
      },
      "--persistent": () => {
        range = { ...range, persistent: true };
      },
    });
    if (range.min === null && range.portMin === null) reader.fail("--to-destination is missing");
    return { kind: "DNAT", range };
  },

  format({ range }) {
    const bounds = formatNatBounds(range);
    return optionText(bounds && `--to-destination ${bounds}`, formatNatFlags(range));
  },
};
