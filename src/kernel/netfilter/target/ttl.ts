import { type HopCountMode, readHopCountChange } from "./hop-count.ts";
import type { Target, TargetModule } from "./target.ts";

/** Change the time to live (net/netfilter/xt_HL.c, `ttl_tg`). */
export interface TtlTarget extends Target {
  readonly kind: "TTL";
  readonly mode: HopCountMode;
  readonly value: number;
}

export const ttl: TargetModule<TtlTarget> = {
  kind: "TTL",
  needsConntrack: false,
  parse: (reader) => ({ kind: "TTL", ...readHopCountChange(reader, "ttl") }),
  format: ({ mode, value }) => `--ttl-${mode} ${value}`,
};
