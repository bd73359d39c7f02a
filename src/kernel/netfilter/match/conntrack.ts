import { IP6_ANY } from "../../../address/ip6-handle.ts";
import type { Masked } from "../../../address/masked.ts";
import type { Packet } from "../../../packet/packet.ts";
import {
  ctInfoDirection,
  IP_CT_DIR_ORIGINAL,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_SEEN_REPLY,
} from "../../conntrack/status.ts";
import { hasTemplate } from "../../conntrack/zone.ts";
import { MaskedAddress } from "../masked-address.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { formatMaskedBrief, readMasked } from "../save/address.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { formatPortRange, type PortRange, portMatches, readPortRange } from "../save/port-range.ts";
import { parseProtocol } from "../save/protocol.ts";
import { formatUintRange, readUintRange, type UintRange } from "../save/uint-range.ts";
import { formatCtStates, readCtStates, statesOf } from "./conntrack-state.ts";
import type { Match, MatchModule } from "./match.ts";

/** What conntrack knows of the packet's connection (net/netfilter/xt_conntrack.c, revision 3). */
export interface ConntrackMatch extends Match {
  readonly kind: "conntrack";
  /** Bits of `CT_STATE`. */
  readonly state: Negatable<number> | null;
  readonly protocol: Negatable<number> | null;
  readonly origSrc: Negatable<Masked> | null;
  readonly origDst: Negatable<Masked> | null;
  readonly replySrc: Negatable<Masked> | null;
  readonly replyDst: Negatable<Masked> | null;
  readonly origSport: Negatable<PortRange> | null;
  readonly origDport: Negatable<PortRange> | null;
  readonly replySport: Negatable<PortRange> | null;
  readonly replyDport: Negatable<PortRange> | null;
  /** Bits of `IPS_*`; 0 is NONE, which no connection has. */
  readonly status: Negatable<number> | null;
  /** Seconds left. */
  readonly expire: Negatable<UintRange> | null;
  readonly direction: CtDirection | null;
}

const DIRECTIONS = ["ORIGINAL", "REPLY"] as const;
export type CtDirection = (typeof DIRECTIONS)[number];

const IPS_EXPECTED = 1 << 0;

/** In the order they are printed. */
const STATUSES: readonly (readonly [string, number])[] = [
  ["EXPECTED", IPS_EXPECTED],
  ["SEEN_REPLY", IPS_SEEN_REPLY],
  ["ASSURED", IPS_ASSURED],
  ["CONFIRMED", IPS_CONFIRMED],
];

/** A match on nothing: spread it and set what is asked for. */
const ANY_CONNTRACK: ConntrackMatch = {
  kind: "conntrack",
  state: null,
  protocol: null,
  origSrc: null,
  origDst: null,
  replySrc: null,
  replyDst: null,
  origSport: null,
  origDport: null,
  replySport: null,
  replyDport: null,
  status: null,
  expire: null,
  direction: null,
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const conntrack: MatchModule<ConntrackMatch> = {
  kind: "conntrack",
  needsConntrack: true,

  parse(reader) {
    const match: Mutable<ConntrackMatch> = { ...ANY_CONNTRACK };
    const masked = (field: "origSrc" | "origDst" | "replySrc" | "replyDst") => () => {
      match[field] = { invert: reader.negated(), value: readMasked(reader) };
    };
    const ports = (field: "origSport" | "origDport" | "replySport" | "replyDport") => () => {
      match[field] = { invert: reader.negated(), value: readPortRange(reader) };
    };
    reader.options({
      "--ctstate": () => {
        match.state = { invert: reader.negated(), value: readCtStates(reader, -1) };
      },
      "--ctproto": () => {
        match.protocol = { invert: reader.negated(), value: readProtocol(reader) };
      },
      "--ctorigsrc": masked("origSrc"),
      "--ctorigdst": masked("origDst"),
      "--ctreplsrc": masked("replySrc"),
      "--ctrepldst": masked("replyDst"),
      "--ctorigsrcport": ports("origSport"),
      "--ctorigdstport": ports("origDport"),
      "--ctreplsrcport": ports("replySport"),
      "--ctrepldstport": ports("replyDport"),
      "--ctstatus": () => {
        match.status = { invert: reader.negated(), value: readStatus(reader) };
      },
      "--ctexpire": () => {
        match.expire = { invert: reader.negated(), value: readUintRange(reader, 0xffffffff) };
      },
      "--ctdir": () => {
        match.direction = reader.oneOf(DIRECTIONS);
      },
    });
    if (optionsOf(match) === "") reader.fail("it needs at least one option, such as --ctstate");
    return match;
  },

  format: optionsOf,

  compile: (match) =>
    onlyState(match) ? new CtStateTest(match.state as Negatable<number>) : new ConntrackTest(match),
};

function optionsOf(match: ConntrackMatch): string {
  return optionText(
    negatableText("--ctstate", match.state, formatCtStates),
    negatableText("--ctproto", match.protocol, String),
    negatableText("--ctorigsrc", match.origSrc, formatMaskedBrief),
    negatableText("--ctorigdst", match.origDst, formatMaskedBrief),
    negatableText("--ctreplsrc", match.replySrc, formatMaskedBrief),
    negatableText("--ctrepldst", match.replyDst, formatMaskedBrief),
    negatableText("--ctorigsrcport", match.origSport, formatPortRange),
    negatableText("--ctorigdstport", match.origDport, formatPortRange),
    negatableText("--ctreplsrcport", match.replySport, formatPortRange),
    negatableText("--ctrepldstport", match.replyDport, formatPortRange),
    negatableText("--ctstatus", match.status, formatStatus),
    negatableText("--ctexpire", match.expire, formatUintRange),
    match.direction && `--ctdir ${match.direction}`,
  );
}

function readProtocol(reader: ArgumentReader): number {
  const text = reader.word("a protocol");
  const protocol = parseProtocol(text);
  if (protocol === undefined) reader.failValue(`${JSON.stringify(text)} is no protocol`);
  return protocol ?? 0;
}

function readStatus(reader: ArgumentReader): number {
  let bits = 0;
  for (const name of reader.word("a list of statuses").split(",")) {
    const status = STATUSES.find(([known]) => known === name);
    if (status !== undefined) bits |= status[1];
    else if (name !== "NONE") {
      const names = STATUSES.map(([known]) => known).join(", ");
      reader.failValue(`${JSON.stringify(name)} is no status: write NONE, ${names}`);
    }
  }
  return bits;
}

function formatStatus(bits: number): string {
  const names = STATUSES.filter(([, bit]) => bits & bit).map(([name]) => name);
  return names.join(",") || "NONE";
}

/** Does it ask for states and for nothing else? */
export function onlyState(match: ConntrackMatch): boolean {
  return Object.entries(match).every(([field, value]) =>
    field === "kind" ? true : field === "state" ? value !== null : value === null,
  );
}

/** `--ctstate` alone, by far the most common. Runs per packet. */
class CtStateTest implements MatchTest {
  private readonly states: number;
  private readonly invert: boolean;

  constructor({ value, invert }: Negatable<number>) {
    this.states = value;
    this.invert = invert;
  }

  test(packet: Packet, context: RuleContext): boolean {
    return ((this.states & statesOf(packet, context.conntrack)) !== 0) !== this.invert;
  }
}

/** Everything (`conntrack_mt`). Runs per packet. */
class ConntrackTest implements MatchTest {
  private readonly match: ConntrackMatch;
  private readonly origSrc: Negatable<MaskedAddress> | null;
  private readonly origDst: Negatable<MaskedAddress> | null;
  private readonly replySrc: Negatable<MaskedAddress> | null;
  private readonly replyDst: Negatable<MaskedAddress> | null;

  constructor(match: ConntrackMatch) {
    this.match = match;
    this.origSrc = compiled(match.origSrc);
    this.origDst = compiled(match.origDst);
    this.replySrc = compiled(match.replySrc);
    this.replyDst = compiled(match.replyDst);
  }

  test(packet: Packet, context: RuleContext): boolean {
    const match = this.match;
    const { state, direction, status, protocol } = match;
    if (state !== null && ((state.value & statesOf(packet, context.conntrack)) !== 0) === state.invert)
      return false;
    const ct = packet.ct;
    if (ct < 0) return hasTemplate(packet) ? this.holdsOfTemplate(packet) : state !== null;
    if (direction !== null) {
      const original = ctInfoDirection(packet.ctInfo) === IP_CT_DIR_ORIGINAL;
      if (original !== (direction === "ORIGINAL")) return false;
    }
    const table = context.conntrack;
    return (
      addressMatches(this.origSrc, table.origSrc(ct)) &&
      addressMatches(this.origDst, table.origDst(ct)) &&
      addressMatches(this.replySrc, table.replySrc(ct)) &&
      addressMatches(this.replyDst, table.replyDst(ct)) &&
      (protocol === null || (table.proto(ct) === protocol.value) !== protocol.invert) &&
      portInRange(match.origSport, table.origSport(ct)) &&
      portInRange(match.origDport, table.origDport(ct)) &&
      portInRange(match.replySport, table.replySport(ct)) &&
      portInRange(match.replyDport, table.replyDport(ct)) &&
      (status === null || ((table.status(ct) & status.value) !== 0) !== status.invert) &&
      (match.expire === null || expiresWithin(match.expire, table.expires(ct) - context.now))
    );
  }

  private holdsOfTemplate({ family }: Packet): boolean {
    const { direction, protocol, status, expire, ...match } = this.match;
    const any = family === 6 ? IP6_ANY : 0;
    const addresses = [this.origSrc, this.origDst, this.replySrc, this.replyDst];
    const ports = [match.origSport, match.origDport, match.replySport, match.replyDport];
    return (
      direction !== "REPLY" &&
      addresses.every((wanted) => addressMatches(wanted, any)) &&
      (protocol === null || (protocol.value !== 0) === protocol.invert) &&
      ports.every((wanted) => portInRange(wanted, 0)) &&
      (status === null || ((IPS_CONFIRMED & status.value) !== 0) !== status.invert) &&
      (expire === null || expiresWithin(expire, 0))
    );
  }
}

function compiled(wanted: Negatable<Masked> | null): Negatable<MaskedAddress> | null {
  return wanted && { value: new MaskedAddress(wanted.value), invert: wanted.invert };
}

function addressMatches(wanted: Negatable<MaskedAddress> | null, address: number): boolean {
  return wanted === null || wanted.value.holds(address) !== wanted.invert;
}

/** `nf_ct_expires`, in whole seconds. */
function expiresWithin(wanted: Negatable<UintRange>, leftMs: number): boolean {
  const seconds = leftMs <= 0 ? 0 : Math.floor(leftMs / 1000);
  return (seconds >= wanted.value.min && seconds <= wanted.value.max) !== wanted.invert;
}

function portInRange(wanted: Negatable<PortRange> | null, port: number): boolean {
  return wanted === null || portMatches(wanted.value.min, wanted.value.max, port, wanted.invert);
}
