import type { Target, TargetModule } from "./target.ts";

/** Keep conntrack off the packet; the short form of `CT --notrack` (net/netfilter/xt_CT.c, `notrack_tg`). */
export interface NotrackTarget extends Target {
  readonly kind: "NOTRACK";
}

export const notrack: TargetModule<NotrackTarget> = {
  kind: "NOTRACK",
  needsConntrack: false,

  parse(reader) {
    reader.options({});
    return { kind: "NOTRACK" };
  },

  format: () => "",
};
