import type { Handlers } from "../save/arguments.ts";
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

type Draft = { -readonly [key in keyof NatTargetRange]: NatTargetRange[key] };

/** The same for every rule: most of an agent's dump are rules with this target. */
const OPTIONS: Handlers<Draft> = {
  "--to-destination": (range, reader) => {
    const { min, max, portMin, portMax, portBase } = readNatBounds(reader);
    range.min = min;
    range.max = max;
    range.portMin = portMin;
    range.portMax = portMax;
    range.portBase = portBase;
  },
  "--random": (range) => {
    range.random = true;
  },
  "--persistent": (range) => {
    range.persistent = true;
  },
};

export const dnat: TargetModule<DnatTarget> = {
  kind: "DNAT",
  needsConntrack: true,

  parse(reader) {
    const range: Draft = { ...ANY_NAT_RANGE };
    reader.options(OPTIONS, undefined, range);
    if (range.min === null && range.portMin === null) reader.fail("--to-destination is missing");
    return { kind: "DNAT", range };
  },

  format({ range }) {
    const bounds = formatNatBounds(range);
    return optionText(bounds && `--to-destination ${bounds}`, formatNatFlags(range));
  },
};
