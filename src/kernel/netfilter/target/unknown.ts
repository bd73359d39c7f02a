import type { Target } from "./target.ts";

/** A target by a name no module here has, with its words as the dump has them. The walk takes it to have no effect, and says so. */
export interface UnknownTarget extends Target {
  readonly kind: "unknown";
  readonly name: string;
  /** As written, quotes and all. */
  readonly args: readonly string[];
}
