import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { formatUintRange, readUintRange, type UintRange } from "../save/uint-range.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match } from "./match.ts";

/** The security parameter indexes that ah and esp ask for: any, where none are named. */
export type SpiRange = Negatable<UintRange>;

const ANY: SpiRange = { invert: false, value: { min: 0, max: 0xffffffff } };

/** Reads an option such as `--espspi 5:10`, which may be left out (`unsaid`), and others that may stand beside it. */
export function readSpis(
  reader: ArgumentReader,
  option: string,
  others: Readonly<Record<string, () => void>> = {},
  unsaid: SpiRange = ANY,
): SpiRange {
  let spis = unsaid;
  reader.options({
    ...others,
    [option]: () => {
      spis = { invert: reader.negated(), value: readUintRange(reader, 0xffffffff) };
    },
  });
  return spis;
}

export function formatSpis(option: string, { invert, value }: SpiRange): string {
  if (!invert && value.min === 0 && value.max === 0xffffffff) return "";
  return `${invert ? "! " : ""}${option} ${formatUintRange(value)}`;
}

/** Nothing here is encrypted: who sends such a packet stands outside, and its index is not known. Runs per packet. */
export class SpiTest extends UnsureTest implements MatchTest {
  private readonly protocol: number;

  constructor(match: Match, protocol: number) {
    super(match);
    this.protocol = protocol;
  }

  test(packet: Packet, context: RuleContext): boolean {
    return packet.protocol === this.protocol && packet.fragOffset === 0 && this.ask(packet, context);
  }
}
