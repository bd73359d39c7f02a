import { optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** Would an answer leave by the device the packet came in by? (net/ipv4/netfilter/ipt_rpfilter.c) */
export interface RpfilterMatch extends Match {
  readonly kind: "rpfilter";
  /** Any device will do, as long as there is a route. */
  readonly loose: boolean;
  /** The route is looked up with the packet's mark. */
  readonly validMark: boolean;
  /** An address of this host may come in from outside. */
  readonly acceptLocal: boolean;
  readonly invert: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const rpfilter: MatchModule<RpfilterMatch> = {
  kind: "rpfilter",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<RpfilterMatch> = {
      kind: "rpfilter",
      loose: false,
      validMark: false,
      acceptLocal: false,
      invert: false,
    };
    const flag = (field: "loose" | "validMark" | "acceptLocal" | "invert") => () => {
      match[field] = true;
    };
    reader.options({
      "--loose": flag("loose"),
      "--validmark": flag("validMark"),
      "--accept-local": flag("acceptLocal"),
      "--invert": flag("invert"),
    });
    return match;
  },

  format: (match) =>
    optionText(
      match.loose && "--loose",
      match.validMark && "--validmark",
      match.acceptLocal && "--accept-local",
      match.invert && "--invert",
    ),

  /** It takes a route look-up, which a rule's context does not offer. */
  compile: null,
};
