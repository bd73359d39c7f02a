import { explainIpv4, formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { Host } from "../kernel/host.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import { QUERY_DEFAULTS, type Query } from "../walk/query.ts";
import type { World } from "../world/world.ts";
import { parseDestination } from "./destination.ts";
import { findHost } from "./host-reference.ts";
import { invalid, ok, type Result } from "./result.ts";
import { parseTcpFlags, SYN } from "./tcp-flags.ts";

/** A query as it was written: the flags of `trace` or the fields of a line of `--queries`, numbers checked already. */
export interface Question {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly at: string | null;
  readonly proto: string | null;
  readonly src: string | null;
  readonly sport: number | null;
  readonly ttl: number | null;
  readonly size: number | null;
  readonly df: boolean;
  readonly mark: number;
  readonly uid: number;
  readonly dev: string | null;
  readonly tcpFlags: string | null;
}

export const QUESTION_DEFAULTS = {
  at: null,
  proto: null,
  src: null,
  sport: null,
  ttl: null,
  size: null,
  df: false,
  mark: 0,
  uid: 0,
  dev: null,
  tcpFlags: null,
} as const satisfies Partial<Question>;

/** Bounds of the numbers of a question. */
export const BOUNDS = {
  sport: [1, 65_535],
  ttl: [1, 255],
  /** What an IPv4 packet can carry behind the shortest headers. */
  size: [0, 65_507],
  mark: [0, 0xffff_ffff],
  uid: [0, 0xffff_fffe],
} as const satisfies Partial<Record<keyof Question, readonly [number, number]>>;

/** Finds the hosts and addresses that a question names. Messages begin with what they are about. */
export function resolveQuestion(
  world: World,
  question: Question,
  inventory: Inventory | null = null,
): Result<Query> {
  const messages: string[] = [];
  const note = <T>(what: string, result: Result<T>): T | null => {
    if (result.kind === "ok") return result.value;
    messages.push(...result.messages.map((message) => `${what}: ${message}`));
    return null;
  };
  const sender = note(`from ${JSON.stringify(question.from)}`, findSender(world, question, inventory));
  const to = note(
    `to ${JSON.stringify(question.to)}`,
    parseDestination(world, question.to, question.proto, { inventory, sender: sender?.host.name ?? null }),
  );
  const tcpFlags = question.tcpFlags === null ? null : note("TCP flags", parseTcpFlags(question.tcpFlags));
  if (sender !== null && question.dev !== null) note("dev", findDevice(sender.host, question.dev));
  if (to !== null && to.proto !== "tcp" && question.tcpFlags !== null) {
    messages.push(`TCP flags: a ${to.proto} packet has no TCP flags`);
  }
  if (sender === null || to === null || messages.length > 0) return invalid(...messages);
  const forged = sender.src !== null && !sender.arrives && !isOwn(sender.host, sender.src);
  const raw = tcpFlags !== null || forged;
  const { id, sport, ttl, size, df, mark, uid, dev } = question;
  return ok({
    ...QUERY_DEFAULTS,
    ...{ id, sport, ttl, size, df, mark, uid, dev, raw },
    host: sender.host.name,
    arrives: sender.arrives,
    arrivesBy: sender.arrivesBy,
    src: sender.src,
    proto: to.proto,
    dst: to.address,
    dport: to.port,
    // A forged connection attempt has nobody to go on with it: its first packet is all there is.
    tcpFlags: tcpFlags ?? (forged && to.proto === "tcp" ? SYN : null),
  });
}

interface Sender {
  readonly host: Host;
  readonly arrives: boolean;
  readonly arrivesBy: string | null;
  readonly src: Ipv4 | null;
}

function findSender(world: World, { from, at, src }: Question, inventory: Inventory | null): Result<Sender> {
  const address = parseIpv4(from);
  if (address === undefined && /^[\d.]+$/.test(from)) return invalid(explainIpv4(from));
  if (from.includes(":")) return invalid("IPv6 is not modelled yet, and FROM has no port: use --sport");
  if (at !== null) {
    if (address === undefined) return invalid("with --at FROM is a bare address: the packet's source");
    if (src !== null) return invalid("FROM is the source address already: leave --src out");
    return findArrival(world, at, address, inventory);
  }
  if (address !== undefined) {
    const holder = holderOf(world, address);
    if (src !== null) return invalid("FROM is the source address already: leave --src out");
    if (holder !== null) return ok({ host: holder, arrives: false, arrivesBy: null, src: address });
    return invalid(
      `no host has the address ${from}: say where its packet arrives with --at host/NAME[:DEVICE]`,
    );
  }
  const host = findHost(world, from, inventory);
  if (host.kind === "invalid") return host;
  const bound = src === null ? ownOfClient(from, host.value) : parseIpv4(src);
  if (bound === undefined) return invalid(`--src: ${explainIpv4(src as string)}`);
  return ok({ host: host.value, arrives: false, arrivesBy: null, src: bound });
}

/** `external/ADDRESS` sends from that address, where the host would take another of its own. */
function ownOfClient(from: string, { addresses }: Host): Ipv4 | null {
  const address = from.startsWith("external/") ? parseIpv4(from.slice("external/".length)) : undefined;
  const first = addresses.find(({ scope }) => scope === "global")?.address;
  return address === undefined || address === first ? null : address;
}

/** `host/NODE[:DEVICE]` */
function findArrival(world: World, at: string, src: Ipv4, inventory: Inventory | null): Result<Sender> {
  const colon = at.indexOf(":");
  const device = colon < 0 ? null : at.slice(colon + 1);
  const host = findHost(world, colon < 0 ? at : at.slice(0, colon), inventory);
  if (host.kind === "invalid") return invalid(...host.messages.map((message) => `--at ${at}: ${message}`));
  if (device !== null) {
    const found = findDevice(host.value, device);
    if (found.kind === "invalid")
      return invalid(...found.messages.map((message) => `--at ${at}: ${message}`));
  }
  return ok({ host: host.value, arrives: true, arrivesBy: device, src });
}

function findDevice(host: Host, name: string): Result<string> {
  const names = host.devices.map((device) => device.name);
  if (names.includes(name)) return ok(name);
  return invalid(
    `host ${host.name} has no device ${JSON.stringify(name)}${suggestion(name, names)}: it has ${names.join(", ")}`,
  );
}

function holderOf(world: World, address: Ipv4): Host | null {
  // Every host has 127.0.0.1: it names nobody.
  if (formatIpv4(address).startsWith("127.")) return null;
  for (const host of world.hosts.values()) if (isOwn(host, address)) return host;
  return null;
}

/** An address of the host, or of a network that is local to it as 127.0.0.0/8 is. */
function isOwn(host: Host, address: Ipv4): boolean {
  return formatIpv4(address).startsWith("127.") || host.addresses.some((each) => each.address === address);
}
