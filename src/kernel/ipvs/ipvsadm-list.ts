import { familyOfAddress, parseIp } from "../../address/ip.ts";
import { parseIpv4 } from "../../address/ipv4.ts";
import { lengthOfMask, parsePrefixLength } from "../../address/prefix.ts";
import { ORIGIN_NONE, type Origin } from "../origin.ts";
import type { LineError } from "../tool-text.ts";
import type { IpvsadmText } from "./ipvsadm-save.ts";
import { sortedServers, sortedVirtualServices } from "./ipvsadm-save.ts";
import { endText, flagsText, netmaskText, parseFlags } from "./ipvsadm-words.ts";
import {
  addressBits,
  type Forwarding,
  type IpvsTimeouts,
  NO_FLAGS,
  type Persistence,
  type RealServer,
  type SchedulerFlags,
  type ServerName,
  type VirtualService,
  type VirtualServiceSelector,
} from "./virtual-service.ts";

/**
 * What `ipvsadm -Ln --nosort` prints, and back:
 *
 *     IP Virtual Server version 1.2.1 (size=4096)
 *     Prot LocalAddress:Port Scheduler Flags
 *       -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
 *     TCP  10.96.0.10:80 rr
 *       -> 10.244.1.5:8080              Masq    1      0          3
 *
 * Without --nosort it is sorted, and does not tell the kernel's order of the servers.
 */
const HEADER = [
  "Prot LocalAddress:Port Scheduler Flags",
  "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
];
const VERSION = "IP Virtual Server version 1.2.1 (size=4096)";

export interface Counts {
  readonly active: number;
  readonly inactive: number;
}

export interface ListOptions {
  readonly sorted: boolean;
  /** Connections of a server now; as dumped where this is left out. */
  readonly countsOf?: (service: VirtualService, server: RealServer) => Counts;
}

export function formatIpvsadmList(services: readonly VirtualService[], options: ListOptions): string {
  const { sorted, countsOf = (_, server) => server } = options;
  const lines = (sorted ? sortedVirtualServices(services) : services).flatMap((service) => [
    serviceLine(service),
    ...(sorted ? sortedServers(service.servers) : service.servers).map((server) =>
      serverLine(server, countsOf(service, server)),
    ),
  ]);
  return `${[VERSION, ...HEADER, ...lines].join("\n")}\n`;
}

function serviceLine(service: VirtualService): string {
  const { selector, persistence, engine, onePacket, scheduler } = service;
  const name =
    selector.kind === "fwmark"
      ? `FWM  ${selector.mark}${selector.family === 6 ? " IPv6" : ""}`
      : `${selector.protocol.toUpperCase().padEnd(4)} ${endText(selector)}`;
  const flags = flagsText(service);
  const netmask = netmaskText(service);
  return [
    name,
    scheduler,
    ...(flags === "" ? [] : [`(${flags})`]),
    ...(persistence === null ? [] : [`persistent ${persistence.timeoutS}`]),
    ...(netmask === null ? [] : [`mask ${netmask}`]),
    ...(engine === null ? [] : [`pe ${engine}`]),
    ...(onePacket ? ["ops"] : []),
  ].join(" ");
}

const FORWARD_NAMES = { masq: "Masq", gate: "Route", tunnel: "Tunnel" } as const;

function serverLine(server: RealServer, counts: Counts): string {
  const columns = [
    endText(server).padEnd(28),
    FORWARD_NAMES[server.forwarding.kind].padEnd(7),
    String(server.weight).padEnd(6),
    String(counts.active).padEnd(10),
    String(counts.inactive).padEnd(10),
  ];
  return `  -> ${columns.join(" ")}`;
}

export function parseIpvsadmList(
  text: string,
  sorted: boolean,
  originOf: (line: number) => Origin = () => ORIGIN_NONE,
): IpvsadmText {
  const errors: LineError[] = [];
  const services: { readonly service: VirtualService; readonly servers: RealServer[] }[] = [];
  for (const [i, raw] of text.split("\n").entries()) {
    const line = raw.trimEnd();
    if (line === "" || /^(\$ |IP Virtual Server|Prot LocalAddress:Port|\s+-> RemoteAddress:Port)/.test(line))
      continue;
    const fault = (message: string): void => void errors.push({ line: i + 1, text: line, message });
    const origin = originOf(i + 1);
    if (/^\s+->/.test(line)) {
      const server = parseServer(line, origin);
      const last = services.at(-1);
      if (typeof server === "string") fault(server);
      else if (last === undefined) fault("a server without a service before it");
      else last.servers.push(server);
      continue;
    }
    const service = parseVirtualService(line, origin);
    if (typeof service === "string") fault(service);
    else services.push({ service, servers: [] });
  }
  if (errors.length > 0) return { kind: "invalid", errors };
  return {
    kind: "ok",
    services: services.map(({ service, servers }) => ({
      ...service,
      servers,
      ordered: !sorted || servers.length < 2,
    })),
  };
}

function parseVirtualService(line: string, origin: Origin): VirtualService | string {
  const [name = "", end = "", ...words] = line.split(/\s+/);
  const isMarkOf6 = name === "FWM" && words[0] === "IPv6";
  const selector = parseSelector(name, end, isMarkOf6);
  if (typeof selector === "string") return selector;
  if (isMarkOf6) words.shift();
  const scheduler = words.shift() ?? "";
  if (scheduler === "") return "the scheduler is missing";
  let flags: SchedulerFlags = NO_FLAGS;
  let persistence = null as Persistence | null;
  let engine: string | null = null;
  let onePacket = false;
  while (words.length > 0) {
    const word = words.shift() as string;
    if (/^\(.*\)$/.test(word)) {
      const read = parseFlags(word.slice(1, -1));
      if ("unknown" in read) return `${JSON.stringify(read.unknown)} is no scheduler flag`;
      flags = read;
    } else if (word === "persistent" && /^\d+$/.test(words[0] ?? "")) {
      persistence = { timeoutS: Number(words.shift()), prefixLength: addressBits(selector.family) };
    } else if (word === "mask" && persistence !== null && maskLength(words[0], selector) !== undefined) {
      persistence = { ...persistence, prefixLength: maskLength(words.shift(), selector) as number };
    } else if (word === "pe" && words.length > 0) engine = words.shift() as string;
    else if (word === "ops") onePacket = true;
    else return `${JSON.stringify(word)} is not what ipvsadm prints of a service`;
  }
  return { selector, scheduler, flags, persistence, onePacket, engine, servers: [], ordered: true, origin };
}

/** What follows `mask`: in IPv6 a length. */
function maskLength(text = "", { family }: VirtualServiceSelector): number | undefined {
  if (family === 6) return parsePrefixLength(text, 128);
  const mask = parseIpv4(text);
  return mask === undefined ? undefined : lengthOfMask(mask);
}

function parseSelector(name: string, end: string, isMarkOf6: boolean): VirtualServiceSelector | string {
  if (name === "FWM") {
    const mark = Number(end);
    return Number.isInteger(mark) && mark > 0
      ? { kind: "fwmark", family: isMarkOf6 ? 6 : 4, mark }
      : `${JSON.stringify(end)} is no firewall mark`;
  }
  const protocol = name.toLowerCase();
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp")
    return `${JSON.stringify(name)} is none of TCP, UDP, SCTP, FWM`;
  const read = parseEnd(end);
  if (typeof read === "string") return read;
  return { kind: "address", family: familyOfAddress(read.address), protocol, ...read };
}

function parseEnd(text: string): ServerName | string {
  const at = text.lastIndexOf(":");
  const host = text.slice(0, at);
  // Brackets stand about addresses of IPv6 alone, and about all of these.
  const bare = host.replace(/^\[(.*:.*)\]$/, "$1");
  const address = bare !== host || !host.includes(":") ? parseIp(bare) : undefined;
  const port = /^\d{1,5}$/.test(text.slice(at + 1)) ? Number(text.slice(at + 1)) : 65_536;
  return address === undefined || port > 65_535
    ? `${JSON.stringify(text)} is no ADDRESS:PORT (give ipvsadm -n)`
    : { address, port };
}

function parseServer(line: string, origin: Origin): RealServer | string {
  const [, end = "", forward = "", ...numbers] = line.trim().split(/\s+/);
  const read = parseEnd(end);
  if (typeof read === "string") return read;
  const forwarding = parseForward(forward);
  if (forwarding === null) return `${JSON.stringify(forward)} is none of Masq, Route, Tunnel`;
  const [weight, active, inactive] = numbers.map(Number);
  if (weight === undefined || active === undefined || inactive === undefined || numbers.length !== 3)
    return "weight, active and inactive connections are expected";
  if (![weight, active, inactive].every(Number.isInteger)) return "weight and connections are whole numbers";
  const { address, port } = read;
  return { address, port, forwarding, weight, upper: 0, lower: 0, active, inactive, origin };
}

function parseForward(word: string): Forwarding | null {
  switch (word) {
    case "Masq":
      return { kind: "masq" };
    // A server on the host itself is shown as Local, whatever was asked for.
    case "Route":
    case "Local":
      return { kind: "gate" };
    case "Tunnel":
      return { kind: "tunnel", tunnel: { type: "ipip", port: 0, checksum: "none" } };
    default:
      return null;
  }
}

/** `ipvsadm -L --timeout`. */
export function formatTimeouts({ tcpS, tcpFinS, udpS }: IpvsTimeouts): string {
  return `Timeout (tcp tcpfin udp): ${tcpS} ${tcpFinS} ${udpS}\n`;
}

export function parseTimeouts(text: string): IpvsTimeouts | null {
  const [, tcp, fin, udp] = /^Timeout \(tcp tcpfin udp\): (\d+) (\d+) (\d+)\s*$/.exec(text) ?? [];
  if (tcp === undefined || fin === undefined || udp === undefined) return null;
  return { tcpS: Number(tcp), tcpFinS: Number(fin), udpS: Number(udp) };
}
