import { quoteString } from "../save/quote.ts";
import type { Match, MatchModule } from "./match.ts";

/** Count the packet for an object of `nfacct`, and match unless its quota lasts (net/netfilter/xt_nfacct.c). */
export interface NfacctMatch extends Match {
  readonly kind: "nfacct";
  readonly name: string;
}

/** `NFACCT_NAME_MAX`, less the final zero. */
const MAX_LENGTH = 31;

export const nfacct: MatchModule<NfacctMatch> = {
  kind: "nfacct",
  needsConntrack: false,

  parse(reader) {
    let name: string | null = null;
    reader.options({
      "--nfacct-name": () => {
        name = reader.word("the name of an object of nfacct");
        if (name.length > MAX_LENGTH) reader.failValue(`a name has at most ${MAX_LENGTH} characters`);
      },
    });
    if (name === null) reader.fail("--nfacct-name is missing");
    return { kind: "nfacct", name: name ?? "" };
  },

  format: ({ name }) => `--nfacct-name ${quoteString(name)}`,

  /** Whether the object has a quota, and how much of it is left, no dump of rules says. */
  compile: null,
};
