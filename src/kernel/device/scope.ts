import type { JsonFields } from "../json-fields.ts";
import type { Scope } from "./device.ts";

/** Widest first, as in `enum rt_scope_t`. */
export const SCOPES: readonly Scope[] = ["global", "site", "link", "host", "nowhere"];

/** `scope`, which `ip` leaves out of a route where it is global. */
export function parseScope(json: JsonFields, fallback: Scope): Scope {
  return json.word("scope", SCOPES, fallback);
}
