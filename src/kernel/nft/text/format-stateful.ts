import type { NftStatement } from "../statement.ts";

/** A statement with a memory as nft prints it; undefined for one without. */
export function formatStateful(statement: NftStatement): string | undefined {
  switch (statement.kind) {
    case "counter":
      return statement.stateless
        ? "counter"
        : `counter packets ${statement.packets} bytes ${statement.bytes}`;
    case "limit":
      return `limit ${formatLimit(statement)}`;
    case "quota":
      return `quota ${formatQuota(statement)}`;
    case "ct-count":
      return `ct count ${statement.over ? "over " : ""}${statement.count}`;
    case "other":
      return statement.text;
    default:
      return undefined;
  }
}

/** From `rate` on. A burst of five packets is what the kernel takes anyway, and is not printed. */
export function formatLimit(limit: Extract<NftStatement, { kind: "limit" }>): string {
  const { over, rate, unit, per, burst, burstUnit } = limit;
  const amount = unit === null ? `${rate}` : `${rate} ${unit}`;
  const usual = burst === null || (unit === null ? burst === 5 : burst === 0);
  return `rate ${over ? "over " : ""}${amount}/${per}${usual ? "" : ` burst ${burst} ${burstUnit ?? "packets"}`}`;
}

export function formatQuota(quota: Extract<NftStatement, { kind: "quota" }>): string {
  const { over, value, unit, used } = quota;
  return `${over ? "over " : ""}${value} ${unit}${used === null ? "" : ` used ${used.value} ${used.unit}`}`;
}
