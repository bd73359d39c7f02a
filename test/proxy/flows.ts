import { type Family, formatIp, type IpAddress, parseIp } from "../../src/address/ip.ts";
import { addressOnPath } from "../../src/address/ip6-handle.ts";
import type { Ipv6Words } from "../../src/address/ipv6.ts";
import { internMac } from "../../src/address/mac.ts";
import { socketAddressText } from "../../src/address/socket-address.ts";
import type {
  Device,
  DeviceDetail,
  InterfaceAddress,
  InterfaceAddress6,
} from "../../src/kernel/device/device.ts";
import { emptyHost, type Host } from "../../src/kernel/host.ts";
import type { Ruleset } from "../../src/kernel/netfilter/rule.ts";
import { DEFAULT_RULES, DEFAULT_RULES6 } from "../../src/kernel/route/ip-rule.ts";
import { kernelRoutes, kernelRoutes6, vrfTableOf } from "../../src/kernel/route/kernel-routes.ts";
import { ASK_DEFAULTS, ask } from "../../src/walk/ask.ts";
import { Network } from "../../src/walk/network.ts";
import { QUERY_DEFAULTS } from "../../src/walk/query.ts";
import { Session } from "../../src/walk/session.ts";
import type { Outcome } from "../../src/walk/trace.ts";
import { exchanged } from "./six.ts";

/**
 * A node alone with its rules, asked where packets go. Endpoints lie beyond its gateway, pods behind cni0. All is written in
 * IPv4; with family 6 the node and the question are of IPv6, the addresses exchanged (`six.ts`).
 */

export interface Flow {
  /** `pod` by cni0, `outside` by eth0, `node` from a socket of the node itself, or an address that comes in by cni0. */
  readonly from: "pod" | "outside" | "node" | `${number}.${number}.${number}.${number}`;
  readonly to: string;
  readonly port: number;
  readonly proto?: "tcp" | "udp";
}

/** Where a flow may end, with its odds. */
export interface End {
  /** `ip:port` it is sent to, or what stopped it. */
  readonly to: string;
  /** It leaves with another source: for the node itself than its primary address. */
  readonly masqueraded: boolean;
  readonly odds: number;
}

export const POD_IP = "10.1.0.50";
export const OUTSIDE_IP = "198.51.100.7";

/** Its rules, or what is done to it. */
export type Programmed = Ruleset | ((node: Host) => Host);

export function flow(programmed: Programmed, asked: Flow, family: Family = 4): End[] {
  const { from, to, port, proto = "tcp" } = asked;
  const session = new Session(
    new Network({
      hosts: new Map([
        ["n1", typeof programmed === "function" ? programmed(node(null, family)) : node(programmed, family)],
      ]),
      wires: [],
      origins: { sources: [{ file: "", field: null, line: null }] },
    }),
  );
  const sent = from === "pod" ? POD_IP : from === "outside" ? OUTSIDE_IP : from === "node" ? null : from;
  const src = sent === null ? null : of(family, sent);
  const trace = ask(
    session,
    {
      ...QUERY_DEFAULTS,
      family,
      host: "n1",
      arrives: src !== null,
      arrivesBy: src === null ? null : from === "outside" ? "eth0" : "cni0",
      src: src === null ? null : onPath(src),
      sport: 40000,
      dst: onPath(of(family, to)),
      dport: port,
      proto,
    },
    ASK_DEFAULTS,
  );
  return trace.outcomes
    .map((outcome) => endOf(outcome, src ?? of(family, "192.168.1.1")))
    .sort((a, b) => (a.to < b.to ? -1 : 1));
}

/** The ends without their odds, each once. */
export function ends(rules: Programmed, asked: Flow, family: Family = 4): string[] {
  return [
    ...new Set(
      flow(rules, asked, family).map(({ to, masqueraded }) => (masqueraded ? `${to} masqueraded` : to)),
    ),
  ];
}

function endOf({ frames, verdict, probability }: Outcome, src: string): End {
  const odds = Number(probability?.num ?? 0) / Number(probability?.den ?? 1);
  const sent = frames.find(
    ({ direction, phase, device }) => direction === "out" && phase === "request" && device !== "lo",
  );
  const ports = sent?.tcp ?? sent?.udp;
  if (sent === undefined || ports === undefined) return { to: verdict.reason, masqueraded: false, odds };
  return { to: socketAddressText(sent.ip.dst, ports.dport), masqueraded: sent.ip.src !== src, odds };
}

/** An address of either family for one of IPv4. */
function of(family: Family, text: string): string {
  return family === 4 ? text : (exchanged(text) as string);
}

function onPath(text: string): number {
  return addressOnPath(address(text));
}

function node(rules: Ruleset | null, family: Family): Host {
  const devices = [
    device("lo", 1, "00:00:00:00:00:00", { kind: "loopback" }),
    device("eth0", 2, "02:00:00:00:00:02", { kind: "ether" }),
    device("cni0", 3, "02:00:00:00:00:03", { kind: "ether" }),
  ];
  const neighbours = [
    ["192.168.1.254", "eth0"],
    [POD_IP, "cni0"],
    ["10.1.0.2", "cni0"],
  ] as const;
  const host = { ...emptyHost("n1", "node"), devices };
  if (family === 6) {
    const addresses6 = [
      own6("lo", "127.0.0.1", 128),
      own6("eth0", "192.168.1.1", 64),
      own6("cni0", "10.1.0.1", 64),
    ];
    const gateway6 = address6(of(6, "192.168.1.254"));
    return {
      ...host,
      addresses6,
      routes6: [
        ...devices.flatMap((one) => kernelRoutes6(one, addresses6, true, null)),
        { ...defaultRoute({ address: address6("::"), length: 0 }, gateway6), prefsrc: null, metric: 1024 },
      ],
      rules6: DEFAULT_RULES6,
      neighbours6: neighbours.map(([dst, dev]) => ({
        ...neighbour(address6(of(6, dst)), dev),
        router: false,
      })),
      sysctl: new Map([["net.ipv6.conf.all.forwarding", "1"]]),
    };
  }
  const addresses = [own("lo", "127.0.0.1", 8), own("eth0", "192.168.1.1", 24), own("cni0", "10.1.0.1", 24)];
  const gateway = address4("192.168.1.254");
  return {
    ...host,
    addresses,
    routes: [
      ...devices.flatMap((one) => kernelRoutes(one, addresses, vrfTableOf(one, devices))),
      { ...defaultRoute({ address: 0, length: 0 }, gateway), prefsrc: null, metric: 0 },
    ],
    rules: DEFAULT_RULES,
    neighbours: neighbours.map(([dst, dev]) => neighbour(address4(dst), dev)),
    sysctl: new Map([
      ["net.ipv4.ip_forward", "1"],
      ["net.ipv4.conf.all.route_localnet", "1"],
    ]),
    iptables: rules,
  };
}

function defaultRoute<Dst, Gateway>(dst: Dst, gateway: Gateway) {
  return {
    type: "unicast",
    dst,
    table: "main",
    protocol: null,
    scope: "global",
    tos: 0,
    mtu: 0,
    nextHops: [{ dev: "eth0", gateway, weight: 1, onlink: false, dead: false }],
    origin: 0,
  } as const;
}

function neighbour<Dst>(dst: Dst, dev: string) {
  const lladdr = internMac(dev === "eth0" ? "02:00:00:00:00:fe" : "02:00:00:00:00:50");
  return { dst, dev, lladdr, state: "permanent", proxy: false, origin: 0 } as const;
}

function device(name: string, ifindex: number, mac: string, detail: DeviceDetail): Device {
  return {
    ifindex,
    name,
    mac: internMac(mac),
    mtu: 1500,
    up: true,
    carrier: true,
    noArp: false,
    master: null,
    detail,
    port: null,
    origin: 0,
  };
}

function own(dev: string, text: string, length: number): InterfaceAddress {
  return {
    dev,
    address: address4(text),
    length,
    broadcast: null,
    scope: dev === "lo" ? "host" : "global",
    secondary: false,
    peer: null,
    label: null,
    origin: 0,
  };
}

function own6(dev: string, text: string, length: number): InterfaceAddress6 {
  const scope = dev === "lo" ? "host" : "global";
  return { dev, address: address6(of(6, text)), length, scope, peer: null, flags: [], origin: 0 };
}

function address(text: string): IpAddress {
  const read = parseIp(text);
  if (read === undefined) throw new Error(`${text} is no address`);
  return read;
}

function address4(text: string): number {
  const read = address(text);
  if (typeof read !== "number") throw new Error(`${formatIp(read)} is no address of IPv4`);
  return read;
}

function address6(text: string): Ipv6Words {
  const read = address(text);
  if (typeof read === "number") throw new Error(`${formatIp(read)} is no address of IPv6`);
  return read;
}
