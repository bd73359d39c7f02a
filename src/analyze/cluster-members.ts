import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import { networkOf, type Prefix4 } from "../address/prefix.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { Host } from "../kernel/host.ts";
import { keyOf, namespaceOf, type Pod, type Service } from "../object/kubernetes-object.ts";
import { Network } from "../walk/network.ts";
import type { World } from "../world/world.ts";

/**
 * Who is who in a World: its nodes, pods, Services and the machines outside, with what is said of each: by the objects where
 * there are some, else by the host's own kind and addresses. What the kernels make of it is for the walk to show.
 */
export interface ClusterMembers {
  readonly world: World;
  readonly nodes: readonly NodeMember[];
  readonly pods: readonly PodMember[];
  /** null where the source holds no objects, so that nobody knows the Services. */
  readonly services: readonly ServiceMember[] | null;
  readonly outside: readonly Place[];
}

/** A host to ask from, and how `hopscope trace` is told of it. */
export interface Place {
  readonly host: string;
  /** `pod/shop/web-0`, `node/n1`, `host/kworker-7` */
  readonly ref: string;
}

export interface NodeMember extends Place {
  readonly name: string;
  /** Its `InternalIP`; of a dumped host the first address that others can reach. */
  readonly address: Ipv4 | null;
}

export interface Port {
  readonly proto: "tcp" | "udp" | "sctp";
  readonly port: number;
}

export interface PodMember extends Place {
  /** `namespace/name`; of a dumped host its name. */
  readonly name: string;
  readonly namespace: string;
  /** `status.podIP`; of a dumped host the first address that others can reach. */
  readonly address: Ipv4 | null;
  readonly node: NodeMember | null;
  /** Kind of the device that bears its address, where frames into that are not walked. */
  readonly unmodelled: string | null;
  /** It has no network of its own (`hostNetwork`). */
  readonly sharesNode: boolean;
  /** What its containers listen on, as declared, or as dumped; any port where nothing says. */
  readonly ports: readonly Port[];
}

export interface ServicePort extends Port {
  readonly nodePort: number | null;
}

export interface ServiceMember {
  readonly name: string;
  /** `svc/shop/web` */
  readonly ref: string;
  /** null: headless. */
  readonly address: Ipv4 | null;
  readonly ports: readonly ServicePort[];
  /** Addresses that its EndpointSlices hold as ready. */
  readonly endpoints: ReadonlySet<Ipv4>;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
}

/** Asked where a pod declares nothing, and so is taken to listen everywhere. */
const ANY_PORT: Port = { proto: "tcp", port: 80 };
/** Of a dumped host's listening ports so many are asked. */
const PORTS_OF_DUMP = 3;

export function clusterMembers(world: World, inventory: Inventory | null): ClusterMembers {
  return new Members(world, inventory).build();
}

class Members {
  readonly #world: World;
  readonly #inventory: Inventory | null;
  readonly #nodes = new Map<string, NodeMember>();

  constructor(world: World, inventory: Inventory | null) {
    this.#world = world;
    this.#inventory = inventory;
  }

  build(): ClusterMembers {
    this.#addNodes();
    const pods = [...this.#declaredPods(), ...this.#dumpedPods()];
    const outside = [...this.#world.hosts.values()]
      .filter(({ kind }) => kind === "external")
      .map(({ name }): Place => ({ host: name, ref: `host/${name}` }));
    const services = this.#inventory === null ? null : this.#services(this.#inventory);
    return { world: this.#world, nodes: [...this.#nodes.values()], pods, services, outside };
  }

  #addNodes(): void {
    for (const { metadata, status } of this.#inventory?.objects.list("Node") ?? []) {
      const { name } = metadata;
      const host = this.#world.hosts.get(name);
      if (host === undefined) continue;
      const internal = status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
      const address = parseIpv4(internal ?? "") ?? globalAddresses(host)[0] ?? null;
      this.#nodes.set(name, { host: name, ref: `node/${name}`, name, address });
    }
    for (const host of this.#world.hosts.values()) {
      const { name, kind } = host;
      if (kind !== "node" || this.#nodes.has(name)) continue;
      const address = globalAddresses(host)[0] ?? null;
      this.#nodes.set(name, { host: name, ref: `node/${name}`, name, address });
    }
  }

  #declaredPods(): PodMember[] {
    const inventory = this.#inventory;
    if (inventory === null) return [];
    return inventory.objects.list("Pod").flatMap((pod): PodMember[] => {
      const name = keyOf(pod);
      const host = inventory.hostOfPod.get(name);
      if (host === undefined || !this.#world.hosts.has(host)) return [];
      return [
        {
          host,
          ref: `pod/${name}`,
          name,
          namespace: namespaceOf(pod),
          address:
            parseIpv4(pod.status?.podIP ?? "") ??
            globalAddresses(this.#world.hosts.get(host) as Host)[0] ??
            null,
          node: this.#nodes.get(pod.spec.nodeName ?? "") ?? null,
          unmodelled: null,
          sharesNode: pod.spec.hostNetwork === true,
          ports: declaredPorts(pod),
        },
      ];
    });
  }

  /** Hosts of the kind pod that no object names. */
  #dumpedPods(): PodMember[] {
    const declared = new Set(this.#inventory?.hostOfPod.values());
    const hosts = [...this.#world.hosts.values()].filter(
      ({ kind, name }) => kind === "pod" && !declared.has(name),
    );
    if (hosts.length === 0) return [];
    const { graph } = new Network(this.#world);
    return hosts.map((host): PodMember => {
      const { name } = host;
      const beside = graph.neighbors(name).find((other) => this.#nodes.has(other));
      return {
        ...{ host: name, ref: `host/${name}`, name, namespace: "" },
        address: globalAddresses(host)[0] ?? null,
        node: beside === undefined ? null : (this.#nodes.get(beside) ?? null),
        unmodelled: unmodelledKind(host),
        sharesNode: false,
        ports: listeningPorts(host),
      };
    });
  }

  #services({ objects }: Inventory): ServiceMember[] {
    const endpoints = new Map<string, Set<Ipv4>>();
    for (const slice of objects.list("EndpointSlice")) {
      const service = slice.metadata.labels?.["kubernetes.io/service-name"];
      if (service === undefined) continue;
      const key = `${namespaceOf(slice)}/${service}`;
      const known = endpoints.get(key) ?? new Set();
      endpoints.set(key, known);
      for (const { addresses, conditions } of slice.endpoints) {
        if (conditions?.ready === false) continue;
        for (const text of addresses) {
          const address = parseIpv4(text);
          if (address !== undefined) known.add(address);
        }
      }
    }
    return objects.list("Service").flatMap((service): ServiceMember[] => {
      const { spec } = service;
      const name = keyOf(service);
      if (spec.type === "ExternalName") return [];
      return [
        {
          name,
          ref: `svc/${name}`,
          address: parseIpv4(spec.clusterIP ?? "") ?? null,
          ports: servicePorts(service),
          endpoints: endpoints.get(name) ?? new Set(),
          internalLocal: spec.internalTrafficPolicy === "Local",
          externalLocal: spec.externalTrafficPolicy === "Local",
        },
      ];
    });
  }
}

/** The kind of the device that bears the first address, where it is not modelled. */
function unmodelledKind(host: Host): string | null {
  const [address] = globalAddresses(host);
  const dev = host.addresses.find((own) => own.address === address)?.dev;
  const detail = host.devices.find(({ name }) => name === dev)?.detail;
  return detail?.kind === "unmodelled" ? detail.type : null;
}

/** What verification passes over, one line each. */
export function leftOut({ pods }: ClusterMembers): string[] {
  const kinds = new Map<string, number>();
  for (const { unmodelled } of pods) {
    if (unmodelled !== null) kinds.set(unmodelled, (kinds.get(unmodelled) ?? 0) + 1);
  }
  return [...kinds].map(
    ([kind, n]) =>
      `${n} ${n === 1 ? "pod" : "pods"} on devices of the kind ${kind}, which is not modelled yet`,
  );
}

function declaredPorts({ spec }: Pod): readonly Port[] {
  const ports = spec.containers.flatMap((container) =>
    (container.ports ?? []).flatMap(({ protocol, containerPort }) => portOf(protocol, containerPort)),
  );
  return ports.length === 0 && spec.hostNetwork !== true ? [ANY_PORT] : ports;
}

function servicePorts({ spec }: Service): ServicePort[] {
  return (spec.ports ?? []).flatMap(({ protocol, port, nodePort }) =>
    portOf(protocol, port).map((each) => ({ ...each, nodePort: nodePort ?? null })),
  );
}

function portOf(protocol: string | undefined, port: number): Port[] {
  const proto = (protocol ?? "TCP").toLowerCase();
  return proto === "tcp" || proto === "udp" || proto === "sctp" ? [{ proto, port }] : [];
}

function listeningPorts({ sockets }: Host): readonly Port[] {
  if (sockets.kind === "assumed") return [ANY_PORT];
  return sockets.sockets
    .filter(({ address, dev, app }) => address === null && dev === null && app.kind === "line")
    .flatMap(({ proto, port }) => portOf(proto, port))
    .slice(0, PORTS_OF_DUMP);
}

/** A TCP port that something listens on at every address of the node; null where nothing says. */
export function portOfNode({ world }: ClusterMembers, { host }: NodeMember): Port | null {
  const sockets = world.hosts.get(host)?.sockets;
  if (sockets?.kind !== "listed") return null;
  const found = sockets.sockets.find(
    ({ proto, address, dev, app }) =>
      proto === "tcp" && address === null && dev === null && app.kind === "line",
  );
  return found === undefined ? null : { proto: "tcp", port: found.port };
}

/** Addresses that others can reach, in the order of `ip addr`, a device's first before its further ones. */
export function globalAddresses({ addresses }: Host): Ipv4[] {
  const global = addresses.filter(({ scope }) => scope === "global");
  return [
    ...global.filter(({ secondary }) => !secondary),
    ...global.filter(({ secondary }) => secondary),
  ].map(({ address }) => address);
}

/** Networks that pods' own devices lie in. */
export function podNetworks({ world, pods }: ClusterMembers): Prefix4[] {
  const networks = new Map<string, Prefix4>();
  for (const { host, sharesNode } of pods) {
    if (sharesNode) continue;
    for (const { address, length, scope } of world.hosts.get(host)?.addresses ?? []) {
      if (scope !== "global") continue;
      const network = networkOf({ address, length });
      networks.set(`${formatIpv4(network.address)}/${length}`, network);
    }
  }
  return [...networks.values()];
}
