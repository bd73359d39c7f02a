import type { Packet } from "../../../packet/packet.ts";
import { read16 } from "../../../packet/wire/big-endian.ts";
import { knownBytes } from "../../../packet/wire/known-bytes.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { type PortRange, portMatches } from "../save/port-range.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";
import { formatPorts, type Ports, portOptions } from "./ports.ts";

/** Ports, types and options of DCCP (net/netfilter/xt_dccp.c). */
export interface DccpMatch extends Match, Ports {
  readonly kind: "dccp";
  readonly types: Negatable<readonly string[]> | null;
  readonly option: Negatable<number> | null;
}

/** By number; the last stands for all types from 10 on. */
const TYPES = [
  ...["REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK"],
  "INVALID",
];

export const dccp: MatchModule<DccpMatch> = {
  kind: "dccp",
  needsConntrack: false,

  parse(reader) {
    const ports: Ports = { sport: null, dport: null };
    let types: DccpMatch["types"] = null;
    let option: DccpMatch["option"] = null;
    reader.options({
      ...portOptions(reader, ports),
      "--dccp-types": () => {
        const invert = reader.negated();
        const names = reader.word("a list of types").toUpperCase().split(",");
        for (const name of names) {
          if (!TYPES.includes(name))
            reader.failValue(`${JSON.stringify(name)} is no type: write ${TYPES.join(", ")}`);
        }
        types = { invert, value: TYPES.filter((name) => names.includes(name)) };
      },
      "--dccp-option": () => {
        option = { invert: reader.negated(), value: reader.uint(255, 1) };
      },
    });
    return { kind: "dccp", ...ports, types, option };
  },

  format: (match) =>
    optionText(
      formatPorts(match),
      negatableText("--dccp-types", match.types, (names) => names.join(",")),
      negatableText("--dccp-option", match.option, String),
    ),

  compile: (match) => new DccpTest(match),
};

const IPPROTO_DCCP = 33;

/** `struct dccp_hdr`, with a short sequence number; with a long one, and the bytes of types that have more behind it. */
const HEADER = 12;
const DATA_OFFSET = 4;
const TYPE = 8;

/**
 * `dccp_mt`: a packet that ends amid the header is dropped. Where nobody has said what it carries, no more than its protocol is
 * known. Runs per packet.
 */
class DccpTest extends UnsureTest implements MatchTest {
  private readonly match: DccpMatch;
  private readonly typeBits: number;

  constructor(match: DccpMatch) {
    super(match);
    this.match = match;
    this.typeBits = (match.types?.value ?? []).reduce((bits, name) => bits | bitsOf(TYPES.indexOf(name)), 0);
  }

  test(packet: Packet, context: RuleContext): boolean {
    if (packet.protocol !== IPPROTO_DCCP || packet.fragOffset !== 0) return false;
    const { sport, dport, types, option } = this.match;
    const { bytes, known, payloadAt } = knownBytes(packet);
    const header = bytes.subarray(payloadAt);
    if (header.length < HEADER) {
      context.hotdrop = true;
      return false;
    }
    if (sport === null && dport === null && types === null && option === null) return true;
    if (known.subarray(payloadAt).some((bits) => bits !== 0xff)) return this.ask(packet, context);
    if (sport !== null && !asks(read16(header, 0), sport)) return false;
    if (dport !== null && !asks(read16(header, 2), dport)) return false;
    const type = ((header[TYPE] as number) >> 1) & 15;
    if (types !== null && ((this.typeBits & (1 << type)) !== 0) === types.invert) return false;
    if (option === null) return true;
    const has = hasOption(header, type, option.value);
    if (has === null) context.hotdrop = true;
    return (has === true) !== option.invert;
  }
}

function bitsOf(type: number): number {
  return type < TYPES.length - 1 ? 1 << type : 0xffff & (-1 << type);
}

function asks(port: number, { value, invert }: Negatable<PortRange>): boolean {
  return portMatches(value.min, value.max, port, invert);
}

/** `dccp_find_option`; null: the header is none. */
function hasOption(header: Uint8Array, type: number, option: number): boolean | null {
  const begin = headerBytes(header, type);
  const end = (header[DATA_OFFSET] as number) * 4;
  if (end < begin) return null;
  if (end === begin) return false;
  if (end > header.length) return null;
  for (let i = begin; i < end; ) {
    if (header[i] === option) return true;
    i += (header[i] as number) < 2 || i === end - 1 ? 1 : (header[i + 1] as number) || 1;
  }
  return false;
}

/** `__dccp_hdr_len`, `dccp_packet_hdr_len` (include/linux/dccp.h). */
function headerBytes(header: Uint8Array, type: number): number {
  const long = ((header[TYPE] as number) & 1) === 1 ? 4 : 0;
  return HEADER + long + (MORE_BYTES[type] ?? 12);
}

/** By type: a service code, an acknowledged number, or both; a reset's, and that of types nobody knows, is as long. */
const MORE_BYTES: readonly number[] = [4, 12, 0, 8, 8, 8, 8, 12, 8, 8];
