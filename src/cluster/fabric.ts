import { formatIpv4, type Ipv4 } from "../address/ipv4.ts";
import { contains, networkOf } from "../address/prefix.ts";
import { fromIpv4, type IpNet } from "../cni/ip.ts";
import { newNetns } from "../cni/machine.ts";
import { HASHED_NAMES } from "../cni/names.ts";
import { Netns, type NewDevice } from "../cni/netns.ts";
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
export const DEFAULT_ROUTE: IpNet = { ip: fromIpv4(0), length: 0 };

/** A device that leads nowhere that is known: what goes out by it leaves the model. */
export const ELSEWHERE = "elsewhere";

/** A node as the fabric sees it. */
export interface Cabled {
  readonly name: string;
  readonly address: Ipv4;
}

/**
 * The physical network around the nodes, as far as the objects tell nothing of it: a switch for each of the nodes'
 * networks, a gateway between them and to the outside, and one client outside. All of it is assumed, and said so.
 */
export class Fabric {
  readonly gateway = newMachine("gateway", "router");
  readonly #switches: Host[] = [];
  readonly #wires: Wire[] = [];
  /** By network: the gateway's device and address in it. */
  readonly #networks = new Map<Ipv4, { readonly device: string; readonly address: Ipv4 }>();
  readonly #outside: string;

  constructor(members: readonly Cabled[]) {
    const networks = new Map<Ipv4, Cabled[]>();
    for (const member of members) {
      const network = networkAround(member.address);
      const known = networks.get(network);
      if (known === undefined) networks.set(network, [member]);
      else known.push(member);
    }
    const taken = new Set(members.map((member) => member.address));
    this.gateway.enableForwarding(4);
    for (const [network, list] of networks) {
      const name = networks.size === 1 ? "fabric" : `fabric-${formatIpv4(network)}`;
      const address = firstFree(network, taken);
      const device = `eth${this.#networks.size}`;
      this.#networks.set(network, { device, address });
      addEthernet(this.gateway, device, address);
      this.#switches.push(makeSwitch(name, list.length + 1));
      this.#wires.push(wire("gateway", device, name, "p0"));
      for (const [i, member] of list.entries()) {
        this.#wires.push(wire(member.name, "eth0", name, `p${i + 1}`));
      }
    }
    this.#outside = `eth${networks.size}`;
    addEthernet(this.gateway, this.#outside, GATEWAY_OUTSIDE);
  }

  /** The gateway's address in a node's network. */
  gatewayOf(address: Ipv4): Ipv4 {
    return this.#of(address).address;
  }

  /** The gateway's device towards a node. */
  deviceTo(address: Ipv4): string {
    return this.#of(address).device;
  }

  /** The gateway answers for an address that it routes on, where the client takes it for a neighbour. */
  answerOutside(address: Ipv4, origin: Origin): void {
    if (!contains({ address: OUTSIDE, length: NODE_NETWORK_LENGTH }, address)) return;
    const dev = this.#outside;
    this.gateway.do({
      kind: "neighbour-replace",
      neighbour: { dst: address, dev, lladdr: null, state: "noarp", proxy: true, origin },
    });
  }

  finish(): { readonly hosts: readonly Host[]; readonly wires: readonly Wire[] } {
    const client = newMachine("internet", "external");
    addEthernet(client, "eth0", CLIENT_OUTSIDE);
    client.do({ kind: "sockets", sockets: { kind: "assumed" } });
    client.addRoute({ dst: DEFAULT_ROUTE, gw: fromIpv4(GATEWAY_OUTSIDE), dev: "eth0" });
    return {
      hosts: [...this.#switches, this.gateway.host, client.host],
      wires: [...this.#wires, wire("gateway", this.#outside, "internet", "eth0")],
    };
  }

  #of(address: Ipv4): { readonly device: string; readonly address: Ipv4 } {
    const found = this.#networks.get(networkAround(address));
    if (found === undefined) throw new RangeError(`no node has ${formatIpv4(address)}`);
    return found;
  }
}

/** Puts an address where nothing is modelled: on a host's device that leads out of the model. */
export function addElsewhere(host: Netns, address: Ipv4, origin: Origin): void {
  if (host.device(ELSEWHERE) === undefined) {
    host.addDevice({
      name: ELSEWHERE,
      mac: HASHED_NAMES.mac(`${host.name} ${ELSEWHERE}`),
      mtu: 1500,
      detail: { kind: "veth" },
      noArp: true,
    });
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

export function newMachine(name: string, kind: string, origin: Origin = ORIGIN_NONE): Netns {
  return new Netns({ ...BLANK, name, kind }, origin);
}

/** A card with an address of a network of nodes' length. */
export function addEthernet(machine: Netns, name: string, address: Ipv4): void {
  machine.addDevice({
    name,
    mac: HASHED_NAMES.mac(`${machine.name} ${name}`),
    mtu: 1500,
    detail: { kind: "veth" },
  });
  machine.addAddress(name, { ip: fromIpv4(address), length: NODE_NETWORK_LENGTH });
}

export function networkAround(address: Ipv4): Ipv4 {
  return networkOf({ address, length: NODE_NETWORK_LENGTH }).address;
}

/** The first address of a network that no node has. */
function firstFree(network: Ipv4, taken: ReadonlySet<Ipv4>): Ipv4 {
  for (let offset = 1; ; offset++) if (!taken.has(network + offset)) return network + offset;
}

function makeSwitch(name: string, ports: number): Host {
  const machine = newMachine(name, "switch");
  const bridge = machine.addDevice({
    name: "br0",
    mac: HASHED_NAMES.mac(`${name} br0`),
    mtu: 1500,
    detail: {
      kind: "bridge",
      vlanFiltering: false,
      ageingS: 300,
      nfCallIptables: false,
      nfCallIp6tables: false,
    },
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
