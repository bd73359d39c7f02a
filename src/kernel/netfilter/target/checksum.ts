import type { Target, TargetModule } from "./target.ts";

/** Fill in a checksum left to the hardware (net/netfilter/xt_CHECKSUM.c). Nothing the walk sees changes. */
export interface ChecksumTarget extends Target {
  readonly kind: "CHECKSUM";
}

export const checksum: TargetModule<ChecksumTarget> = {
  kind: "CHECKSUM",
  needsConntrack: false,

  parse(reader) {
    let fills = false;
    reader.options({
      "--checksum-fill": () => {
        fills = true;
      },
    });
    if (!fills) reader.fail("--checksum-fill is missing");
    return { kind: "CHECKSUM" };
  },

  format: () => "--checksum-fill",
};
