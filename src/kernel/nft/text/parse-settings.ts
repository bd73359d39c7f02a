import { ORIGIN_NONE, type Origin } from "../../origin.ts";

/** How a table's text is read. */
export interface ParseSettings {
  /** By line. */
  readonly origin: (line: number) => Origin;
  /**
   * A dump: what is not understood in a rule becomes a statement that the walk does not know. Otherwise it is a fault,
   * as for nft.
   */
  readonly dump: boolean;
  /** Keep a rule's words where ours differ: iptables' own tables are printed by its translation. */
  readonly verbatim: boolean;
}

export const DUMP: ParseSettings = { origin: () => ORIGIN_NONE, dump: true, verbatim: false };
