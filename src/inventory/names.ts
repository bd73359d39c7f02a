import { type Family, formatIp, type IpAddress, parseIp } from "../address/ip.ts";
import { formatIpPrefix, type IpPrefix, liesIn, parseIpPrefix } from "../address/ip-prefix.ts";
import type { Host } from "../kernel/host.ts";
import { controllerOf, keyOf, namespaceOf, type Pod } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import type { World } from "../world/world.ts";
import { Services, serviceText } from "./services.ts";

/** What an address is. */
export type AddressRole =
  | { readonly kind: "pod"; readonly host: string | null; readonly text: string }
  | {
      readonly kind: "service";
      readonly as: "cluster IP" | "external IP";
      readonly namespace: string;
      readonly name: string;
      readonly text: string;
    }
  | { readonly kind: "node" | "host"; readonly host: string; readonly text: string }
  | { readonly kind: "network"; readonly text: string };

/** What a cluster's objects tell beside the World. */
export interface ObjectNames {
  readonly objects: Lister;
  /** Key of a Pod to the name of its host. */
  readonly hostOfPod: ReadonlyMap<string, string>;
  /** The networks of cluster IPs, of each family; none where they are not known. */
  readonly serviceCidrs: readonly IpPrefix[];
}

/**
 * What the hosts and addresses of a World are called: by the objects where there are some, otherwise by the hosts' own names
 * and what kube-proxy's rules say. Made for one World; asked when a trace is shown.
 */
export class Names {
  readonly world: World;
  readonly objects: Lister | null;
  readonly serviceCidrs: readonly IpPrefix[];
  readonly #hostOfPod: ReadonlyMap<string, string>;
  /** Made when first asked for: most traces arrive, and ask for little. */
  #services: Services | null = null;
  #podOfHost: ReadonlyMap<string, Pod> | null = null;
  #hostsAt: ReadonlyMap<string, string> | null = null;
  #nodeOfHost: ReadonlyMap<string, string> | null = null;

  constructor(world: World, known: ObjectNames | null = null) {
    this.world = world;
    this.objects = known?.objects ?? null;
    this.serviceCidrs = known?.serviceCidrs ?? [];
    this.#hostOfPod = known?.hostOfPod ?? new Map();
  }

  get services(): Services {
    this.#services ??= new Services(this.world, this.objects);
    return this.#services;
  }

  /** The Pod that a host is; undefined for others, and where no objects are known. */
  podOf(host: string): Pod | undefined {
    this.#podOfHost ??= this.#podsByHost();
    return this.#podOfHost.get(host);
  }

  #podsByHost(): ReadonlyMap<string, Pod> {
    const found = new Map<string, Pod>();
    for (const [key, host] of this.#hostOfPod) {
      const pod = this.objects?.get("Pod", key);
      if (pod !== undefined && pod.spec.hostNetwork !== true) found.set(host, pod);
    }
    return found;
  }

  hostOfPod(pod: Pod): string | undefined {
    return this.#hostOfPod.get(keyOf(pod));
  }

  hostAt(address: string): Host | undefined {
    this.#hostsAt ??= hostsByAddress(this.world);
    const name = this.#hostsAt.get(address);
    return name === undefined ? undefined : this.world.hosts.get(name);
  }

  /** The node that a pod's host is wired to, or that it is itself. */
  nodeOf(host: string): string | undefined {
    if (this.world.hosts.get(host)?.kind === "node") return host;
    this.#nodeOfHost ??= nodesByPod(this.world);
    return this.#nodeOfHost.get(host) ?? this.podOf(host)?.spec.nodeName;
  }

  isInCluster(host: string): boolean {
    const kind = this.world.hosts.get(host)?.kind;
    return kind === "pod" || kind === "node";
  }

  /** `pod default/web-0`, `node1`, `gateway`: a host's name with what it is. */
  host(name: string): string {
    const pod = this.podOf(name);
    return pod === undefined ? name : `pod ${keyOf(pod)}`;
  }

  /** What else is worth knowing of a host: `Deployment web, on node2`; empty for nothing. */
  aboutHost(name: string): string {
    const pod = this.podOf(name);
    const workload = pod === undefined ? undefined : this.workloadOf(pod);
    const node = this.nodeOf(name);
    return [workload ?? "", node === undefined || node === name ? "" : `on ${node}`]
      .filter((part) => part !== "")
      .join(", ");
  }

  /** What made a pod, as people call it: the Deployment behind its ReplicaSet. */
  workloadOf(pod: Pod): string | undefined {
    const owner = controllerOf(pod);
    if (owner === undefined) return undefined;
    const set =
      owner.kind === "ReplicaSet"
        ? this.objects?.get("ReplicaSet", `${namespaceOf(pod)}/${owner.name}`)
        : undefined;
    const above = (set === undefined ? undefined : controllerOf(set)) ?? owner;
    return `${above.kind} ${above.name}`;
  }

  /** What an address is; undefined where nothing is known of it. */
  describe(address: string): AddressRole | undefined {
    const service = this.services.at(address);
    if (service !== undefined) {
      const as = service.clusterIps.has(address) ? "cluster IP" : "external IP";
      const { namespace, name } = service;
      return { kind: "service", as, namespace, name, text: serviceText(service) };
    }
    const host = this.hostAt(address);
    if (host !== undefined) {
      const text = this.host(host.name);
      if (host.kind === "pod") return { kind: "pod", host: host.name, text };
      return { kind: host.kind === "node" ? "node" : "host", host: host.name, text };
    }
    const pod = this.objects?.podsAt(address)[0];
    if (pod !== undefined) return { kind: "pod", host: null, text: `pod ${keyOf(pod)}` };
    const network = this.networkOf(address);
    return network === undefined ? undefined : { kind: "network", text: network };
  }

  /** The network of the cluster an address would lie in: `pods of node2 (10.244.1.0/24)`, `Services (10.96.0.0/12)`. */
  networkOf(address: string): string | undefined {
    const read = parseIp(address);
    if (read === undefined) return undefined;
    const pods = this.podNetworkOf(read);
    if (pods !== undefined) return `pods of ${pods.node} (${formatIpPrefix(pods.prefix)})`;
    const cidr = this.serviceRangeOf(read);
    return cidr === undefined ? undefined : `Services (${formatIpPrefix(cidr)})`;
  }

  /** The network of cluster IPs that an address lies in. */
  serviceRangeOf(address: IpAddress): IpPrefix | undefined {
    return this.serviceCidrs.find((cidr) => liesIn(cidr, address));
  }

  /** The node whose pods have addresses like this one, and their prefix. */
  podNetworkOf(address: IpAddress): { readonly node: string; readonly prefix: IpPrefix } | undefined {
    for (const { spec, metadata } of this.objects?.list("Node") ?? []) {
      for (const text of [spec?.podCIDR ?? "", ...(spec?.podCIDRs ?? [])]) {
        const prefix = parseIpPrefix(text);
        if (prefix !== undefined && liesIn(prefix, address)) return { node: metadata.name, prefix };
      }
    }
    for (const host of this.world.hosts.values()) {
      if (host.kind !== "node") continue;
      const bridges = new Set(
        host.devices.filter(({ detail }) => detail.kind === "bridge").map(({ name }) => name),
      );
      for (const { dst, type, nextHops } of [...host.routes, ...host.routes6]) {
        const [hop] = nextHops;
        const isOwn =
          type === "unicast" && hop !== undefined && hop.gateway === null && bridges.has(hop.dev ?? "");
        // Every bridge of IPv6 has a link-local network of its own.
        const isShared = typeof dst.address !== "number" && dst.address[0] >>> 22 === 0x3fa;
        if (isOwn && !isShared && dst.length > 0 && liesIn(dst, address))
          return { node: host.name, prefix: dst };
      }
    }
    return undefined;
  }
}

/** The first host with an address; 127.0.0.1 and ::1 are everybody's, link-local ones of their links. */
function hostsByAddress({ hosts }: World): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { name, addresses, addresses6 } of hosts.values()) {
    for (const { address } of [...addresses, ...addresses6]) {
      const text = formatIp(address);
      if (!/^(?:127\.|::1$|fe80:)/.test(text) && !found.has(text)) found.set(text, name);
    }
  }
  return found;
}

/** A pod is wired to its node. */
function nodesByPod({ hosts, wires }: World): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { a, b } of wires) {
    const [kindA, kindB] = [hosts.get(a.host)?.kind, hosts.get(b.host)?.kind];
    if (kindA === "pod" && kindB === "node") found.set(a.host, b.host);
    if (kindB === "pod" && kindA === "node") found.set(b.host, a.host);
  }
  return found;
}

/** `10.244.1.3` of a host: what others reach it by, in one family or else in either. */
export function addressOfHost(host: Host, family?: Family): string | undefined {
  const four = host.addresses.find(({ scope, secondary }) => scope === "global" && !secondary);
  const six = host.addresses6.find(({ scope }) => scope === "global");
  const found = family === 6 ? six : family === 4 ? four : (four ?? six);
  return found === undefined ? undefined : formatIp(found.address);
}
