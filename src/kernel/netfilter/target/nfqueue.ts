import { optionText } from "../save/option-text.ts";
import { readUintRange } from "../save/uint-range.ts";
import type { Target, TargetModule } from "./target.ts";

/** Let a program decide (net/netfilter/xt_NFQUEUE.c). */
export interface NfqueueTarget extends Target {
  readonly kind: "NFQUEUE";
  readonly first: number;
  /** Equals `first` for a single queue. */
  readonly last: number;
  /** With nobody listening the packet goes on instead of being dropped. */
  readonly bypass: boolean;
  readonly cpuFanout: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const nfqueue: TargetModule<NfqueueTarget> = {
  kind: "NFQUEUE",
  needsConntrack: false,

  parse(reader) {
    const target: Mutable<NfqueueTarget> = {
      kind: "NFQUEUE",
      first: 0,
      last: 0,
      bypass: false,
      cpuFanout: false,
    };
    let balances = false;
    reader.options({
      "--queue-num": () => {
        target.first = reader.uint(0xffff);
        target.last = target.first;
      },
      "--queue-balance": () => {
        balances = true;
        const { min, max } = readUintRange(reader, 0xfffe);
        target.first = min;
        target.last = max;
      },
      "--queue-bypass": () => {
        target.bypass = true;
      },
      "--queue-cpu-fanout": () => {
        target.cpuFanout = true;
      },
    });
    if (target.cpuFanout && !balances) reader.fail("--queue-cpu-fanout needs --queue-balance");
    return target;
  },

  format: ({ first, last, bypass, cpuFanout }) =>
    optionText(
      first === last ? `--queue-num ${first}` : `--queue-balance ${first}:${last}`,
      bypass && "--queue-bypass",
      cpuFanout && "--queue-cpu-fanout",
    ),
};
