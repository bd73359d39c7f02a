import { optionText } from "../save/option-text.ts";
import { quoteString } from "../save/quote.ts";
import type { Target, TargetModule } from "./target.ts";

/** Hand the packet to a logging daemon (net/netfilter/xt_NFLOG.c). The packet goes on. */
export interface NflogTarget extends Target {
  readonly kind: "NFLOG";
  readonly prefix: string;
  readonly group: number;
  /** Bytes to copy; null: all. */
  readonly size: number | null;
  /** The older spelling of `size`, which the kernel ignores; 0: not given. */
  readonly range: number;
  readonly threshold: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const nflog: TargetModule<NflogTarget> = {
  kind: "NFLOG",
  needsConntrack: false,

  parse(reader) {
    const target: Mutable<NflogTarget> = {
      kind: "NFLOG",
      prefix: "",
      group: 0,
      size: null,
      range: 0,
      threshold: 0,
    };
    reader.options({
      "--nflog-prefix": () => {
        target.prefix = reader.word("a text");
      },
      "--nflog-group": () => {
        target.group = reader.uint(0xffff);
      },
      "--nflog-size": () => {
        target.size = reader.uint(0xffffffff);
      },
      "--nflog-range": () => {
        target.range = reader.uint(0xffffffff);
      },
      "--nflog-threshold": () => {
        target.threshold = reader.uint(0xffff);
      },
    });
    if (target.size !== null && target.range !== 0)
      reader.fail("--nflog-size and --nflog-range exclude each other");
    return target;
  },

  format: (target) =>
    optionText(
      target.prefix !== "" && `--nflog-prefix ${quoteString(target.prefix)}`,
      target.group !== 0 && `--nflog-group ${target.group}`,
      target.size !== null && `--nflog-size ${target.size}`,
      target.range !== 0 && `--nflog-range ${target.range}`,
      target.threshold !== 0 && `--nflog-threshold ${target.threshold}`,
    ),
};
