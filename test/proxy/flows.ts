import { parseIpv4 } from "../../src/address/ipv4.ts";
import { internMac } from "../../src/address/mac.ts";
import type { Device, DeviceDetail, InterfaceAddress } from "../../src/kernel/device/device.ts";
import { emptyHost, type Host } from "../../src/kernel/host.ts";
import type { Ruleset } from "../../src/kernel/netfilter/rule.ts";
import { DEFAULT_RULES } from "../../src/kernel/route/ip-rule.ts";
import { kernelRoutes, vrfTableOf } from "../../src/kernel/route/kernel-routes.ts";
import { ASK_DEFAULTS, ask } from "../../src/walk/ask.ts";
import { Network } from "../../src/walk/network.ts";
import { QUERY_DEFAULTS } from "../../src/walk/query.ts";
import { Session } from "../../src/walk/session.ts";
import type { Outcome } from "../../src/walk/trace.ts";

/** A node alone with its rules, asked where packets go. Endpoints lie beyond its gateway, pods behind cni0. */

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

export function flow(programmed: Programmed, { from, to, port, proto = "tcp" }: Flow): End[] {
  const session = new Session(
    new Network({
      hosts: new Map([["n1", typeof programmed === "function" ? programmed(node(null)) : node(programmed)]]),
      wires: [],
      origins: { sources: [{ file: "", field: null, line: null }] },
    }),
  );
  const src = from === "pod" ? POD_IP : from === "outside" ? OUTSIDE_IP : from === "node" ? null : from;
  const trace = ask(
    session,
    {
      ...QUERY_DEFAULTS,
      host: "n1",
      arrives: src !== null,
      arrivesBy: src === null ? null : from === "outside" ? "eth0" : "cni0",
      src: src === null ? null : address(src),
      sport: 40000,
      dst: address(to),
      dport: port,
      proto,
    },
    ASK_DEFAULTS,
  );
  return trace.outcomes
    .map((outcome) => endOf(outcome, src ?? "192.168.1.1"))
    .sort((a, b) => (a.to < b.to ? -1 : 1));
}

/** The ends without their odds, each once. */
export function ends(rules: Programmed, asked: Flow): string[] {
  return [
    ...new Set(flow(rules, asked).map(({ to, masqueraded }) => (masqueraded ? `${to} masqueraded` : to))),
  ];
}

function endOf({ frames, verdict, probability }: Outcome, src: string): End {
  const odds = Number(probability?.num ?? 0) / Number(probability?.den ?? 1);
  const sent = frames.find(
    ({ direction, phase, device }) => direction === "out" && phase === "request" && device !== "lo",
  );
  const ports = sent?.tcp ?? sent?.udp;
  if (sent === undefined || ports === undefined) return { to: verdict.reason, masqueraded: false, odds };
  return { to: `${sent.ip.dst}:${ports.dport}`, masqueraded: sent.ip.src !== src, odds };
}

function node(rules: Ruleset | null): Host {
  const devices = [
    device("lo", 1, "00:00:00:00:00:00", { kind: "loopback" }),
    device("eth0", 2, "02:00:00:00:00:02", { kind: "ether" }),
    device("cni0", 3, "02:00:00:00:00:03", { kind: "ether" }),
  ];
  const addresses = [own("lo", "127.0.0.1", 8), own("eth0", "192.168.1.1", 24), own("cni0", "10.1.0.1", 24)];
  const gateway = address("192.168.1.254");
  return {
    ...emptyHost("n1", "node"),
    devices,
    addresses,
    routes: [
      ...devices.flatMap((one) => kernelRoutes(one, addresses, vrfTableOf(one, devices))),
      {
        type: "unicast",
        dst: { address: 0, length: 0 },
        table: "main",
        protocol: null,
        scope: "global",
        prefsrc: null,
        metric: 0,
        tos: 0,
        mtu: 0,
        nextHops: [{ dev: "eth0", gateway, weight: 1, onlink: false, dead: false }],
        origin: 0,
      },
    ],
    rules: DEFAULT_RULES,
    neighbours: [
      neighbour(gateway, "eth0"),
      neighbour(address(POD_IP), "cni0"),
      neighbour(address("10.1.0.2"), "cni0"),
    ],
    sysctl: new Map([
      ["net.ipv4.ip_forward", "1"],
      ["net.ipv4.conf.all.route_localnet", "1"],
    ]),
    iptables: rules,
  };
}

function neighbour(dst: number, dev: string): Host["neighbours"][number] {
  const lladdr = internMac(dev === "eth0" ? "02:00:00:00:00:fe" : "02:00:00:00:00:50");
  return { dst, dev, lladdr, state: "permanent", proxy: false, origin: 0 };
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
    address: address(text),
    length,
    broadcast: null,
    scope: dev === "lo" ? "host" : "global",
    secondary: false,
    peer: null,
    label: null,
    origin: 0,
  };
}

function address(text: string): number {
  const bits = parseIpv4(text);
  if (bits === undefined) throw new Error(`${text} is no address`);
  return bits;
}
