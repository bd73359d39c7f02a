import { optionText } from "../save/option-text.ts";
import {
  ANY_NAT_RANGE,
  formatNatBounds,
  formatNatFlags,
  type NatTargetRange,
  readNatBounds,
} from "./nat-range.ts";
import type { Target, TargetModule } from "./target.ts";

/** Translate the source (net/netfilter/xt_nat.c). */
export interface SnatTarget extends Target {
  readonly kind: "SNAT";
  readonly range: NatTargetRange;
}

export const snat: TargetModule<SnatTarget> = {
  kind: "SNAT",
  needsConntrack: true,

  parse(reader) {
    let range: NatTargetRange = ANY_NAT_RANGE;
    reader.options({
      "--to-source": () => {
        range = { ...range, ...readNatBounds(reader) };
      },
      "--random": () => {
        range = { ...range, random: true };
      },
      "--random-fully": () => {
        range = { ...range, randomFully: true };
      },
      "--persistent": () => {
        range = { ...range, persistent: true };
      },
    });
    if (range.min === null && range.portMin === null) reader.fail("--to-source is missing");
    return { kind: "SNAT", range };
  },

  format({ range }) {
    const bounds = formatNatBounds(range);
    return optionText(bounds && `--to-source ${bounds}`, formatNatFlags(range));
  },
};
