import { formatIpv4, type Ipv4 } from "../address/ipv4.ts";
import { contains, networkOf } from "../address/prefix.ts";
import { applyOperations } from "../kernel/apply-operation.ts";
import type { Device, InterfaceAddress } from "../kernel/device/device.ts";
import type { Host } from "../kernel/host.ts";
import { ORIGIN_NONE } from "../kernel/origin.ts";
import { kernelRoutes } from "../kernel/route/kernel-routes.ts";
import type { Wire, WireEnd, World } from "../world/world.ts";
import type { Cluster } from "./build-cluster.ts";

/**
 * A cluster some of whose nodes are hosts of a snapshot: those are as the snapshot has them, and what was programmed in
 * their place goes. Their pods that no snapshot holds are put behind the device that the node itself sends to them by; the
 * network between the nodes is joined to the card that has the node's address.
 *
 * @param nodes names of the Node objects
 */
export function withSnapshotNodes(
  cluster: Cluster,
  nodes: ReadonlySet<string>,
  snapshots: readonly World[],
): Cluster {
  const known = new Map<string, Host>();
  const wired = new Set<string>();
  for (const { hosts, wires } of snapshots) {
    for (const [name, host] of hosts) known.set(name, host);
    for (const { a, b } of wires) wired.add(keyOf(a)).add(keyOf(b));
  }
  const replaced = [...nodes].filter((name) => known.has(name));
  if (replaced.length === 0) return cluster;
  const joiner = new Joiner(cluster, known, wired);
  for (const name of replaced) joiner.replace(name);
  return joiner.finish();
}

class Joiner {
  readonly #cluster: Cluster;
  readonly #known: ReadonlyMap<string, Host>;
  readonly #wired: Set<string>;
  readonly #hosts: Map<string, Host>;
  #wires: Wire[];
  readonly #hostOfPod: Map<string, string>;
  readonly #assumptions: string[] = [];

  constructor(cluster: Cluster, known: ReadonlyMap<string, Host>, wired: Set<string>) {
    this.#cluster = cluster;
    this.#known = known;
    this.#wired = wired;
    this.#hosts = new Map(cluster.world.hosts);
    this.#wires = [...cluster.world.wires];
    this.#hostOfPod = new Map(cluster.hostOfPod);
  }

  replace(name: string): void {
    const built = this.#hosts.get(name);
    const node = this.#known.get(name) as Host;
    const ends = this.#wires.filter(({ a, b }) => a.host === name || b.host === name);
    this.#wires = this.#wires.filter((wire) => !ends.includes(wire));
    this.#hosts.delete(name);
    const outside: string[] = [];
    for (const { a, b } of ends) {
      const [own, other] = a.host === name ? [a, b] : [b, a];
      const isPod = this.#hosts.get(other.host)?.kind === "pod";
      if (isPod && !this.#joinPod(node, other)) outside.push(other.host);
      if (!isPod && built !== undefined) this.#joinFabric(node, built, own, other);
    }
    if (outside.length > 0) {
      this.#assumptions.push(
        `${name}: its snapshot shows no device that leads to ${listed(outside)}: ${outside.length === 1 ? "it is" : "they are"} outside the model`,
      );
    }
  }

  finish(): Cluster {
    const { world, assumptions } = this.#cluster;
    return {
      ...this.#cluster,
      world: { ...world, hosts: this.#hosts, wires: this.#wires },
      hostOfPod: this.#hostOfPod,
      assumptions: [...assumptions, ...this.#assumptions],
    };
  }

  /** The cable to the other nodes goes to the device with the address that the objects give the node. */
  #joinFabric(node: Host, built: Host, own: WireEnd, other: WireEnd): void {
    const address = built.addresses.find(({ dev }) => dev === own.device)?.address;
    const found = node.addresses.find((each) => each.address === address);
    if (found === undefined || this.#isWired(node.name, found.dev)) return;
    this.#wire({ host: node.name, device: found.dev }, other);
    this.#giveGateway(node, found, other.host);
  }

  /** The gateway gets the address under which the node knows its own. */
  #giveGateway(node: Host, card: InterfaceAddress, fabric: string): void {
    const gateway = this.#hosts.get("gateway");
    const hop = node.routes
      .filter(({ dst, table }) => dst.length === 0 && table === "main")
      .flatMap(({ nextHops }) => nextHops)
      .find(({ dev, gateway: via }) => dev === card.dev && via !== null)?.gateway;
    const port = this.#wires.find(
      ({ a, b }) =>
        (a.host === "gateway" && b.host === fabric) || (b.host === "gateway" && a.host === fabric),
    );
    if (gateway === undefined || hop === undefined || hop === null || port === undefined) return;
    if ([...this.#hosts.values(), node].some((host) => host.addresses.some((each) => each.address === hop)))
      return;
    const device = port.a.host === "gateway" ? port.a.device : port.b.device;
    this.#hosts.set("gateway", withAddress(gateway, device, hop, card.length));
  }

  /** True when the pod is part of the model: a snapshot's host of its name, or put behind a device of the node. */
  #joinPod(node: Host, { host: name, device }: WireEnd): boolean {
    const pod = this.#hosts.get(name) as Host;
    this.#hosts.delete(name);
    const bare = name.split(".")[0] ?? name;
    const own = [name, bare].find((each) => this.#known.has(each));
    if (own !== undefined) {
      for (const [key, host] of this.#hostOfPod) if (host === name) this.#hostOfPod.set(key, own);
      return true;
    }
    const [address] = pod.addresses.filter(({ dev }) => dev === device);
    const behind = address === undefined ? undefined : this.#deviceTo(node, address.address);
    if (behind === undefined || address === undefined) return false;
    const neighbour = node.neighbours.find((each) => each.dst === address.address && each.lladdr !== null);
    const gateway = node.addresses.find((each) => each.dev === behind.gatewayDevice)?.address;
    this.#hosts.set(name, adapted(pod, device, neighbour?.lladdr ?? null, behind.port.mtu, gateway));
    this.#wire({ host: node.name, device: behind.port.name }, { host: name, device });
    if (!behind.isExact) {
      this.#assumptions.push(
        `${name} is taken to be behind ${behind.port.name} of ${node.name}: which port is its own nothing shows`,
      );
    }
    return true;
  }

  /** The device that a node's own routes send to an address by; of a bridge, the port its tables name, or a free one. */
  #deviceTo(
    node: Host,
    address: Ipv4,
  ): { readonly port: Device; readonly gatewayDevice: string; readonly isExact: boolean } | undefined {
    const [route] = node.routes
      .filter(
        ({ table, dst, type }) =>
          table === "main" && type === "unicast" && dst.length > 0 && contains(dst, address),
      )
      .sort((a, b) => b.dst.length - a.dst.length);
    const dev = route?.nextHops[0]?.gateway === null ? route.nextHops[0].dev : null;
    const device = node.devices.find(({ name }) => name === dev);
    if (device === undefined) return undefined;
    if (device.detail.kind !== "bridge") {
      const isOwn = route?.dst.length === 32 && !this.#isWired(node.name, device.name);
      return isOwn ? { port: device, gatewayDevice: device.name, isExact: true } : undefined;
    }
    const ports = node.devices.filter(
      ({ name, master }) => master === device.name && !this.#isWired(node.name, name),
    );
    const mac = node.neighbours.find(({ dst, lladdr }) => dst === address && lladdr !== null)?.lladdr;
    const learned = node.fdb.find((entry) => mac !== undefined && entry.mac === mac)?.dev;
    const exact = ports.find(({ name }) => name === learned);
    const port =
      exact ??
      ports.find(
        ({ name }) => !node.fdb.some((entry) => entry.dev === name && entry.state === "reachable"),
      ) ??
      ports[0];
    return port === undefined
      ? undefined
      : { port, gatewayDevice: device.name, isExact: exact !== undefined };
  }

  #isWired(host: string, device: string): boolean {
    return this.#wired.has(keyOf({ host, device }));
  }

  #wire(a: WireEnd, b: WireEnd): void {
    this.#wired.add(keyOf(a)).add(keyOf(b));
    this.#wires.push({ a, b });
  }
}

/** A pod as its node knows it: the hardware address, the size of packets and the gateway that are in the node's state. */
function adapted(
  pod: Host,
  device: string,
  mac: Device["mac"] | null,
  mtu: number,
  gateway: Ipv4 | undefined,
): Host {
  return {
    ...pod,
    devices: pod.devices.map((each) =>
      each.name === device ? { ...each, mtu, ...(mac === null ? {} : { mac }) } : each,
    ),
    routes: pod.routes.map((route) => ({
      ...route,
      nextHops: route.nextHops.map((hop) =>
        hop.gateway === null || gateway === undefined ? hop : { ...hop, gateway },
      ),
    })),
  };
}

function withAddress(host: Host, dev: string, address: Ipv4, length: number): Host {
  const own: InterfaceAddress = {
    ...{ dev, address, length, broadcast: null, scope: "global" as const, secondary: false },
    ...{ peer: null, label: null, origin: ORIGIN_NONE },
  };
  const device = host.devices.find(({ name }) => name === dev);
  if (device === undefined) return host;
  const network = networkOf({ address, length });
  const isThere = host.routes.some(({ dst }) => dst.address === network.address && dst.length === length);
  const routes = kernelRoutes(device, [own], null).filter(({ table }) => table === "local" || !isThere);
  const added = applyOperations(host, [
    { kind: "address-add", address: own },
    ...routes.map((route) => ({ kind: "route-replace", route }) as const),
  ]);
  if (added.kind === "ok") return added.host;
  throw new Error(`${host.name} cannot have ${formatIpv4(address)}: ${added.errors[0]?.message}`);
}

function keyOf({ host, device }: WireEnd): string {
  return `${host} ${device}`;
}

function listed(names: readonly string[]): string {
  const some = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${some} and ${names.length - 3} more pods` : some;
}
