import type { IpAddress } from "../address/ip.ts";
import { formatIpv4, type Ipv4 } from "../address/ipv4.ts";
import type { Ipv6Words } from "../address/ipv6.ts";
import { contains, networkOf } from "../address/prefix.ts";
import {
  containsIp,
  formatIp,
  fromIpv4,
  fromWords,
  type Ip,
  type IpNet,
  networkOf as networkOfNet,
  parseIp,
  plus,
} from "../cni/ip.ts";
import { newNetns } from "../cni/machine.ts";
import { HASHED_NAMES } from "../cni/names.ts";
import { Netns, type NewDevice } from "../cni/netns.ts";
import { NEW_BRIDGE } from "../kernel/device/device.ts";
import type { Host } from "../kernel/host.ts";
import type { Operation } from "../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../kernel/origin.ts";
import type { Wire } from "../world/world.ts";

/** Nodes' addresses are taken to lie in networks of this length: nothing in the objects says. */
export const NODE_NETWORK_LENGTH = 24;

/** Addresses outside, of a range kept for documentation (RFC 5737). */
const OUTSIDE = (203 << 24) | (113 << 8);
const CLIENT_OUTSIDE = OUTSIDE + 10;
const GATEWAY_OUTSIDE = OUTSIDE + 254;
/** The same of IPv6 (RFC 3849). */
const CLIENT_OUTSIDE6: IpNet = net6("2001:db8:203:113::10");
const GATEWAY_OUTSIDE6: IpNet = net6("2001:db8:203:113::fe");
export const DEFAULT_ROUTE: IpNet = { ip: fromIpv4(0), length: 0 };
export const DEFAULT_ROUTE6: IpNet = { ip: { family: 6, value: 0n }, length: 0 };
/** Of nodes' networks of IPv6. */
export const NODE_NETWORK_LENGTH6 = 64;

/** A device that leads nowhere that is known: what goes out by it leaves the model. */
export const ELSEWHERE = "elsewhere";

/** A node as the fabric sees it. */
export interface Cabled {
  readonly name: string;
  /** null: it has addresses of IPv6 alone. */
  readonly address: Ipv4 | null;
  readonly address6: Ipv6Words | null;
}

/** One switch with its nodes, and where the gateway is in it. */
interface Segment {
  readonly device: string;
  /** null among nodes of IPv6 alone. */
  readonly address: Ipv4 | null;
  readonly addresses6: readonly IpNet[];
}

/**
 * The physical network around the nodes, as far as the objects tell nothing of it: a switch for each of the nodes'
 * networks, a gateway between them and to the outside, and one client outside. All of it is assumed, and said so.
 */
export class Fabric {
  readonly gateway: Netns;
  readonly #switches: Host[] = [];
  readonly #wires: Wire[] = [];
  /** By the name of a node. */
  readonly #segments = new Map<string, Segment>();
  readonly #outside: string;
  readonly #hasSix: boolean;

  constructor(members: readonly Cabled[]) {
    const networks = new Map<string, Cabled[]>();
    for (const member of members) {
      const network = nameOfNetwork(member);
      const known = networks.get(network);
      if (known === undefined) networks.set(network, [member]);
      else known.push(member);
    }
    const taken = new Set(members.map((member) => member.address));
    this.#hasSix = members.some(({ address6 }) => address6 !== null);
    this.gateway = newMachine("gateway", "router", this.#hasSix);
    this.gateway.enableForwarding(4);
    if (this.#hasSix) this.gateway.enableForwarding(6);
    for (const [i, [network, list]] of [...networks].entries()) {
      const name = networks.size === 1 ? "fabric" : `fabric-${network}`;
      const [{ address: one }] = list as [Cabled];
      const address = one === null ? null : firstFree(networkAround(one), taken);
      const addresses6 = freeInNetworks6(list, members);
      const segment: Segment = { device: `eth${i}`, address, addresses6 };
      addEthernet(this.gateway, segment.device, address);
      for (const own of addresses6) this.gateway.addAddress(segment.device, own);
      this.#switches.push(makeSwitch(name, list.length + 1));
      this.#wires.push(wire("gateway", segment.device, name, "p0"));
      for (const [k, member] of list.entries()) {
        this.#segments.set(member.name, segment);
        this.#wires.push(wire(member.name, "eth0", name, `p${k + 1}`));
      }
    }
    this.#outside = `eth${networks.size}`;
    addEthernet(this.gateway, this.#outside, GATEWAY_OUTSIDE);
    if (this.#hasSix) this.gateway.addAddress(this.#outside, GATEWAY_OUTSIDE6);
  }

  /** The gateway's addresses in a node's network, those that the node can take for its own gateway's. */
  gatewaysOf({ name, address6 }: Cabled): readonly Ip[] {
    const { address, addresses6 } = this.#of(name);
    const near = addresses6.find((own) => address6 !== null && containsIp(own, fromWords(address6)));
    return [...(address === null ? [] : [fromIpv4(address)]), ...(near === undefined ? [] : [near.ip])];
  }

  /** The gateway's device towards a node. */
  deviceTo(node: string): string {
    return this.#of(node).device;
  }

  /** The gateway answers for an address that it routes on, where the client takes it for a neighbour. */
  answerOutside(address: IpAddress, origin: Origin): void {
    const dev = this.#outside;
    const proxy = { dev, lladdr: null, state: "noarp", proxy: true, origin } as const;
    if (typeof address !== "number") {
      if (!containsIp(GATEWAY_OUTSIDE6, fromWords(address))) return;
      this.gateway.sysctl(`net.ipv6.conf.${dev}.proxy_ndp`, "1");
      this.gateway.do({ kind: "neighbour-replace", neighbour: { ...proxy, dst: address, router: false } });
    } else if (contains({ address: OUTSIDE, length: NODE_NETWORK_LENGTH }, address)) {
      this.gateway.do({ kind: "neighbour-replace", neighbour: { ...proxy, dst: address } });
    }
  }

  finish(): { readonly hosts: readonly Host[]; readonly wires: readonly Wire[] } {
    const client = newMachine("internet", "external", this.#hasSix);
    addEthernet(client, "eth0", CLIENT_OUTSIDE);
    client.do({ kind: "sockets", sockets: { kind: "assumed" } });
    client.addRoute({ dst: DEFAULT_ROUTE, gw: fromIpv4(GATEWAY_OUTSIDE), dev: "eth0" });
    if (this.#hasSix) {
      client.addAddress("eth0", CLIENT_OUTSIDE6);
      client.addRoute({ dst: DEFAULT_ROUTE6, gw: GATEWAY_OUTSIDE6.ip, dev: "eth0" });
    }
    return {
      hosts: [...this.#switches, this.gateway.host, client.host],
      wires: [...this.#wires, wire("gateway", this.#outside, "internet", "eth0")],
    };
  }

  #of(node: string): Segment {
    const found = this.#segments.get(node);
    if (found === undefined) throw new RangeError(`no node is called ${node}`);
    return found;
  }
}

/** Nodes are side by side where their IPv4 addresses are, and only where they have none by those of IPv6. */
function nameOfNetwork({ address, address6 }: Cabled): string {
  if (address !== null) return formatIpv4(networkAround(address));
  return address6 === null ? "" : formatIp(around6(fromWords(address6)).ip);
}

function around6(ip: Ip): IpNet {
  return networkOfNet({ ip, length: NODE_NETWORK_LENGTH6 });
}

/** An address for the gateway in each IPv6 network of some nodes, the first that no node has. */
function freeInNetworks6(some: readonly Cabled[], all: readonly Cabled[]): IpNet[] {
  const addresses = (list: readonly Cabled[]) =>
    list.flatMap(({ address6 }) => (address6 === null ? [] : [fromWords(address6)]));
  const taken = new Set(addresses(all).map(formatIp));
  const networks = new Map(addresses(some).map((ip) => [formatIp(around6(ip).ip), around6(ip)]));
  return [...networks.values()].map(({ ip, length }) => {
    let own = plus(ip, 1n);
    while (taken.has(formatIp(own))) own = plus(own, 1n);
    return { ip: own, length };
  });
}

function net6(text: string): IpNet {
  const ip = parseIp(text);
  if (ip === undefined) throw new Error(`${text} is no address`);
  return { ip, length: 64 };
}

/** Puts an address where nothing is modelled: on a host's device that leads out of the model. */
export function addElsewhere(host: Netns, address: IpAddress, origin: Origin): void {
  if (host.device(ELSEWHERE) === undefined) {
    host.addDevice({
      name: ELSEWHERE,
      mac: HASHED_NAMES.mac(`${host.name} ${ELSEWHERE}`),
      mtu: 1500,
      detail: { kind: "veth" },
      noArp: true,
    });
  }
  if (typeof address !== "number") {
    host.as(origin, () =>
      host.addRoute({ dst: { ip: fromWords(address), length: 128 }, gw: null, dev: ELSEWHERE }),
    );
    return;
  }
  const route = host.routeOf({ dst: { ip: fromIpv4(address), length: 32 }, gw: null, dev: ELSEWHERE });
  host.do({ kind: "route-add", route: { ...route, origin } });
}

/** What is known of a machine made here, where a dump would leave a doubt. */
const NOTHING_YET: readonly Operation[] = [
  { kind: "iptables-restore", ruleset: { backend: "nft", tables: new Map() }, noflush: false },
  { kind: "sysctl", name: "net.ipv4.ip_forward", value: "0" },
  { kind: "sockets", sockets: { kind: "listed", sockets: [] } },
];

/** Any machine before something is done to it: its loopback up, no rules, nothing that listens, no wish to forward. */
const BLANK: Host = blank();

function blank(): Host {
  const machine = new Netns(newNetns("", ""));
  machine.setUp("lo");
  machine.do(...NOTHING_YET);
  return machine.host;
}

/** The same where IPv6 is spoken: it has no rules of that either. */
const BLANK6: Host = { ...BLANK, ip6tables: { backend: "nft", tables: new Map() } };

/** @param six whether the machine has anything to do with IPv6 */
export function newMachine(name: string, kind: string, six: boolean, origin: Origin = ORIGIN_NONE): Netns {
  return new Netns({ ...(six ? BLANK6 : BLANK), name, kind }, origin);
}

/** A card with an address of a network of nodes' length; null: without any. */
export function addEthernet(machine: Netns, name: string, address: Ipv4 | null): void {
  machine.addDevice({
    name,
    mac: HASHED_NAMES.mac(`${machine.name} ${name}`),
    mtu: 1500,
    detail: { kind: "veth" },
  });
  if (address !== null) machine.addAddress(name, { ip: fromIpv4(address), length: NODE_NETWORK_LENGTH });
}

export function networkAround(address: Ipv4): Ipv4 {
  return networkOf({ address, length: NODE_NETWORK_LENGTH }).address;
}

/** The first address of a network that no node has. */
function firstFree(network: Ipv4, taken: ReadonlySet<Ipv4 | null>): Ipv4 {
  for (let offset = 1; ; offset++) if (!taken.has(network + offset)) return network + offset;
}

function makeSwitch(name: string, ports: number): Host {
  const machine = newMachine(name, "switch", false);
  const bridge = machine.addDevice({
    name: "br0",
    mac: HASHED_NAMES.mac(`${name} br0`),
    mtu: 1500,
    detail: NEW_BRIDGE,
  });
  const first = machine.addDevice(portOf(name, 0));
  // The others at once: a bridge looks at all its ports whenever one comes.
  for (let i = 1; i < ports; i++) {
    const { mac } = portOf(name, i);
    machine.do({
      kind: "link-add",
      device: { ...first, ifindex: bridge.ifindex + 1 + i, name: `p${i}`, mac },
    });
  }
  return machine.host;
}

function portOf(name: string, i: number): NewDevice {
  const mac = HASHED_NAMES.mac(`${name} p${i}`);
  return { name: `p${i}`, mac, mtu: 1500, detail: { kind: "veth" }, master: "br0" };
}

function wire(hostA: string, deviceA: string, hostB: string, deviceB: string): Wire {
  return { a: { host: hostA, device: deviceA }, b: { host: hostB, device: deviceB } };
}
