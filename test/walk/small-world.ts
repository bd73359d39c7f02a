import { IPV4, IPV6 } from "../../src/address/family.ts";
import type { Family } from "../../src/address/ip.ts";
import type { Ipv4 } from "../../src/address/ipv4.ts";
import { formatIpv6, type Ipv6Words } from "../../src/address/ipv6.ts";
import { eui64High, eui64Low, formatMac, internMac } from "../../src/address/mac.ts";
import type { BridgeVlan } from "../../src/kernel/device/bridge-vlan.ts";
import type {
  BridgePort,
  Device,
  DeviceDetail,
  FdbEntry,
  InterfaceAddress,
  InterfaceAddress6,
  NeighbourOf,
} from "../../src/kernel/device/device.ts";
import { emptyHost, type Host } from "../../src/kernel/host.ts";
import { ORIGIN_NONE } from "../../src/kernel/origin.ts";
import { OpenVswitchReader } from "../../src/kernel/ovs/read-ovs.ts";
import { DEFAULT_RULES, DEFAULT_RULES6, L3MDEV_RULE } from "../../src/kernel/route/ip-rule.ts";
import { kernelRoutes, kernelRoutes6, vrfTableOf } from "../../src/kernel/route/kernel-routes.ts";
import type { Socket, Sockets } from "../../src/kernel/socket/socket.ts";
import { parseQdiscs, parseTcFilters } from "../../src/kernel/tc/tc-text.ts";
import type { World } from "../../src/world/world.ts";
import { parsed } from "../kernel/netfilter/parsed.ts";
import { loaded } from "../kernel/nft/script.ts";
import { policyRule, route } from "./routing-words.ts";
import { either, ip, ip6, pairs, prefix } from "./words.ts";

/**
 * Worlds of a few hosts for tests, written as the tools' words: what is not said is as a new namespace has it, but that only
 * devices with an IPv6 address have a link-local one.
 */

export interface HostSpec {
  /** Device to its addresses, blanks between, or more about it. `lo` is always there. */
  readonly links?: Readonly<Record<string, string | LinkSpec>>;
  /** As behind `ip route add`. */
  readonly routes?: readonly string[];
  /** As behind `ip rule add`, with a priority. */
  readonly rules?: readonly string[];
  /** `ADDRESS DEVICE MAC`, or `proxy ADDRESS DEVICE`; without a MAC it did not answer. */
  readonly neighbours?: readonly string[];
  /** `MAC DEVICE dst ADDRESS` of a VXLAN device, `MAC DEVICE master BRIDGE` of a port. */
  readonly fdb?: readonly string[];
  /** `DEVICE FIRST[-LAST] [pvid] [untagged]` of a filtering bridge and its ports; `DEVICE none`. */
  readonly vlans?: readonly string[];
  readonly forward?: boolean;
  readonly sysctl?: Readonly<Record<string, string | number>>;
  readonly iptables?: string;
  readonly ip6tables?: string;
  /** As `nft -f` takes it. */
  readonly nft?: string;
  /** As `conntrack -L` printed it. */
  readonly connections?: string;
  /** As `tc qdisc show` prints them. */
  readonly qdiscs?: string;
  /** `DEV ingress` or `DEV egress` to what `tc filter show` prints. */
  readonly filters?: Readonly<Record<string, string>>;
  /** Open vSwitch: `ovs-vsctl show`, and of each bridge what `ovs-ofctl` prints: its ports, flows and groups. */
  readonly ovs?: {
    readonly vsctl: string;
    readonly show?: Readonly<Record<string, string>>;
    readonly flows?: Readonly<Record<string, string>>;
    readonly groups?: Readonly<Record<string, string>>;
  };
  /** Daemons behind TUNs: `DEVICE ADDRESS PORT SUBNET=ADDRESS …`. */
  readonly daemons?: readonly string[];
  /** `tcp 80`, `udp 53 eth0`; without it every port listens. */
  readonly listen?: readonly string[];
}

export interface LinkSpec {
  readonly addresses?: string;
  readonly mac?: string;
  readonly mtu?: number;
  readonly up?: boolean;
  readonly noArp?: boolean;
  readonly detail?: DeviceDetail;
  readonly master?: string;
  readonly port?: Partial<BridgePort>;
}

export const BRIDGE: DeviceDetail = {
  kind: "bridge",
  vlanFiltering: false,
  ageingS: 300,
  nfCallIptables: false,
  nfCallIp6tables: false,
};

/** A host that is nothing but a bridge, `br0`, of these ports: the switch of a shared cable. */
export function switchOf(...ports: readonly string[]): HostSpec {
  return {
    links: { br0: { detail: BRIDGE }, ...Object.fromEntries(ports.map((port) => [port, { master: "br0" }])) },
  };
}

export function vxlan(
  vni: number,
  local: string,
  more: Partial<Extract<DeviceDetail, { kind: "vxlan" }>> = {},
): DeviceDetail {
  return {
    kind: "vxlan",
    vni,
    link: null,
    local: either(local),
    remote: null,
    port: 8472,
    learning: false,
    ttl: 0,
    df: "unset",
    ...more,
  };
}

const NEW_PORT: BridgePort = {
  state: "forwarding",
  hairpin: false,
  learning: true,
  flood: true,
  mcastFlood: true,
  bcastFlood: true,
  isolated: false,
};

/** `02:00:00:00:HH:II`: host and device, from 1. */
export function macOf(host: number, ifindex: number): string {
  const hex = (n: number): string => n.toString(16).padStart(2, "0");
  return `02:00:00:00:${hex(host)}:${hex(ifindex)}`;
}

export function makeHost(name: string, number: number, spec: HostSpec): Host {
  const devices: Device[] = [
    device("lo", 1, { detail: { kind: "loopback" }, mtu: 65536, mac: "00:00:00:00:00:00" }, number),
  ];
  const addresses: InterfaceAddress[] = [interfaceAddress("lo", "127.0.0.1/8", "host")];
  const addresses6: InterfaceAddress6[] = [];
  for (const [i, [link, more]] of Object.entries(spec.links ?? {}).entries()) {
    const about = typeof more === "string" ? { addresses: more } : more;
    devices.push(device(link, i + 2, about, number));
    const words = (about.addresses ?? "").split(" ").filter((word) => word !== "");
    for (const text of words) {
      if (!text.includes(":")) addresses.push(interfaceAddress(link, text, "global"));
      else addresses6.push(interfaceAddress6(link, text));
    }
    const last = devices.at(-1) as Device;
    if (addresses6.some(({ dev }) => dev === link)) addresses6.push(linkLocal(last));
  }
  const onLink = (address: Ipv4): string => {
    const found = addresses.find(
      (one) => one.dev !== "lo" && ((one.address ^ address) & maskOf(one.length)) === 0,
    );
    if (found === undefined) throw new Error(`${name}: no device for a gateway`);
    return found.dev;
  };
  const all6 = addresses6.length === 0 ? [] : [interfaceAddress6("lo", "::1/128", "host"), ...addresses6];
  const onLink6 = (address: Ipv6Words): string => {
    const found = all6.find((one) => IPV6.contains({ address: one.address, length: one.length }, address));
    if (found === undefined) throw new Error(`${name}: no device for a gateway`);
    return found.dev;
  };
  const reader = new OpenVswitchReader((field, line, message) => {
    throw new Error(`${field}:${line}: ${message}`);
  });
  const none = () => ORIGIN_NONE;
  if (spec.ovs !== undefined) {
    reader.database(spec.ovs.vsctl, none);
    for (const [bridge, text] of Object.entries(spec.ovs.show ?? {})) reader.show(bridge, text);
    for (const [bridge, text] of Object.entries(spec.ovs.flows ?? {})) reader.flows(bridge, text, none);
    for (const [bridge, text] of Object.entries(spec.ovs.groups ?? {})) reader.groups(bridge, text, none);
  }
  const sysctl = new Map(Object.entries(spec.sysctl ?? {}).map(([key, value]) => [key, String(value)]));
  if (spec.forward === true) {
    sysctl.set("net.ipv4.ip_forward", "1");
    sysctl.set("net.ipv6.conf.all.forwarding", "1");
  }
  return {
    ...emptyHost(name, "node"),
    ovs: reader.ovs,
    devices,
    addresses,
    addresses6: all6,
    routes: [
      ...devices.flatMap((one) => kernelRoutes(one, addresses, vrfTableOf(one, devices))),
      ...(spec.routes ?? []).filter((text) => !isIpv6(text)).map((text) => route(text, IPV4, onLink)),
    ],
    routes6: [
      ...devices.flatMap((one) => kernelRoutes6(one, all6, spec.forward === true, vrfTableOf(one, devices))),
      ...(spec.routes ?? []).filter(isIpv6).map((text) => route(text, IPV6, onLink6)),
    ],
    rules: [
      ...DEFAULT_RULES,
      ...(devices.some(isVrf) ? [L3MDEV_RULE] : []),
      ...(spec.rules ?? []).map(policyRule),
    ].sort((a, b) => a.priority - b.priority),
    rules6: devices.some(isVrf) ? [...DEFAULT_RULES6, L3MDEV_RULE] : DEFAULT_RULES6,
    neighbours: (spec.neighbours ?? [])
      .filter((text) => !text.includes("::"))
      .map((text) => neighbour(text, ip)),
    neighbours6: (spec.neighbours ?? [])
      .filter((text) => text.includes("::"))
      .map((text) => ({ ...neighbour(text, ip6), router: false })),
    fdb: (spec.fdb ?? []).map(fdbEntry),
    bridgeVlans: (spec.vlans ?? []).map(bridgeVlan),
    sysctl,
    iptables: spec.iptables === undefined ? null : parsed(spec.iptables),
    ip6tables: spec.ip6tables === undefined ? null : parsed(spec.ip6tables, 6),
    nft: spec.nft === undefined ? null : loaded(spec.nft),
    unmodelled: new Map(spec.connections === undefined ? [] : [["conntrack", spec.connections]]),
    tc: {
      qdiscs: parseQdiscs(spec.qdiscs ?? "", () => 0).qdiscs,
      filters: Object.entries(spec.filters ?? {}).flatMap(([place, text]) => {
        const [dev = "", hook] = place.split(" ");
        return parseTcFilters(text, dev, hook === "egress" ? "egress" : "ingress", () => 0).filters;
      }),
    },
    sockets: withDaemons(sockets(spec.listen, all6.length > 0 ? [4, 6] : [4]), spec.daemons ?? []),
  };
}

function withDaemons(others: Sockets, daemons: readonly string[]): Sockets {
  const own = daemons.map((text): Socket => {
    const [name = "", address = "", port, ...peers] = text.split(" ");
    return {
      ...{ proto: "udp", families: [4], address: ip(address), dev: null, port: Number(port), origin: 0 },
      app: {
        kind: "tun",
        device: name,
        peers: peers.map((peer) => {
          const [subnet = "", to = ""] = peer.split("=");
          return { subnet: prefix(subnet), address: ip(to), port: Number(port), origin: 0 };
        }),
      },
    };
  });
  if (own.length === 0) return others;
  return others.kind === "assumed"
    ? { kind: "assumed", known: own }
    : { kind: "listed", sockets: [...others.sockets, ...own] };
}

function isVrf({ detail }: Device): boolean {
  return detail.kind === "vrf";
}

function device(name: string, ifindex: number, more: LinkSpec, host: number): Device {
  return {
    ifindex,
    name,
    mac: internMac(more.mac ?? macOf(host, ifindex)),
    mtu: more.mtu ?? (more.detail?.kind === "vxlan" ? 1450 : 1500),
    up: more.up ?? true,
    carrier: true,
    noArp: more.noArp ?? false,
    master: more.master ?? null,
    detail: more.detail ?? { kind: "veth" },
    port: more.master === undefined ? null : { ...NEW_PORT, ...more.port },
    origin: 0,
  };
}

function maskOf(length: number): number {
  return length === 0 ? 0 : (-1 << (32 - length)) | 0;
}

function interfaceAddress(dev: string, text: string, scope: "global" | "host"): InterfaceAddress {
  const { address, length } = prefix(text);
  return {
    dev,
    address,
    length,
    broadcast: null,
    scope,
    secondary: false,
    peer: null,
    label: null,
    origin: 0,
  };
}

function interfaceAddress6(
  dev: string,
  text: string,
  scope: "global" | "link" | "host" = "global",
): InterfaceAddress6 {
  const [address = "", length = "128"] = text.split("/");
  return { dev, address: ip6(address), length: Number(length), scope, peer: null, flags: [], origin: 0 };
}

/** The address that a device makes itself of its MAC (RFC 4291, appendix A). */
function linkLocal({ name, mac }: Device): InterfaceAddress6 {
  return interfaceAddress6(name, `${linkLocalOf(formatMac(mac))}/64`, "link");
}

export function linkLocalOf(mac: string): string {
  const handle = internMac(mac);
  return formatIpv6([0xfe80_0000, 0, eui64High(handle) >>> 0, eui64Low(handle) >>> 0]);
}

/** The default route of IPv6 is `::/0` here. */
function isIpv6(route: string): boolean {
  return route.includes("::");
}

function neighbour<Address>(text: string, parse: (text: string) => Address): NeighbourOf<Address> {
  const words = text.split(" ");
  const proxy = words[0] === "proxy";
  const [address = "", dev = "", mac] = proxy ? words.slice(1) : words;
  return {
    dst: parse(address),
    dev,
    lladdr: mac === undefined ? null : internMac(mac),
    state: mac === undefined && !proxy ? "failed" : "permanent",
    proxy,
    origin: 0,
  };
}

function fdbEntry(text: string): FdbEntry {
  const [mac = "", dev = "", ...words] = text.split(" ");
  const options = pairs(words);
  return {
    mac: internMac(mac),
    dev,
    master: options.get("master") ?? null,
    state: options.has("master") ? "static" : "permanent",
    dst: options.has("dst") ? either(options.get("dst") as string) : null,
    vlan: null,
    origin: 0,
  };
}

function bridgeVlan(text: string): BridgeVlan {
  const [dev = "", ids = "", ...flags] = text.split(" ");
  const [from = 0, to = from] = ids === "none" ? [0] : ids.split("-").map(Number);
  const [pvid, untagged] = [flags.includes("pvid"), flags.includes("untagged")];
  return { dev, from, to, pvid, untagged, self: dev.startsWith("br"), origin: 0 };
}

function sockets(listen: readonly string[] | undefined, families: readonly Family[]): Sockets {
  if (listen === undefined) return { kind: "assumed" };
  return {
    kind: "listed",
    sockets: listen.map((text) => {
      const [proto, port, dev] = text.split(" ");
      return {
        proto: proto as "tcp" | "udp",
        families,
        address: null,
        dev: dev ?? null,
        port: Number(port),
        app: { kind: "line" },
        origin: 0,
      };
    }),
  };
}

/** @param wires `host:device host:device` */
export function smallWorld(hosts: Readonly<Record<string, HostSpec>>, wires: readonly string[]): World {
  const end = (text: string): { host: string; device: string } => {
    const [host = "", name = ""] = text.split(":");
    return { host, device: name };
  };
  return {
    hosts: new Map(Object.entries(hosts).map(([name, spec], i) => [name, makeHost(name, i + 1, spec)])),
    wires: wires.map((text) => {
      const [a = "", b = ""] = text.split(" ");
      return { a: end(a), b: end(b) };
    }),
    origins: { sources: [] },
  };
}
