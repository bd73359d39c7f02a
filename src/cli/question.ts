import { IPV6 } from "../address/family.ts";
import { explainIp, type Family, familyOfAddress, formatIp, type IpAddress, parseIp } from "../address/ip.ts";
import { addressOnPath } from "../address/ip6-handle.ts";
import type { Ipv6Words } from "../address/ipv6.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { Host } from "../kernel/host.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import { IPPROTO_AH } from "../packet/packet.ts";
import { QUERY_DEFAULTS, type Query } from "../walk/query.ts";
import type { World } from "../world/world.ts";
import { type Destination, parseDestination } from "./destination.ts";
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
  /** The family that names are looked up in; null: as the sender can, IPv4 before IPv6. */
  readonly family: Family | null;
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
  family: null,
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
  const src = sender?.src ?? null;
  const to = note(
    `to ${JSON.stringify(question.to)}`,
    parseDestination(world, question.to, question.proto, {
      inventory,
      sender: sender?.host.name ?? null,
      ...familySaid(question, src),
    }),
  );
  const tcpFlags = question.tcpFlags === null ? null : note("TCP flags", parseTcpFlags(question.tcpFlags));
  if (sender !== null && question.dev !== null) note("dev", findDevice(sender.host, question.dev));
  if (to !== null && to.proto !== "tcp" && question.tcpFlags !== null) {
    messages.push(`TCP flags: a ${to.proto} packet has no TCP flags`);
  }
  if (to?.protocol === IPPROTO_AH && familyOfAddress(to.address) === 6)
    messages.push(`to ${JSON.stringify(question.to)}: --proto ah: of IPv6 it is a header before another`);
  if (sender !== null && to !== null) {
    messages.push(...faultsOfFamily(sender, to.address), ...faultsOfScope(sender.host, question.dev, to));
  }
  if (sender === null || to === null || messages.length > 0) return invalid(...messages);
  const forged = src !== null && !sender.arrives && !isOwn(sender.host, src);
  const raw = tcpFlags !== null || forged || to.proto === "ip";
  const { id, sport, ttl, size, df, mark, uid } = question;
  return ok({
    ...QUERY_DEFAULTS,
    ...{ id, sport, ttl, size, df, mark, uid, raw },
    dev: question.dev ?? to.scope,
    host: sender.host.name,
    arrives: sender.arrives,
    arrivesBy: sender.arrivesBy,
    src: src === null ? null : addressOnPath(src),
    proto: to.proto,
    protocol: to.protocol,
    family: familyOfAddress(to.address),
    dst: addressOnPath(to.address),
    dport: to.port,
    // A forged connection attempt has nobody to go on with it: its first packet is all there is.
    tcpFlags: tcpFlags ?? (forged && to.proto === "tcp" ? SYN : null),
  });
}

/** By the source, or where none is named by the question itself. */
function familySaid({ family }: Question, src: IpAddress | null): { readonly family?: Family } {
  if (src !== null) return { family: familyOfAddress(src) };
  return family === null ? {} : { family };
}

interface Sender {
  readonly host: Host;
  readonly arrives: boolean;
  readonly arrivesBy: string | null;
  readonly src: IpAddress | null;
}

/** A packet's two addresses are of one family, and who sends has one of it. */
function faultsOfFamily({ host, arrives, src }: Sender, to: IpAddress): string[] {
  const family = familyOfAddress(to);
  if (src !== null && familyOfAddress(src) !== family)
    return [`the source ${formatIp(src)} and the destination ${formatIp(to)} are of different families`];
  const own: readonly unknown[] = family === 6 ? host.addresses6 : host.addresses;
  if (arrives || src !== null || own.length > 0) return [];
  return [`host ${host.name} has no IPv${family} address, and ${formatIp(to)} is one of IPv${family}`];
}

/** `fe80::1%eth0`: the device is the sender's. */
function faultsOfScope(host: Host, dev: string | null, { address, scope }: Destination): string[] {
  if (scope === null) {
    const isLinkLocal = typeof address !== "number" && address[0] >>> 22 === 0x3fa;
    if (!isLinkLocal || dev !== null) return [];
    return [
      `${formatIp(address)} is link-local: say by which device of ${host.name}, ${formatIp(address)}%DEVICE`,
    ];
  }
  if (dev !== null && dev !== scope)
    return [`the scope says ${scope}, but --dev says ${dev}: give one of them`];
  const found = findDevice(host, scope);
  return found.kind === "ok" ? [] : [...found.messages];
}

/** `external/ADDRESS` of IPv6, whose colons set no port apart. */
function isOutside(from: string): boolean {
  return from.startsWith("external/") && parseIp(from.slice("external/".length)) !== undefined;
}

function findSender(world: World, { from, at, src }: Question, inventory: Inventory | null): Result<Sender> {
  const address = parseIp(from);
  if (address === undefined && /^[\d.]+$/.test(from)) return invalid(explainIp(from));
  if (address === undefined && from.includes(":") && !isOutside(from))
    return invalid(`is no address (${explainIp(from)}); FROM has no port: use --sport`);
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
  const bound = src === null ? ownOfClient(from, host.value) : parseIp(src);
  if (bound === undefined) return invalid(`--src: ${explainIp(src as string)}`);
  return ok({ host: host.value, arrives: false, arrivesBy: null, src: bound });
}

/** `external/ADDRESS` sends from that address, where the host would take another of its own. */
function ownOfClient(from: string, { addresses }: Host): IpAddress | null {
  const address = from.startsWith("external/") ? parseIp(from.slice("external/".length)) : undefined;
  const first = addresses.find(({ scope }) => scope === "global")?.address;
  return address === undefined || address === first ? null : address;
}

/** `host/NODE[:DEVICE]` */
function findArrival(world: World, at: string, src: IpAddress, inventory: Inventory | null): Result<Sender> {
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

function holderOf(world: World, address: IpAddress): Host | null {
  // Every host has 127.0.0.1 and ::1: they name nobody.
  if (isLoopback(address)) return null;
  for (const host of world.hosts.values()) if (isOwn(host, address)) return host;
  return null;
}

/** An address of the host, or of a network that is local to it as 127.0.0.0/8 is. */
function isOwn(host: Host, address: IpAddress): boolean {
  if (isLoopback(address)) return true;
  return typeof address === "number"
    ? host.addresses.some((each) => each.address === address)
    : host.addresses6.some((each) => IPV6.same(each.address, address));
}

/** 127.0.0.0/8, `::1`. */
function isLoopback(address: IpAddress): boolean {
  return typeof address === "number" ? address >>> 24 === 127 : IPV6.same(address, LOOPBACK6);
}

const LOOPBACK6: Ipv6Words = [0, 0, 0, 1];
