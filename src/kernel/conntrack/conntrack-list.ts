import { explainIp, familyOfAddress, type IpAddress, inetNtop, parseIp } from "../../address/ip.ts";
import {
  IPPROTO_GRE,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from "../../packet/packet.ts";
import type { TextFault, TextLine } from "../tool-text.ts";
import { type ConntrackEntry, type ConntrackTuple, familyOfEntry, isIcmpEntry, statesOf } from "./entry.ts";

/**
 * Connections as `conntrack -L` prints them (with `-o extended` or without; libnetfilter_conntrack's snprintf_default.c), and as
 * /proc/net/nf_conntrack does:
 *
 *     tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=36448 dport=80 src=10.0.0.2 dst=10.0.0.1 sport=80 dport=36448 [ASSURED] mark=0 use=1
 */
export interface ConntrackList {
  readonly entries: readonly ConntrackEntry[];
  readonly faults: readonly TextFault[];
  /** Lines that are none of the tool's. */
  readonly odd: readonly TextLine[];
}

const NAMES: ReadonlyMap<number, string> = new Map([
  [IPPROTO_ICMP, "icmp"],
  [IPPROTO_TCP, "tcp"],
  [IPPROTO_UDP, "udp"],
  [33, "dccp"],
  [47, "gre"],
  [IPPROTO_ICMPV6, "icmpv6"],
  [IPPROTO_SCTP, "sctp"],
  [136, "udplite"],
]);

/** The name of a protocol that is tracked by itself, `unknown` for all others. */
export function trackedName(protocol: number): string {
  return NAMES.get(protocol) ?? "unknown";
}

const WITH_PORTS: ReadonlySet<number> = new Set([IPPROTO_TCP, IPPROTO_UDP, 33, IPPROTO_SCTP, 136]);

/** Does a protocol's tuple have ports? */
export function hasTrackedPorts(protocol: number): boolean {
  return WITH_PORTS.has(protocol);
}

const LINE = /^(?:ipv[46]\s+\d+\s+)?([a-z][a-z0-9-]*)\s+(\d+)\s+(.*)$/;

export function parseConntrackList(lines: readonly TextLine[]): ConntrackList {
  const entries: ConntrackEntry[] = [];
  const faults: TextFault[] = [];
  const odd: TextLine[] = [];
  for (const line of lines) {
    const text = line.text.trim();
    if (text === "" || /^conntrack v[\d.]+ /.test(text)) continue;
    const found = LINE.exec(text);
    const known =
      found !== null && (found[1] === "unknown" || [...NAMES.values()].includes(found[1] as string));
    if (found === null || !known) {
      odd.push(line);
      continue;
    }
    const read = readEntry(Number(found[2]), found[3] as string);
    if (typeof read === "string") faults.push({ line: line.number, message: read });
    else entries.push(read);
  }
  return { entries, faults, odd };
}

/** What stands behind the protocol's number; a text says what is wrong. */
function readEntry(protocol: number, text: string): ConntrackEntry | string {
  const fields: [string, string][] = [];
  const flags = new Set<string>();
  let timeout: number | null = null;
  let state: string | null = null;
  for (const word of text.split(/\s+/)) {
    const equals = word.indexOf("=");
    if (/^\[[A-Z_]+\]$/.test(word)) flags.add(word.slice(1, -1));
    else if (equals > 0) fields.push([word.slice(0, equals), word.slice(equals + 1)]);
    else if (/^\d+$/.test(word) && timeout === null) timeout = Number(word);
    else if (/^[A-Z][A-Z0-9_]*$/.test(word) && state === null) state = word;
    else return `${JSON.stringify(word)} is no part of a connection as conntrack -L prints it`;
  }
  const [orig, reply, ...more] = tuplesOf(fields).map((tuple) => readTuple(tuple));
  if (orig === undefined || reply === undefined || more.length > 0)
    return "a connection has two tuples, each beginning with src=: the line was cut off";
  if (typeof orig === "string") return orig;
  if (typeof reply === "string") return reply;
  if (familyOfAddress(orig.src) !== familyOfAddress(reply.src)) return "its tuples are of two families";
  if (state === "LISTEN") state = "SYN_SENT2";
  const states = statesOf(protocol);
  if (states !== null && !states.includes(state ?? ""))
    return `${state ?? "nothing"} is no state of ${protocol === IPPROTO_TCP ? "a TCP connection" : "an SCTP association"}: ${states.join(", ")} are`;
  const own = new Map(fields);
  const mark = Number(own.get("mark") ?? 0);
  const zoneDirection = own.has("zone-orig") ? "orig" : own.has("zone-reply") ? "reply" : "both";
  const zone = Number(own.get("zone") ?? own.get("zone-orig") ?? own.get("zone-reply") ?? 0);
  if (!Number.isInteger(mark) || !Number.isInteger(zone)) return "its mark or zone is no number";
  const replied = !flags.has("UNREPLIED");
  return {
    protocol,
    orig,
    reply,
    timeout,
    state,
    replied,
    assured: flags.has("ASSURED"),
    mark,
    zone,
    zoneDirection,
  };
}

/** The fields of each tuple: from one `src=` to the next. */
function tuplesOf(fields: readonly (readonly [string, string])[]): Map<string, string>[] {
  const tuples: Map<string, string>[] = [];
  for (const [name, value] of fields) {
    if (name === "src") tuples.push(new Map());
    const tuple = tuples.at(-1);
    // The id behind all else is the entry's own (`-o id`).
    if (tuple !== undefined && !tuple.has(name)) tuple.set(name, value);
  }
  return tuples;
}

function readTuple(fields: ReadonlyMap<string, string>): ConntrackTuple | string {
  const addresses: IpAddress[] = [];
  for (const name of ["src", "dst"]) {
    const text = fields.get(name);
    const address = text === undefined ? undefined : parseIp(text);
    if (address === undefined) return text === undefined ? `a tuple has no ${name}=` : explainIp(text);
    addresses.push(address);
  }
  const [src, dst] = addresses as [IpAddress, IpAddress];
  if (familyOfAddress(src) !== familyOfAddress(dst)) return "the addresses of a tuple are of two families";
  const numbers = ["sport", "dport", "type", "code", "id"].map((name) => Number(fields.get(name) ?? 0));
  if (numbers.some((number) => !Number.isInteger(number) || number < 0 || number > 0xffff))
    return "a port, type or id of a tuple is no number up to 65535";
  const [sport, dport, type, code, id] = numbers as [number, number, number, number, number];
  return fields.has("type") ? { src, dst, sport: id, dport: (type << 8) | code } : { src, dst, sport, dport };
}

/** The lines of `conntrack -L`, with one user each, as an idle host prints them. */
export function formatConntrackList(entries: readonly ConntrackEntry[]): string {
  return entries.map((entry) => `${formatEntry(entry)}\n`).join("");
}

function formatEntry(entry: ConntrackEntry): string {
  const { protocol, timeout, state, orig, reply, replied, assured, mark, zone, zoneDirection } = entry;
  return [
    `${trackedName(protocol).padEnd(8)} ${protocol}`,
    timeout,
    state,
    formatTuple(entry, orig),
    zoneDirection === "orig" ? `zone-orig=${zone}` : null,
    replied ? null : "[UNREPLIED]",
    formatTuple(entry, reply),
    zoneDirection === "reply" ? `zone-reply=${zone}` : null,
    timeout === null ? "[OFFLOAD]" : null,
    assured ? "[ASSURED]" : null,
    `mark=${mark}`,
    zone === 0 || zoneDirection !== "both" ? null : `zone=${zone}`,
    "use=1",
  ]
    .filter((word) => word !== null)
    .join(" ");
}

function formatTuple(entry: ConntrackEntry, { src, dst, sport, dport }: ConntrackTuple): string {
  const ends = `src=${inetNtop(src)} dst=${inetNtop(dst)}`;
  if (isIcmpEntry(entry)) return `${ends} type=${dport >> 8} code=${dport & 0xff} id=${sport}`;
  if (entry.protocol === IPPROTO_GRE && familyOfEntry(entry) === 4) return `${ends} srckey=0x0 dstkey=0x0`;
  return hasTrackedPorts(entry.protocol) ? `${ends} sport=${sport} dport=${dport}` : ends;
}
