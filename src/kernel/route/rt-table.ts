/** Tables that `ip route` calls by name (`/etc/iproute2/rt_tables`). */
const TABLE_NAMES: ReadonlyMap<string, string> = new Map([
  ["253", "default"],
  ["254", "main"],
  ["255", "local"],
]);

/** A table's number, or its name, as a route's `table` says it. */
export function tableName(text: string): string {
  return TABLE_NAMES.get(text) ?? text;
}
