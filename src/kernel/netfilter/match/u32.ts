import type { Packet } from "../../../packet/packet.ts";
import { type KnownBytes, knownBytes } from "../../../packet/wire/known-bytes.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { hex } from "../save/number.ts";
import { quoteString } from "../save/quote.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";

/** Words of the packet, masked, shifted and compared (net/netfilter/xt_u32.c, iptables-extensions(8)). */
export interface U32Match extends Match {
  readonly kind: "u32";
  /** All must be so. */
  readonly tests: readonly U32Comparison[];
  readonly invert: boolean;
}

export interface U32Comparison {
  /** Bytes from the IP header of the first word read. */
  readonly start: number;
  readonly steps: readonly U32Step[];
  /** Any will do; bounds included. */
  readonly ranges: readonly { readonly min: number; readonly max: number }[];
}

export interface U32Step {
  /** `@`: the word so many bytes behind those that were counted so far. */
  readonly operator: (typeof OPERATORS)[number];
  readonly number: number;
}

const OPERATORS = ["&", "<<", ">>", "@"] as const;

/** `XT_U32_MAXSIZE`: tests, numbers of one, and its ranges. */
const MOST = 10;

export const u32: MatchModule<U32Match> = {
  kind: "u32",
  needsConntrack: false,

  parse(reader) {
    let match: U32Match | null = null;
    reader.options({
      "--u32": () => {
        const invert = reader.negated();
        match = { kind: "u32", invert, tests: readTests(reader, reader.word("a test such as 6&0xff=6")) };
      },
    });
    if (match === null) reader.fail("--u32 is missing");
    return match ?? { kind: "u32", invert: false, tests: [] };
  },

  format: ({ tests, invert }) =>
    `${invert ? "! " : ""}--u32 ${quoteString(tests.map(formatComparison).join("&&"))}`,

  compile: (match) => new U32Test(match),
};

function formatComparison({ start, steps, ranges }: U32Comparison): string {
  const left = hex(start) + steps.map(({ operator, number }) => operator + hex(number)).join("");
  const right = ranges.map(({ min, max }) => (min === max ? hex(min) : `${hex(min)}:${hex(max)}`));
  return `${left}=${right.join(",")}`;
}

/** `u32_parse` */
function readTests(reader: ArgumentReader, text: string): U32Comparison[] {
  const tests = text.split("&&").map((part) => readComparison(reader, part));
  if (tests.length > MOST) reader.failValue(`at most ${MOST} tests are allowed`);
  return tests;
}

function readComparison(reader: ArgumentReader, text: string): U32Comparison {
  const [left = "", right, ...more] = text.split("=");
  const locations = left.split(/(&|<<|>>|@)/);
  const ranges = (right ?? "").split(",").map((range) => {
    const [low = "", high, ...others] = range.split(":");
    if (others.length > 0) reader.failValue(`${JSON.stringify(range)} is no range such as 5:10`);
    const min = readNumber(reader, low);
    return { min, max: high === undefined ? min : readNumber(reader, high) };
  });
  if (right === undefined || more.length > 0)
    reader.failValue(`${JSON.stringify(text)} is no test such as 6&0xff=6`);
  const steps: U32Step[] = [];
  for (let i = 1; i < locations.length; i += 2) {
    const operator = locations[i] as U32Step["operator"];
    const number = readNumber(reader, locations[i + 1] as string);
    if ((operator === "<<" || operator === ">>") && number > 31)
      reader.failValue(`a word is shifted by less than 32 bits, not by ${number}`);
    steps.push({ operator, number });
  }
  if (steps.length >= MOST || ranges.length > MOST)
    reader.failValue(`at most ${MOST} numbers stand on either side`);
  return { start: readNumber(reader, locations[0] as string), steps, ranges };
}

/** As `strtoul` reads it: 0x before hexadecimal, 0 before octal. */
function readNumber(reader: ArgumentReader, text: string): number {
  const digits = text.trim();
  const octal = /^0[0-7]+$/.test(digits);
  const value = octal
    ? Number.parseInt(digits, 8)
    : /^(?:\d+|0[xX][\da-fA-F]+)$/.test(digits)
      ? Number(digits)
      : -1;
  if (value >= 0 && value <= 0xffffffff) return value;
  reader.failValue(`${JSON.stringify(digits)} is no number of 32 bits`);
  return 0;
}

/** `u32_mt`. A word whose bits are not all known leads to a sure answer only where they do not count. */
class U32Test extends UnsureTest implements MatchTest {
  private readonly match: U32Match;

  constructor(match: U32Match) {
    super(match);
    this.match = match;
  }

  test(packet: Packet, context: RuleContext): boolean {
    const bytes = knownBytes(packet);
    let open = false;
    for (const comparison of this.match.tests) {
      const answer = compare(comparison, bytes);
      if (answer === false) return this.match.invert;
      open ||= answer === null;
    }
    return (open ? this.ask(packet, context) : true) !== this.match.invert;
  }
}

/** null: it depends on bits that are not known. */
function compare({ start, steps, ranges }: U32Comparison, { bytes, known }: KnownBytes): boolean | null {
  let at = 0;
  let value = wordAt(bytes, start);
  let sure = wordAt(known, start);
  if (start + 4 > bytes.length) return false;
  for (const { operator, number } of steps) {
    switch (operator) {
      case "&":
        value = (value & number) >>> 0;
        sure = (sure | ~number) >>> 0;
        break;
      case "<<":
        value = (value << number) >>> 0;
        sure = ((sure << number) | ((1 << number) - 1)) >>> 0;
        break;
      case ">>":
        value >>>= number;
        sure = number === 0 ? sure : ((sure >>> number) | (-1 << (32 - number))) >>> 0;
        break;
      case "@":
        if (sure !== 0xffffffff) return null;
        at += value;
        if (at + number + 4 > bytes.length) return false;
        value = wordAt(bytes, at + number);
        sure = wordAt(known, at + number);
        break;
    }
  }
  // What the unknown bits may make of it.
  const least = (value & sure) >>> 0;
  const most = (value | ~sure) >>> 0;
  if (ranges.some(({ min, max }) => min <= least && most <= max)) return true;
  const possible = ranges.some(
    ({ min, max }) => min <= most && least <= max && (min !== max || ((min ^ value) & sure) === 0),
  );
  return possible ? null : false;
}

function wordAt(bytes: Uint8Array, at: number): number {
  let word = 0;
  for (let i = 0; i < 4; i++) word = (word << 8) | (bytes[at + i] ?? 0);
  return word >>> 0;
}
