import { formatIpv4, type Ipv4 } from "../address/ipv4.ts";
import { networkOf } from "../address/prefix.ts";
import { fromIpv4, type IpNet } from "../cni/ip.ts";
import { newNetns } from "../cni/machine.ts";
import { HASHED_NAMES } from "../cni/names.ts";
import { Netns } from "../cni/netns.ts";
import type { Host } from "../kernel/host.ts";
import type { Operation } from "../kernel/operation.ts";
import type { Wire } from "../world/world.ts";

/**
 * The physical network around the nodes, as far as the objects tell nothing of it: a switch for each of the nodes'
 * networks, a gateway between them and to the outside, and one client outside. All of it is assumed, and said so.
 */
export interface Fabric {
  readonly hosts: readonly Host[];
  readonly wires: readonly Wire[];
  /** The gateway's address in a node's network. */
  gatewayOf(address: Ipv4): Ipv4;
}

/** Nodes' addresses are taken to lie in networks of this length: nothing in the objects says. */
export const NODE_NETWORK_LENGTH = 24;

/** Addresses outside, of a range kept for documentation (RFC 5737). */
const OUTSIDE = (203 << 24) | (113 << 8);
const CLIENT_OUTSIDE = OUTSIDE + 10;
const GATEWAY_OUTSIDE = OUTSIDE + 254;
export const DEFAULT_ROUTE: IpNet = { ip: fromIpv4(0), length: 0 };

/** A node as the fabric sees it. */
export interface Member {
  readonly name: string;
  readonly address: Ipv4;
}

export function buildFabric(members: readonly Member[]): Fabric {
  const networks = new Map<Ipv4, Member[]>();
  for (const member of members) {
    const network = networkOf({ address: member.address, length: NODE_NETWORK_LENGTH }).address;
    networks.set(network, [...(networks.get(network) ?? []), member]);
  }
  const taken = new Set(members.map((member) => member.address));
  const hosts: Host[] = [];
  const wires: Wire[] = [];
  const gateway = newMachine("gateway", "router");
  gateway.enableForwarding(4);
  const gateways = new Map<Ipv4, Ipv4>();
  for (const [network, list] of networks) {
    const name = networks.size === 1 ? "fabric" : `fabric-${formatIpv4(network)}`;
    const own = firstFree(network, taken);
    gateways.set(network, own);
    const device = `eth${gateways.size - 1}`;
    addEthernet(gateway, device, own);
    hosts.push(makeSwitch(name, list.length + 1));
    wires.push(wire("gateway", device, name, "p0"));
    list.forEach((member, i) => {
      wires.push(wire(member.name, "eth0", name, `p${i + 1}`));
    });
  }
  const out = `eth${gateways.size}`;
  addEthernet(gateway, out, GATEWAY_OUTSIDE);
  const client = newMachine("internet", "external");
  addEthernet(client, "eth0", CLIENT_OUTSIDE);
  client.do({ kind: "sockets", sockets: { kind: "assumed" } });
  client.addRoute({ dst: DEFAULT_ROUTE, gw: fromIpv4(GATEWAY_OUTSIDE), dev: "eth0" });
  wires.push(wire("gateway", out, "internet", "eth0"));
  hosts.push(gateway.host, client.host);
  return {
    hosts,
    wires,
    gatewayOf: (address) => gateways.get(networkOf({ address, length: NODE_NETWORK_LENGTH }).address) as Ipv4,
  };
}

/** A machine with its loopback up, no rules, nothing that listens, and no wish to forward. */
export function newMachine(name: string, kind: string): Netns {
  const machine = new Netns(newNetns(name, kind));
  machine.setUp("lo");
  machine.do(...NOTHING_YET);
  return machine;
}

/** What is known of a machine made here, where a dump would leave a doubt. */
export const NOTHING_YET: readonly Operation[] = [
  { kind: "iptables-restore", ruleset: { backend: "nft", tables: new Map() }, noflush: false },
  { kind: "sysctl", name: "net.ipv4.ip_forward", value: "0" },
  { kind: "sockets", sockets: { kind: "listed", sockets: [] } },
];

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

/** The first address of a network that no node has. */
function firstFree(network: Ipv4, taken: ReadonlySet<Ipv4>): Ipv4 {
  for (let offset = 1; ; offset++) if (!taken.has(network + offset)) return network + offset;
}

function makeSwitch(name: string, ports: number): Host {
  const machine = newMachine(name, "switch");
  machine.addDevice({
    name: "br0",
    mac: HASHED_NAMES.mac(`${name} br0`),
    mtu: 1500,
    detail: { kind: "bridge", vlanFiltering: false, ageingS: 300, nfCallIptables: false },
  });
  for (let i = 0; i < ports; i++) {
    machine.addDevice({
      name: `p${i}`,
      mac: HASHED_NAMES.mac(`${name} p${i}`),
      mtu: 1500,
      detail: { kind: "veth" },
      master: "br0",
    });
  }
  return machine.host;
}

function wire(hostA: string, deviceA: string, hostB: string, deviceB: string): Wire {
  return { a: { host: hostA, device: deviceA }, b: { host: hostB, device: deviceB } };
}
