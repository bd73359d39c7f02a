import { utf8ToBytes } from "@noble/hashes/utils.js";
import type { Packet } from "../../../packet/packet.ts";
import { type KnownBytes, knownBytes } from "../../../packet/wire/known-bytes.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { optionText } from "../save/option-text.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";

/** Bytes somewhere in the packet, from its IP header on (net/netfilter/xt_string.c). */
export interface StringMatch extends Match {
  readonly kind: "string";
  /** At least one, a byte a number. */
  readonly pattern: readonly number[];
  readonly algorithm: "bm" | "kmp";
  /** Bytes from the IP header: where to begin, and where the last byte must have been. */
  readonly from: number;
  readonly to: number;
  readonly ignoreCase: boolean;
  readonly invert: boolean;
}

/** `XT_STRING_MAX_PATTERN_SIZE` */
const MAX_BYTES = 128;
const LAST_OFFSET = 0xffff;

export const string: MatchModule<StringMatch> = {
  kind: "string",
  needsConntrack: false,

  parse(reader) {
    let pattern: readonly number[] | null = null;
    let algorithm: StringMatch["algorithm"] | null = null;
    let [from, to, ignoreCase, invert] = [0, LAST_OFFSET, false, false];
    const take = (read: (text: string) => readonly number[]) => () => {
      if (pattern !== null) reader.fail("--string and --hex-string exclude each other");
      invert = reader.negated();
      const { length } = reader.faults;
      pattern = read(reader.word("a text"));
      if (reader.faults.length > length) return;
      if (pattern.length === 0) reader.failValue("a text of no length is everywhere: write one");
      else if (pattern.length > MAX_BYTES) reader.failValue(`a text has at most ${MAX_BYTES} bytes`);
    };
    reader.options({
      "--from": () => {
        from = reader.uint(LAST_OFFSET);
      },
      "--to": () => {
        to = reader.uint(LAST_OFFSET);
      },
      "--algo": () => {
        algorithm = reader.oneOf(["bm", "kmp"] as const);
      },
      "--string": take(bytesOfText),
      "--hex-string": take((text) => bytesOfHex(reader, text)),
      "--icase": () => {
        ignoreCase = true;
      },
    });
    if (pattern === null || algorithm === null) reader.fail("it needs --algo and --string or --hex-string");
    if (from > to) reader.fail(`--from ${from} is behind --to ${to}`);
    return {
      kind: "string",
      pattern: pattern ?? [],
      algorithm: algorithm ?? "bm",
      from,
      to,
      ignoreCase,
      invert,
    };
  },

  format: ({ pattern, algorithm, from, to, ignoreCase, invert }) =>
    optionText(
      invert && "!",
      formatPattern(pattern),
      `--algo ${algorithm}`,
      from !== 0 && `--from ${from}`,
      to !== LAST_OFFSET && `--to ${to}`,
      ignoreCase && "--icase",
    ),

  compile: (match) => new StringTest(match),
};

function bytesOfText(text: string): number[] {
  return [...utf8ToBytes(text)];
}

/** `parse_hex_string`: text, with bytes in hexadecimal between bars. */
function bytesOfHex(reader: ArgumentReader, text: string): number[] {
  const parts = text.split("|");
  if (parts.length % 2 === 0) reader.failValue("the bar | opens bytes that a second one must end");
  return parts.flatMap((part, i) => {
    if (i % 2 === 0) return bytesOfText(part);
    const digits = part.replaceAll(" ", "");
    if (!/^(?:[0-9a-fA-F]{2})+$/.test(digits)) {
      reader.failValue(`${JSON.stringify(part)} is not bytes of two hexadecimal digits each`);
      return [];
    }
    return (digits.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
  });
}

const BACKSLASH = 0x5c;

/** `is_hex_string`: what cannot be printed, or would escape the closing quote, is written in hexadecimal. */
function formatPattern(pattern: readonly number[]): string {
  const isText = pattern.every((byte) => byte >= 0x20 && byte < 0x7f) && pattern.at(-1) !== BACKSLASH;
  if (!isText)
    return `--hex-string "|${pattern.map((byte) => byte.toString(16).padStart(2, "0")).join("")}|"`;
  return `--string "${String.fromCharCode(...pattern).replace(/["\\]/g, "\\$&")}"`;
}

/**
 * `string_mt`, `skb_find_text`. A packet's numbers that nobody here knows (identification, sequence, checksums) are taken to
 * spell none of a pattern that is longer than any of them, 4 bytes; what a payload says that no query gave is asked both ways.
 */
class StringTest extends UnsureTest implements MatchTest {
  private readonly match: StringMatch;
  private readonly pattern: readonly number[];

  constructor(match: StringMatch) {
    super(match);
    this.match = match;
    this.pattern = match.ignoreCase ? match.pattern.map(upper) : match.pattern;
  }

  test(packet: Packet, context: RuleContext): boolean {
    const found = this.find(knownBytes(packet));
    return (found ?? this.ask(packet, context)) !== this.match.invert;
  }

  /** null: it depends on bytes that are not known. */
  private find({ bytes, known, payloadAt }: KnownBytes): boolean | null {
    const { pattern } = this;
    const { from, to, ignoreCase } = this.match;
    let open = false;
    const last = Math.min(bytes.length, to) - pattern.length;
    for (let at = from; at <= last; at++) {
      let sure = true;
      let i = 0;
      for (; i < pattern.length; i++) {
        if (known[at + i] !== 0xff) {
          if (at + i < payloadAt && pattern.length > LONGEST_NUMBER) break;
          sure = false;
          continue;
        }
        const byte = bytes[at + i] as number;
        if ((ignoreCase ? upper(byte) : byte) !== pattern[i]) break;
      }
      if (i < pattern.length) continue;
      if (sure) return true;
      open = true;
    }
    return open ? null : false;
  }
}

const LONGEST_NUMBER = 4;

function upper(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
}
