import type { ElementTable } from "./element-table.ts";
import type { SetQuery } from "./set-query.ts";

/** A number held against an element's count of packets or bytes. */
export interface CounterTest {
  readonly mode: "eq" | "ne" | "lt" | "gt";
  readonly value: number;
}

/** `ip_set_match_counter`, of both. Runs per packet. */
export function countersMatch(table: ElementTable, slot: number, query: SetQuery): boolean {
  return (
    counterMatches(table.getWide(slot, table.layout.packets), query.packets) &&
    counterMatches(table.getWide(slot, table.layout.bytes), query.bytes)
  );
}

function counterMatches(counter: number, test: CounterTest | null): boolean {
  if (test === null) return true;
  switch (test.mode) {
    case "eq":
      return counter === test.value;
    case "ne":
      return counter !== test.value;
    case "lt":
      return counter < test.value;
    case "gt":
      return counter > test.value;
  }
}
