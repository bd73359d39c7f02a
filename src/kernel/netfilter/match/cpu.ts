import type { Negatable } from "../rule.ts";
import { negatableText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** The processor that handles the packet (net/netfilter/xt_cpu.c). */
export interface CpuMatch extends Match {
  readonly kind: "cpu";
  readonly cpu: Negatable<number>;
}

export const cpu: MatchModule<CpuMatch> = {
  kind: "cpu",
  needsConntrack: false,

  parse(reader) {
    let found: CpuMatch["cpu"] | null = null;
    reader.options({
      "--cpu": () => {
        found = { invert: reader.negated(), value: reader.uint(0xffffffff) };
      },
    });
    if (found === null) reader.fail("--cpu is missing");
    return { kind: "cpu", cpu: found ?? { invert: false, value: 0 } };
  },

  format: (match) => negatableText("--cpu", match.cpu, String) as string,

  /** Which processor it will be nobody can say, but that no machine has one of so high a number. */
  compile: ({ cpu }) => (cpu.value < MOST_CPUS ? null : { test: () => cpu.invert }),
};

/** `NR_CPUS` at its largest (arch/x86/Kconfig, `NR_CPUS_RANGE_END`; no other architecture has more). */
export const MOST_CPUS = 8192;
