import { optionText } from "../save/option-text.ts";
import { quoteString } from "../save/quote.ts";
import type { Target, TargetModule } from "./target.ts";

/** Write the packet to the kernel's log (net/netfilter/xt_LOG.c). The packet goes on. */
export interface LogTarget extends Target {
  readonly kind: "LOG";
  readonly prefix: string;
  /** 0 … 7, 4 (warning) unless said. */
  readonly level: number;
  readonly tcpSequence: boolean;
  readonly tcpOptions: boolean;
  readonly ipOptions: boolean;
  readonly uid: boolean;
  readonly macDecode: boolean;
}

const DEFAULT_LEVEL = 4;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const log: TargetModule<LogTarget> = {
  kind: "LOG",
  needsConntrack: false,

  parse(reader) {
    const target: Mutable<LogTarget> = {
      kind: "LOG",
      prefix: "",
      level: DEFAULT_LEVEL,
      tcpSequence: false,
      tcpOptions: false,
      ipOptions: false,
      uid: false,
      macDecode: false,
    };
    const flag = (field: "tcpSequence" | "tcpOptions" | "ipOptions" | "uid" | "macDecode") => () => {
      target[field] = true;
    };
    reader.options({
      "--log-prefix": () => {
        target.prefix = reader.word("a text");
      },
      "--log-level": () => {
        target.level = reader.uint(7);
      },
      "--log-tcp-sequence": flag("tcpSequence"),
      "--log-tcp-options": flag("tcpOptions"),
      "--log-ip-options": flag("ipOptions"),
      "--log-uid": flag("uid"),
      "--log-macdecode": flag("macDecode"),
    });
    return target;
  },

  format: (target) =>
    optionText(
      target.prefix !== "" && `--log-prefix ${quoteString(target.prefix)}`,
      target.level !== DEFAULT_LEVEL && `--log-level ${target.level}`,
      target.tcpSequence && "--log-tcp-sequence",
      target.tcpOptions && "--log-tcp-options",
      target.ipOptions && "--log-ip-options",
      target.uid && "--log-uid",
      target.macDecode && "--log-macdecode",
    ),
};
