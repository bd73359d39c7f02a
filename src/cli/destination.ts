import { explainIp, type Family, formatIp, type IpAddress, parseIp } from "../address/ip.ts";
import { splitZone } from "../address/ipv6.ts";
import { splitSocketAddress } from "../address/socket-address.ts";
import type { Resolved } from "../inventory/cluster-dns.ts";
import { Inventory } from "../inventory/inventory.ts";
import type { Host } from "../kernel/host.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import { parseProtocol } from "../kernel/netfilter/save/protocol.ts";
import {
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IPIP,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from "../packet/packet.ts";
import type { QueryProtocol } from "../walk/query.ts";
import type { World } from "../world/world.ts";
import { findHost, splitKind } from "./host-reference.ts";
import { notBuiltYet } from "./not-built-yet.ts";
import { parsePort } from "./number-text.ts";
import { invalid, ok, type Result } from "./result.ts";

export const PROTOCOLS = ["tcp", "udp", "sctp", "icmp"] as const;

/** Where a query goes: TO, taken apart and found. */
export interface Destination {
  readonly address: IpAddress;
  /** The device that `fe80::1%eth0` names. */
  readonly scope: string | null;
  readonly proto: QueryProtocol;
  /** Number of the protocol of a bare packet (`ip`), else 0. */
  readonly protocol: number;
  readonly port: number | null;
}

/** What stands behind the names of a source, and who asks for them. */
export interface Naming {
  readonly inventory: Inventory | null;
  /** The host that sends; null where FROM was no good. */
  readonly sender: string | null;
  /** The family that the source is of, where one was said. */
  readonly family?: Family;
}

/**
 * `10.0.0.5`, `fd00::5`, `[fd00::5]:80`, `fe80::5%eth0`, `10.96.0.10:53/udp`, `host/web-0:8080`, `pod/shop/web-0/icmp`. TCP where a port is given, ICMP echo where
 * none is, unless `/PROTO` or `proto` (the value of --proto) says otherwise.
 */
export function parseDestination(
  world: World,
  text: string,
  proto: string | null,
  naming: Naming = { inventory: null, sender: null },
): Result<Destination> {
  if (text === "") return invalid("is empty: write an address or host/NAME, with :PORT and /PROTO behind it");
  if (text.includes("://")) return invalid(notBuiltYet("asking for a URL"));
  const { place, portText, protoText } = splitDestination(text);
  const split = splitKind(place);
  if (split !== null && Inventory.namesService(split.kind)) {
    return serviceDestination(naming, familiesFor(world, naming), {
      ...{ parts: split.parts, portText, protoText, proto },
    });
  }
  const resolved = dnsName(world, place, naming);
  if (resolved?.kind === "missing") return invalid(resolved.message);
  if (resolved?.kind === "service") {
    const { namespace = "", name } = resolved.service.metadata;
    return serviceDestination(naming, familiesFor(world, naming), {
      ...{ parts: [namespace, name], portText, protoText, proto },
    });
  }
  const port = portText === null ? ok(null) : parsePort(portText, "port");
  if (port.kind === "invalid") return port;
  const protocol = chooseProtocol(port.value, protoText, proto);
  if (protocol.kind === "invalid") return protocol;
  const { address: bare, zone } = place.includes(":")
    ? splitZone(place)
    : { address: place, zone: undefined };
  if (zone === "") return invalid(`${JSON.stringify(place)} ends before its scope: %DEVICE is expected`);
  const address = resolved === undefined ? addressOf(world, bare, naming) : ok(resolved.address);
  if (address.kind === "invalid") return address;
  return ok({ address: address.value, scope: zone ?? null, ...protocol.value, port: port.value });
}

/** `svc/shop/db:5432`: the Service's cluster IP; the protocol is the port's own unless another is asked for. */
function serviceDestination(
  { inventory }: Naming,
  families: readonly Family[],
  {
    parts,
    portText,
    protoText: behind,
    proto: option,
  }: Omit<Parts, "place"> & { readonly parts: readonly string[]; readonly proto: string | null },
): Result<Destination> {
  if (inventory === null)
    return invalid("the source holds no Kubernetes objects: give the Service's address");
  const pings = (behind ?? option) === "icmp";
  if (pings && portText !== null) return invalid("icmp has no ports: leave the port out");
  if (portText !== null && /^\d+$/.test(portText)) {
    const number = parsePort(portText, "port");
    if (number.kind === "invalid") return number;
  }
  const found = inventory.service(parts, portText, families);
  if (found.kind === "missing") return invalid(found.message);
  const { address, port, proto } = found.value;
  if (pings) return ok({ address, scope: null, proto: "icmp", protocol: 0, port: null });
  const protocol = chooseProtocol(port, behind, option ?? (behind === null ? proto : null));
  return protocol.kind === "invalid" ? protocol : ok({ address, scope: null, ...protocol.value, port });
}

interface Parts {
  readonly place: string;
  readonly portText: string | null;
  readonly protoText: string | null;
}

export function splitDestination(text: string): Parts {
  if (isIpv6(text)) return splitDestination6(text);
  const colon = text.indexOf(":");
  if (colon >= 0) {
    const place = text.slice(0, colon);
    const [portText = "", ...rest] = text.slice(colon + 1).split("/");
    return { place, portText, protoText: rest.length === 0 ? null : rest.join("/") };
  }
  const parts = text.split("/");
  const last = parts.at(-1) ?? "";
  // `host/web-0/udp` and `10.0.0.5/icmp`, but not `pod/icmp`.
  const isProto =
    (PROTOCOLS as readonly string[]).includes(last) &&
    parts.length >= (/^[\d.]+$/.test(parts[0] ?? "") ? 2 : 3);
  return isProto
    ? { place: parts.slice(0, -1).join("/"), portText: null, protoText: last }
    : { place: text, portText: null, protoText: null };
}

function isIpv6(text: string): boolean {
  return (
    text.startsWith("[") || (/^[\da-fA-F]*:[\da-fA-F:.]*(?:[:/%]|$)/.test(text) && text.split(":").length > 2)
  );
}

/** `fd00::5`, `fd00::5/icmp`, `[fd00::5]:80/udp`, `[fe80::5%eth0]/icmp`. */
function splitDestination6(text: string): Parts {
  const [head = "", ...rest] = text.split("/");
  const protoText = rest.length === 0 ? null : rest.join("/");
  const { address, port } = splitSocketAddress(head);
  if (port !== null) return { place: address, portText: String(port), protoText };
  const [, inside, behind] = /^\[([^\]]*)\](?::(.*))?$/.exec(head) ?? [];
  return { place: inside ?? head, portText: behind ?? null, protoText };
}

type Protocol = Pick<Destination, "proto" | "protocol">;

function chooseProtocol(port: number | null, behind: string | null, option: string | null): Result<Protocol> {
  if (behind !== null && option !== null && behind !== option) {
    return invalid(`says /${behind}, but --proto says ${option}: give one of them`);
  }
  const word = behind ?? option ?? (port === null ? "icmp" : "tcp");
  const proto = PROTOCOLS.find((each) => each === word);
  if (proto === undefined) {
    const bare = behind === null ? bareProtocol(word) : undefined;
    if (bare === undefined) {
      return invalid(
        `${JSON.stringify(word)} is no protocol${suggestion(word, PROTOCOLS)}: ${behind === null ? "tcp, udp, sctp, icmp, another name of /etc/protocols or a number is expected" : "tcp, udp, sctp or icmp stands behind the slash"}`,
      );
    }
    if (port !== null) return invalid(`a bare packet of ${word} has no ports: leave the port out`);
    return typeof bare === "string" ? invalid(bare) : ok({ proto: "ip", protocol: bare });
  }
  if (proto === "icmp" && port !== null) return invalid("icmp has no ports: leave the port out");
  if (proto !== "icmp" && port === null)
    return invalid(`${proto} needs a port: write :PORT behind the address`);
  return ok({ proto, protocol: 0 });
}

/** Protocols that have a word of their own, and those whose packets have more headers before what they carry. */
const NOT_BARE: ReadonlyMap<number, string> = new Map([
  [IPPROTO_ICMP, "write icmp"],
  [IPPROTO_TCP, "write tcp"],
  [IPPROTO_UDP, "write udp"],
  [IPPROTO_SCTP, "write sctp"],
  [IPPROTO_ICMPV6, "write icmp"],
  ...[0, 43, 44, 60].map((number) => [number, "it is a header of IPv6 before another"] as const),
  [59, "it says that nothing follows"],
  [2, "hosts tell routers of their groups with it"],
  ...[IPPROTO_IPIP, 41].map((number) => [number, "a tunnel's device sends such packets"] as const),
  [136, "UDP-Lite's ports and checksum are not modelled"],
]);

/** The number of a protocol of /etc/protocols; undefined for none, or why a bare packet is not of it. */
function bareProtocol(word: string): number | string | undefined {
  const number = parseProtocol(word);
  if (number === undefined || word === "all") return undefined;
  const instead = NOT_BARE.get(number);
  return instead === undefined ? number : `--proto ${word}: ${instead}`;
}

function addressOf(world: World, place: string, naming: Naming): Result<IpAddress> {
  const { inventory } = naming;
  const address = parseIp(place);
  if (address !== undefined) return ok(address);
  if (/^[\d./]+$/.test(place) || place.includes(":")) return invalid(explainIp(place));
  const host = findHost(world, place, inventory);
  if (host.kind === "invalid") {
    return isDnsName(place) && place.includes(".")
      ? invalid(`${place}: ${notBuiltYet("resolving DNS names of a snapshot")}: give the address`)
      : host;
  }
  if (place.startsWith("external/")) return ok(parseIp(place.slice("external/".length)) as IpAddress);
  return firstGlobalAddress(host.value, familyFor(world, host.value, naming));
}

/** The families a question can be of: the one that is said, else those that the sender has, IPv4 before IPv6. */
function familiesFor({ hosts }: World, { family, sender }: Naming): readonly Family[] {
  if (family !== undefined) return [family];
  const from = sender === null ? undefined : hosts.get(sender);
  if (from === undefined) return [4, 6];
  const has4 = from.addresses.some(isGlobal);
  const has6 = from.addresses6.some(isGlobal);
  return has4 === has6 ? [4, 6] : has4 ? [4] : [6];
}

/** The source's where one is said, else the first, IPv4 before IPv6, of which both ends have a global address. */
function familyFor({ hosts }: World, to: Host, { family, sender }: Naming): Family {
  if (family !== undefined) return family;
  const from = sender === null ? undefined : hosts.get(sender);
  const both = (has: (host: Host) => boolean): boolean => has(to) && (from === undefined || has(from));
  const has4 = both(({ addresses }) => addresses.some(isGlobal));
  return !has4 && both(({ addresses6 }) => addresses6.some(isGlobal)) ? 6 : 4;
}

function isGlobal({ scope }: { readonly scope: string }): boolean {
  return scope === "global";
}

/** What `ip addr` shows first that others can reach. */
function firstGlobalAddress(host: Host, family: Family): Result<IpAddress> {
  const found =
    family === 6
      ? host.addresses6.find(isGlobal)
      : (host.addresses.find((entry) => isGlobal(entry) && !entry.secondary) ??
        host.addresses.find(isGlobal));
  if (found !== undefined) return ok(found.address);
  const known = [...host.addresses, ...host.addresses6];
  if (known.some(isGlobal))
    return invalid(`host ${host.name} has no IPv${family} address that others can reach`);
  const own = known.map(({ address }) => formatIp(address)).join(", ");
  return invalid(
    own === ""
      ? `host ${host.name} has no address`
      : `host ${host.name} has no address that others can reach, only ${own}`,
  );
}

function isDnsName(text: string): boolean {
  return (
    /^[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*\.?$/i.test(text) && !/^[\d.]+$/.test(text)
  );
}

/** A name of the cluster's DNS; undefined for whatever else stands there, a host's own name before all. */
function dnsName(world: World, place: string, naming: Naming): Resolved | undefined {
  const { inventory, sender } = naming;
  if (inventory === null || sender === null || !isDnsName(place) || world.hosts.has(place)) return undefined;
  return place === "external" ? undefined : inventory.resolve(place, sender, familiesFor(world, naming));
}

/** What was taken for granted to find TO; null where nothing was. */
export function assumedOfName(world: World, to: string, naming: Naming): string | null {
  const { place } = splitDestination(to);
  const resolved = dnsName(world, place, naming);
  if (resolved === undefined || resolved.kind === "missing") return null;
  return `${place} is ${resolved.fullName} to the cluster's DNS, which is not walked to`;
}
