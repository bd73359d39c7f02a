import type { Handlers } from "../save/arguments.ts";
import { optionText } from "../save/option-text.ts";
import {
  ANY_NAT_RANGE,
  formatNatBounds,
  formatNatFlags,
  NAT_OPTIONS,
  type NatRangeDraft,
  type NatTargetRange,
} from "./nat-range.ts";
import type { Target, TargetModule } from "./target.ts";

/** Translate the source (net/netfilter/xt_nat.c). */
export interface SnatTarget extends Target {
  readonly kind: "SNAT";
  readonly range: NatTargetRange;
}

const OPTIONS: Handlers<NatRangeDraft> = {
  "--to-source": NAT_OPTIONS.bounds,
  "--random": NAT_OPTIONS.random,
  "--random-fully": NAT_OPTIONS.randomFully,
  "--persistent": NAT_OPTIONS.persistent,
};

export const snat: TargetModule<SnatTarget> = {
  kind: "SNAT",
  needsConntrack: true,

  parse(reader) {
    const range: NatRangeDraft = { ...ANY_NAT_RANGE };
    reader.options(OPTIONS, undefined, range);
    if (range.min === null && range.portMin === null) reader.fail("--to-source is missing");
    return { kind: "SNAT", range };
  },

  format({ range }) {
    const bounds = formatNatBounds(range);
    return optionText(bounds && `--to-source ${bounds}`, formatNatFlags(range));
  },
};
