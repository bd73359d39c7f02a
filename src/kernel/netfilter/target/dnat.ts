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

/** Translate the destination (net/netfilter/xt_nat.c). */
export interface DnatTarget extends Target {
  readonly kind: "DNAT";
  readonly range: NatTargetRange;
}

const OPTIONS: Handlers<NatRangeDraft> = {
  "--to-destination": NAT_OPTIONS.bounds,
  "--random": NAT_OPTIONS.random,
  "--persistent": NAT_OPTIONS.persistent,
};

export const dnat: TargetModule<DnatTarget> = {
  kind: "DNAT",
  needsConntrack: true,

  parse(reader) {
    const range: NatRangeDraft = { ...ANY_NAT_RANGE };
    reader.options(OPTIONS, undefined, range);
    if (range.min === null && range.portMin === null) reader.fail("--to-destination is missing");
    return { kind: "DNAT", range };
  },

  format({ range }) {
    const bounds = formatNatBounds(range);
    return optionText(bounds && `--to-destination ${bounds}`, formatNatFlags(range));
  },
};
