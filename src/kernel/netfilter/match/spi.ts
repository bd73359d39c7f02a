import type { Packet } from "../../../packet/packet.ts";
import { read16, read32 } from "../../../packet/wire/big-endian.ts";
import { knownBytes } from "../../../packet/wire/known-bytes.ts";
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

/** Where a header has its index: the header's length, the index's place and bytes. */
export interface SpiPlace {
  readonly protocol: number;
  readonly header: number;
  readonly at: number;
  readonly bytes: 2 | 4;
}

/**
 * `esp_mt`, `ah_mt`, `comp_mt`: a packet that ends amid the header is dropped. Where nobody has said what it carries, its index is
 * not known. Runs per packet.
 */
export class SpiTest extends UnsureTest implements MatchTest {
  private readonly place: SpiPlace;
  private readonly spis: SpiRange;

  constructor(match: Match, place: SpiPlace, spis: SpiRange) {
    super(match);
    this.place = place;
    this.spis = spis;
  }

  test(packet: Packet, context: RuleContext): boolean {
    const { protocol, header, at, bytes: length } = this.place;
    if (packet.protocol !== protocol || packet.fragOffset !== 0) return false;
    const { bytes, known, payloadAt } = knownBytes(packet);
    if (bytes.length < payloadAt + header) {
      context.hotdrop = true;
      return false;
    }
    const { invert, value } = this.spis;
    const read = length === 2 ? read16 : read32;
    const spi = read(bytes, payloadAt + at) >>> 0;
    const isKnown = known.subarray(payloadAt + at, payloadAt + at + length).every((bits) => bits === 0xff);
    if (!isKnown && (value.min > 0 || value.max < (length === 2 ? 0xffff : 0xffffffff)))
      return this.ask(packet, context);
    return (value.min <= spi && spi <= value.max) !== invert;
  }
}
