import type { Target, TargetModule } from "./target.ts";

/** Log every rule the packet meets from here on (net/netfilter/xt_TRACE.c). The packet goes on. */
export interface TraceTarget extends Target {
  readonly kind: "TRACE";
}

export const trace: TargetModule<TraceTarget> = {
  kind: "TRACE",
  needsConntrack: false,

  parse(reader) {
    reader.options({});
    return { kind: "TRACE" };
  },

  format: () => "",
};
