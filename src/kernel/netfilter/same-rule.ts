import type { Rule } from "./rule.ts";
import { formatRuleArguments } from "./save/format.ts";

/** Do two rules say the same, of the same origin, with the very same counters? */
export function isSameRule(a: Rule, b: Rule): boolean {
  if (a === b) return true;
  if (a.origin !== b.origin || a.counters !== b.counters) return false;
  return formatRuleArguments(a) === formatRuleArguments(b);
}
