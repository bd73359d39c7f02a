import { optionText } from "../save/option-text.ts";
import type { Target, TargetModule } from "./target.ts";

/**
 * Shake hands in the server's place, and with the server once the client has answered (net/netfilter/nf_synproxy_core.c).
 */
export interface SynproxyTarget extends Target {
  readonly kind: "SYNPROXY";
  readonly sackPerm: boolean;
  readonly timestamp: boolean;
  /** 0: not said, of both. */
  readonly wscale: number;
  readonly mss: number;
  readonly ecn: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const synproxy: TargetModule<SynproxyTarget> = {
  kind: "SYNPROXY",
  needsConntrack: true,

  parse(reader) {
    const target: Mutable<SynproxyTarget> = {
      kind: "SYNPROXY",
      sackPerm: false,
      timestamp: false,
      wscale: 0,
      mss: 0,
      ecn: false,
    };
    const flag = (field: "sackPerm" | "timestamp" | "ecn") => () => {
      target[field] = true;
    };
    reader.options({
      "--sack-perm": flag("sackPerm"),
      "--timestamp": flag("timestamp"),
      "--wscale": () => {
        target.wscale = reader.uint(14);
      },
      "--mss": () => {
        target.mss = reader.uint(0xffff);
      },
      "--ecn": flag("ecn"),
    });
    return target;
  },

  format: ({ sackPerm, timestamp, wscale, mss, ecn }) =>
    optionText(
      sackPerm && "--sack-perm",
      timestamp && "--timestamp",
      wscale !== 0 && `--wscale ${wscale}`,
      mss !== 0 && `--mss ${mss}`,
      ecn && "--ecn",
    ),
};
