import { firstOfFamily } from "../address/family-name.ts";
import { type Family, formatIp, type IpAddress, parseIp } from "../address/ip.ts";
import { networkOf } from "../address/prefix.ts";
import { networkOf6 } from "../address/prefix6.ts";
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
  /** Of all addresses here, which are canonical text: a cluster of both families is looked at in each. */
  readonly family: Family;
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
  readonly address: string | null;
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
  readonly address: string | null;
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
  readonly address: string | null;
  readonly ports: readonly ServicePort[];
  /** Addresses that its EndpointSlices hold as ready. */
  readonly endpoints: ReadonlySet<string>;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
}

/** Asked where a pod declares nothing, and so is taken to listen everywhere. */
const ANY_PORT: Port = { proto: "tcp", port: 80 };
/** Of a dumped host's listening ports so many are asked. */
const PORTS_OF_DUMP = 3;

export function clusterMembers(
  world: World,
  inventory: Inventory | null,
  family: Family = 4,
): ClusterMembers {
  return new Members(world, inventory, family).build();
}

/** The cluster in each family that its pods have addresses of; where none has any, in IPv4. */
export function membersByFamily(world: World, inventory: Inventory | null): readonly ClusterMembers[] {
  const found = ([4, 6] as const)
    .map((family) => clusterMembers(world, inventory, family))
    .filter(({ pods }) => pods.some(({ address, sharesNode }) => address !== null && !sharesNode));
  return found.length > 0 ? found : [clusterMembers(world, inventory)];
}

class Members {
  readonly #world: World;
  readonly #inventory: Inventory | null;
  readonly #nodes = new Map<string, NodeMember>();

  readonly #family: Family;

  constructor(world: World, inventory: Inventory | null, family: Family) {
    this.#family = family;
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
    return {
      world: this.#world,
      family: this.#family,
      nodes: [...this.#nodes.values()],
      pods,
      services,
      outside,
    };
  }

  /** The first of the family, canonical. */
  #ofFamily(texts: readonly string[]): string | undefined {
    const found = firstOfFamily(texts, this.#family === 4 ? "IPv4" : "IPv6");
    return found === undefined ? undefined : formatIp(parseIp(found) as IpAddress);
  }

  #addNodes(): void {
    for (const { metadata, status } of this.#inventory?.objects.list("Node") ?? []) {
      const { name } = metadata;
      const host = this.#world.hosts.get(name);
      if (host === undefined) continue;
      const internal = (status?.addresses ?? []).filter(({ type }) => type === "InternalIP");
      const address =
        this.#ofFamily(internal.map((own) => own.address)) ?? globalAddresses(host, this.#family)[0] ?? null;
      this.#nodes.set(name, { host: name, ref: `node/${name}`, name, address });
    }
    for (const host of this.#world.hosts.values()) {
      const { name, kind } = host;
      if (kind !== "node" || this.#nodes.has(name)) continue;
      const address = globalAddresses(host, this.#family)[0] ?? null;
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
            this.#ofFamily([
              pod.status?.podIP ?? "",
              ...(pod.status?.podIPs ?? []).map(({ ip = "" }) => ip),
            ]) ??
            globalAddresses(this.#world.hosts.get(host) as Host, this.#family)[0] ??
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
        address: globalAddresses(host, this.#family)[0] ?? null,
        node: beside === undefined ? null : (this.#nodes.get(beside) ?? null),
        unmodelled: unmodelledKind(host, this.#family),
        sharesNode: false,
        ports: listeningPorts(host),
      };
    });
  }

  #services({ objects }: Inventory): ServiceMember[] {
    const endpoints = new Map<string, Set<string>>();
    for (const slice of objects.list("EndpointSlice")) {
      const service = slice.metadata.labels?.["kubernetes.io/service-name"];
      if (service === undefined) continue;
      const key = `${namespaceOf(slice)}/${service}`;
      const known = endpoints.get(key) ?? new Set();
      endpoints.set(key, known);
      for (const { addresses, conditions } of slice.endpoints) {
        if (conditions?.ready === false) continue;
        for (const text of addresses) {
          const address = this.#ofFamily([text]);
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
          address: this.#ofFamily([spec.clusterIP ?? "", ...(spec.clusterIPs ?? [])]) ?? null,
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
function unmodelledKind(host: Host, family: Family): string | null {
  const [address] = globalAddresses(host, family);
  const dev = addressesOf(host, family).find((own) => own.address === address)?.dev;
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

/** An address of a host as the principles compare them. */
interface HostAddress {
  readonly address: string;
  readonly length: number;
  readonly dev: string;
  readonly isGlobal: boolean;
  readonly secondary: boolean;
}

/** A host's addresses of a family. */
export function addressesOf({ addresses, addresses6 }: Host, family: Family): HostAddress[] {
  const own: readonly {
    readonly address: IpAddress;
    readonly length: number;
    readonly dev: string;
    readonly scope: string;
    readonly secondary?: boolean;
  }[] = family === 4 ? addresses : addresses6;
  return own.map(({ address, length, dev, scope, secondary = false }) => ({
    ...{ address: formatIp(address), length, dev, isGlobal: scope === "global", secondary },
  }));
}

/** Addresses that others can reach, in the order of `ip addr`, a device's first before its further ones. */
export function globalAddresses(host: Host, family: Family): string[] {
  const global = addressesOf(host, family).filter(({ isGlobal }) => isGlobal);
  return [
    ...global.filter(({ secondary }) => !secondary),
    ...global.filter(({ secondary }) => secondary),
  ].map(({ address }) => address);
}

/** Networks that pods' own devices lie in, as prefixes. */
export function podNetworks({ world, pods, family }: ClusterMembers): string[] {
  const networks = new Set<string>();
  for (const { host, sharesNode } of pods) {
    const found = sharesNode ? undefined : world.hosts.get(host);
    if (found === undefined) continue;
    for (const { address, length, isGlobal } of addressesOf(found, family)) {
      const ip = parseIp(address);
      if (!isGlobal || ip === undefined) continue;
      const network =
        typeof ip === "number"
          ? networkOf({ address: ip, length }).address
          : networkOf6({ address: ip, length }).address;
      networks.add(`${formatIp(network)}/${length}`);
    }
  }
  return [...networks];
}
