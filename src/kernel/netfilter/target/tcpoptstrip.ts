import { optionText } from "../save/option-text.ts";
import type { Target, TargetModule } from "./target.ts";

/** Blank options of a TCP header (net/netfilter/xt_TCPOPTSTRIP.c). */
export interface TcpoptstripTarget extends Target {
  readonly kind: "TCPOPTSTRIP";
  /** Kinds of options, 2 … 255, ascending. */
  readonly options: readonly number[];
}

const NAMES: Readonly<Record<string, number>> = {
  mss: 2,
  wscale: 3,
  "sack-permitted": 4,
  sack: 5,
  timestamp: 8,
  md5: 19,
};

export const tcpoptstrip: TargetModule<TcpoptstripTarget> = {
  kind: "TCPOPTSTRIP",
  needsConntrack: false,

  parse(reader) {
    const options = new Set<number>();
    reader.options({
      "--strip-options": () => {
        for (const word of reader.word("a list of options").split(",")) {
          const option = NAMES[word] ?? reader.uintOf(word, 255, 2);
          if (options.has(option)) reader.failValue(`${word} is given twice: give it once`);
          options.add(option);
        }
      },
    });
    return { kind: "TCPOPTSTRIP", options: [...options].sort((a, b) => a - b) };
  },

  format: ({ options }) => optionText(options.length > 0 && `--strip-options ${options.join(",")}`),
};
