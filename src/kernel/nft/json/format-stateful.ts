import type { NftStatement } from "../statement.ts";

/** Statements with a memory as libnftables-json(5) has them. */
export function limitJson(
  limit: Extract<NftStatement, { kind: "limit" }>,
): Readonly<Record<string, unknown>> {
  const { over, rate, unit, per, burst, burstUnit } = limit;
  const inBytes = unit !== null;
  return {
    rate,
    burst: burst ?? (inBytes ? 0 : 5),
    per,
    ...(over ? { inv: true } : {}),
    ...(inBytes ? { rate_unit: unit, burst_unit: burstUnit ?? "bytes" } : {}),
  };
}

export function quotaJson(
  quota: Extract<NftStatement, { kind: "quota" }>,
): Readonly<Record<string, unknown>> {
  const { over, value, unit, used } = quota;
  return {
    val: value,
    val_unit: unit,
    ...(over ? { inv: true } : {}),
    ...(used === null ? {} : { used: used.value, used_unit: used.unit }),
  };
}

/** What an element holds beside its key. */
export function formatElementStatement(statement: NftStatement): Readonly<Record<string, unknown>> {
  switch (statement.kind) {
    case "counter":
      return { counter: { packets: statement.packets, bytes: statement.bytes } };
    case "limit":
      return { limit: limitJson(statement) };
    case "quota":
      return { quota: quotaJson(statement) };
    default:
      return {};
  }
}
