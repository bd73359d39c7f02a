import type { Handlers } from "../save/arguments.ts";
import {
  ANY_NAT_RANGE,
  formatToPorts,
  NAT_OPTIONS,
  type NatRangeDraft,
  type NatTargetRange,
} from "./nat-range.ts";
import type { Target, TargetModule } from "./target.ts";

/** Translate the source to an address of the device the packet leaves by (net/netfilter/xt_MASQUERADE.c). */
export interface MasqueradeTarget extends Target {
  readonly kind: "MASQUERADE";
  readonly range: NatTargetRange;
}

const OPTIONS: Handlers<NatRangeDraft> = {
  "--to-ports": NAT_OPTIONS.ports,
  "--random": NAT_OPTIONS.random,
  "--random-fully": NAT_OPTIONS.randomFully,
};

export const masquerade: TargetModule<MasqueradeTarget> = {
  kind: "MASQUERADE",
  needsConntrack: true,

  parse(reader) {
    const range: NatRangeDraft = { ...ANY_NAT_RANGE };
    reader.options(OPTIONS, undefined, range);
    return { kind: "MASQUERADE", range };
  },

  format({ range }) {
    return formatToPorts(range);
  },
};
