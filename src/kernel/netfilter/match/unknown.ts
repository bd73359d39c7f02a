import type { Match } from "./match.ts";

/** A match by a name no module here has, with its words as the dump has them. The walk asks both ways. */
export interface UnknownMatch extends Match {
  readonly kind: "unknown";
  readonly name: string;
  /** As written, quotes and all. */
  readonly args: readonly string[];
}
