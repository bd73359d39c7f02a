import type { Negatable } from "../rule.ts";
import { negatableText } from "../save/option-text.ts";
import { quoteString } from "../save/quote.ts";
import type { Match, MatchModule } from "./match.ts";

/** The helper that expected a connection: `ftp` of its data (net/netfilter/xt_helper.c). */
export interface HelperMatch extends Match {
  readonly kind: "helper";
  /** Empty or `any`: of any helper. */
  readonly helper: Negatable<string>;
}

/** `sizeof(info->name)`, less the final zero. */
const MAX_LENGTH = 29;

export const helper: MatchModule<HelperMatch> = {
  kind: "helper",
  needsConntrack: true,

  parse(reader) {
    let found: HelperMatch["helper"] | null = null;
    reader.options({
      "--helper": () => {
        const invert = reader.negated();
        const value = reader.word("the name of a helper");
        if (value.length > MAX_LENGTH) reader.failValue(`a name has at most ${MAX_LENGTH} characters`);
        found = { invert, value };
      },
    });
    if (found === null) reader.fail("--helper is missing");
    return { kind: "helper", helper: found ?? { invert: false, value: "" } };
  },

  format: (match) => negatableText("--helper", match.helper, quoteString) as string,

  /** Helpers look into payload, which nothing here has: no connection was expected by one. */
  compile: ({ helper: { invert } }) => ({ test: () => invert }),
};
