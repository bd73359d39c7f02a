export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Map);
}

/** Every value within a value, maps and lists gone through. */
export function* valuesIn(value: unknown): Generator<unknown> {
  yield value;
  if (value instanceof Map || (isRecord(value) && Symbol.iterator in value)) {
    for (const [, item] of value as Map<unknown, unknown>) yield* valuesIn(item);
  } else if (Array.isArray(value)) for (const item of value) yield* valuesIn(item);
  else if (isRecord(value)) for (const item of Object.values(value)) yield* valuesIn(item);
}
