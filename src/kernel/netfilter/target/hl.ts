import { type HopCountMode, readHopCountChange } from "./hop-count.ts";
import type { Target, TargetModule } from "./target.ts";

/** Change the hop limit of an IPv6 packet (net/netfilter/xt_HL.c, `hl_tg6`). */
export interface HlTarget extends Target {
  readonly kind: "HL";
  readonly mode: HopCountMode;
  readonly value: number;
}

export const hl: TargetModule<HlTarget> = {
  kind: "HL",
  needsConntrack: false,
  parse: (reader) => ({ kind: "HL", ...readHopCountChange(reader, "hl") }),
  format: ({ mode, value }) => `--hl-${mode} ${value}`,
};
