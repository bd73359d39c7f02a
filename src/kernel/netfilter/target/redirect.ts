import type { Handlers } from "../save/arguments.ts";
import {
  ANY_NAT_RANGE,
  formatToPorts,
  NAT_OPTIONS,
  type NatRangeDraft,
  type NatTargetRange,
} from "./nat-range.ts";
import type { Target, TargetModule } from "./target.ts";

/** Translate the destination to this host itself (net/netfilter/xt_REDIRECT.c). */
export interface RedirectTarget extends Target {
  readonly kind: "REDIRECT";
  readonly range: NatTargetRange;
}

const OPTIONS: Handlers<NatRangeDraft> = {
  "--to-ports": NAT_OPTIONS.ports,
  "--random": NAT_OPTIONS.random,
};

export const redirect: TargetModule<RedirectTarget> = {
  kind: "REDIRECT",
  needsConntrack: true,

  parse(reader) {
    const range: NatRangeDraft = { ...ANY_NAT_RANGE };
    reader.options(OPTIONS, undefined, range);
    return { kind: "REDIRECT", range };
  },

  format({ range }) {
    return formatToPorts(range);
  },
};
