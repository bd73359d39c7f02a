import type { Packet } from "../../../packet/packet.ts";
import type { MatchTest } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";

/** What ttl and hl ask of the hops left. */
export interface HopCount {
  readonly mode: "eq" | "ne" | "lt" | "gt";
  readonly value: number;
}

/** `--ttl-eq 64`, `! --ttl-eq 64`, `--ttl-lt 5`, `--ttl-gt 60`. */
export function readHopCount(reader: ArgumentReader, name: "ttl" | "hl"): HopCount {
  let found: HopCount | null = null;
  const set = (mode: HopCount["mode"]) => {
    if (found !== null) reader.fail(`only one of --${name}-eq, --${name}-lt and --${name}-gt is allowed`);
    found = { mode, value: reader.uint(255) };
  };
  reader.options({
    [`--${name}-eq`]: () => set(reader.negated() ? "ne" : "eq"),
    [`--${name}-lt`]: () => set("lt"),
    [`--${name}-gt`]: () => set("gt"),
  });
  if (found === null) reader.fail(`it needs --${name}-eq, --${name}-lt or --${name}-gt`);
  return found ?? { mode: "eq", value: 0 };
}

export function formatHopCount({ mode, value }: HopCount, name: "ttl" | "hl"): string {
  return mode === "ne" ? `! --${name}-eq ${value}` : `--${name}-${mode} ${value}`;
}

/** Runs per packet. */
export class HopCountTest implements MatchTest {
  private readonly mode: HopCount["mode"];
  private readonly value: number;

  constructor({ mode, value }: HopCount) {
    this.mode = mode;
    this.value = value;
  }

  test({ ttl }: Packet): boolean {
    switch (this.mode) {
      case "eq":
        return ttl === this.value;
      case "ne":
        return ttl !== this.value;
      case "lt":
        return ttl < this.value;
      case "gt":
        return ttl > this.value;
    }
  }
}
