import { hexByte } from "../save/number.ts";
import type { Target, TargetModule } from "./target.ts";

/** Set the six DSCP bits of the TOS byte (net/netfilter/xt_DSCP.c). */
export interface DscpTarget extends Target {
  readonly kind: "DSCP";
  readonly dscp: number;
}

export const dscp: TargetModule<DscpTarget> = {
  kind: "DSCP",
  needsConntrack: false,

  parse(reader) {
    let value: number | null = null;
    reader.options({
      "--set-dscp": () => {
        value = reader.uint(63);
      },
    });
    if (value === null) reader.fail("--set-dscp is missing");
    return { kind: "DSCP", dscp: value ?? 0 };
  },

  format: ({ dscp: value }) => `--set-dscp ${hexByte(value)}`,
};
