import type { ArgumentReader } from "../save/arguments.ts";

/** How TTL and HL change the hops left. */
export interface HopCountChange {
  readonly mode: HopCountMode;
  readonly value: number;
}

export type HopCountMode = "set" | "dec" | "inc";

/** `--ttl-set 3` and the like. */
export function readHopCountChange(reader: ArgumentReader, name: "ttl" | "hl"): HopCountChange {
  let change: HopCountChange | null = null;
  const read = (mode: HopCountMode, min: number) => () => {
    if (change !== null) reader.fail(`only one of --${name}-set, --${name}-dec and --${name}-inc is allowed`);
    change = { mode, value: reader.uint(255, min) };
  };
  reader.options({
    [`--${name}-set`]: read("set", 0),
    [`--${name}-dec`]: read("dec", 1),
    [`--${name}-inc`]: read("inc", 1),
  });
  if (change === null) reader.fail(`it needs --${name}-set, --${name}-dec or --${name}-inc`);
  return change ?? { mode: "set", value: 0 };
}
