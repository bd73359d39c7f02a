import { optionText } from "../save/option-text.ts";
import {
  ANY_NAT_RANGE,
  formatNatFlags,
  formatNatPorts,
  type NatTargetRange,
  readNatPorts,
} from "./nat-range.ts";
import type { Target, TargetModule } from "./target.ts";

/** Translate the destination to this host itself (net/netfilter/xt_REDIRECT.c). */
export interface RedirectTarget extends Target {
  readonly kind: "REDIRECT";
  readonly range: NatTargetRange;
}

export const redirect: TargetModule<RedirectTarget> = {
  kind: "REDIRECT",
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
    });

    return { kind: "REDIRECT", range };
  },

  format({ range }) {
    const bounds = formatNatPorts(range);
    return optionText(bounds && `--to-ports ${bounds}`, formatNatFlags(range));
  },
};
