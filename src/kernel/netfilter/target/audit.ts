import type { Target, TargetModule } from "./target.ts";

const TYPES = ["accept", "drop", "reject"] as const;

/** Write an audit record (net/netfilter/xt_AUDIT.c). The packet goes on. */
export interface AuditTarget extends Target {
  readonly kind: "AUDIT";
  readonly type: (typeof TYPES)[number];
}

export const audit: TargetModule<AuditTarget> = {
  kind: "AUDIT",
  needsConntrack: false,

  parse(reader) {
    let type: AuditTarget["type"] | null = null;
    reader.options({
      "--type": () => {
        type = reader.oneOf(TYPES);
      },
    });
    if (type === null) reader.fail("--type is missing");
    return { kind: "AUDIT", type: type ?? "accept" };
  },

  format: ({ type }) => `--type ${type}`,
};
