import type { MatchTest } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";

/**
 * One kind of match (`-m NAME`): what it holds, its text both ways, and its compiled form. A file a kind, named after it;
 * `registry.ts` is the one table of them.
 */
export interface MatchModule<M extends { readonly kind: string }> {
  /** The extension's name as `-m` takes it. */
  readonly kind: M["kind"];
  /** Read this match's options, the reader standing behind `-m NAME`. Reports what is wrong through the reader. */
  parse(reader: ArgumentReader): M;
  /** The options as `iptables-save` prints them, without `-m NAME`; `""` when there are none. */
  format(match: M): string;
  /**
   * null, or returning null for a match with an option that is not modelled: parsed and printed, but the walk calls it an
   * unknown match. Ask through `compileMatch` (`registry.ts`).
   */
  readonly compile: ((match: M) => MatchTest | null) | null;
  /** Does having it in a rule switch connection tracking on (`nf_ct_netns_get` in its checkentry)? */
  readonly needsConntrack: boolean;
}

/** A match of any kind; narrow it through its module. */
export interface Match {
  readonly kind: string;
}
