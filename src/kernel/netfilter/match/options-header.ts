import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";

/** A header of options, for every router or for the destination (net/ipv6/netfilter/ip6t_hbh.c). */
export interface OptionsHeader {
  /** Of the whole header, bytes. */
  readonly length: Negatable<number> | null;
  /** These options, in this order, with these lengths where one is named. */
  readonly options: readonly { readonly type: number; readonly length: number | null }[];
}

/** `IP6T_OPTS_OPTSNR` */
const MAX_OPTIONS = 16;

export function readOptionsHeader(reader: ArgumentReader, name: "hbh" | "dst"): OptionsHeader {
  let length: OptionsHeader["length"] = null;
  let options: OptionsHeader["options"] = [];
  reader.options({
    [`--${name}-len`]: () => {
      length = { invert: reader.negated(), value: reader.uint(0xffffffff) };
    },
    [`--${name}-opts`]: () => {
      const words = reader.word("a list of options such as 1:2,5").split(",");
      if (words.length > MAX_OPTIONS) reader.failValue(`at most ${MAX_OPTIONS} options are allowed`);
      options = words.map((word) => {
        const [type = "", bytes] = word.split(":");
        return {
          type: reader.uintOf(type, 255),
          length: bytes === undefined ? null : reader.uintOf(bytes, 255),
        };
      });
    },
  });
  return { length, options };
}

export function formatOptionsHeader({ length, options }: OptionsHeader, name: "hbh" | "dst"): string {
  const list = options.map((option) =>
    option.length === null ? `${option.type}` : `${option.type}:${option.length}`,
  );
  return optionText(
    negatableText(`--${name}-len`, length, String),
    list.length > 0 && `--${name}-opts ${list.join(",")}`,
  );
}

/**
 * A packet without the header never matches, `!` or not (`ipv6_find_hdr` finds none): no program sends one unless its socket asks
 * for it, and no packet of a walk has one.
 */
export const NO_SUCH_HEADER: MatchTest = { test: () => false };
