import { type Ipv4, parseIpv4 } from "../../src/address/ipv4.ts";
import { formatPrefix4, type Prefix4 } from "../../src/address/prefix.ts";
import type { NodeMember } from "../../src/analyze/cluster-members.ts";
import type { AddressedPod } from "../../src/analyze/pairs.ts";
import { fromIpv4, type IpNet } from "../../src/cni/ip.ts";
import { IptablesTable } from "../../src/cni/iptables.ts";
import { Netns } from "../../src/cni/netns.ts";
import { podCidrOf } from "../../src/control/pod-cidr.ts";
import { applyOperations } from "../../src/kernel/apply-operation.ts";
import type { Device } from "../../src/kernel/device/device.ts";
import type { Host } from "../../src/kernel/host.ts";
import type { Operation } from "../../src/kernel/operation.ts";
import { prefix, SETTINGS } from "../control/cluster.ts";
import { type BuiltCluster, type ClusterSpec, withWorld } from "./random-cluster.ts";

/** Mistakes to make in a built cluster, each as operations on its kernels, with the principle that it breaks. */
export interface Fault {
  readonly name: string;
  readonly breaks: number;
  /** Principles that it may break besides, in the smallest cluster. */
  readonly also: readonly number[];
  /** A cluster with no more than this shows it. */
  readonly smallest: { readonly nodes: number; readonly pods: number; readonly services: number };
  readonly plugins?: readonly ClusterSpec["plugin"][];
  /** Makes it, or says that this cluster has no place for it. */
  plant(site: Site): boolean;
}

const CLUSTER_CIDR = formatPrefix4(SETTINGS.clusterCidr as Prefix4);

/** A cluster with the fault in it; null where there is no place for it. */
export function planted(built: BuiltCluster, fault: Fault): BuiltCluster | null {
  const site = new Site(built);
  return fault.plant(site) ? withWorld(built, site.world()) : null;
}

/** A cluster open for changes: its hosts by name, and who hangs where. */
export class Site {
  readonly built: BuiltCluster;
  readonly pods: readonly AddressedPod[];
  readonly #open = new Map<string, Netns>();
  readonly #operations = new Map<string, readonly Operation[]>();

  constructor(built: BuiltCluster) {
    this.built = built;
    this.pods = built.members.pods.filter(
      (pod): pod is AddressedPod => !pod.sharesNode && pod.address !== null,
    );
  }

  get bridge(): string {
    return this.built.spec.plugin === "docker0" ? "docker0" : "cni0";
  }

  at(host: string): Netns {
    const known = this.#open.get(host);
    if (known !== undefined) return known;
    const made = new Netns(this.built.world.hosts.get(host) as Host);
    this.#open.set(host, made);
    return made;
  }

  table(host: string, table: string): IptablesTable {
    return new IptablesTable(this.at(host), table);
  }

  /** Instead of what was done to the host so far. */
  replace(host: string, operations: readonly Operation[]): void {
    this.#operations.set(host, operations);
  }

  world(): BuiltCluster["world"] {
    const hosts = new Map(this.built.world.hosts);
    for (const [name, netns] of this.#open) {
      const operations = this.#operations.get(name) ?? netns.operations;
      const applied = applyOperations(hosts.get(name) as Host, operations);
      if (applied.kind === "invalid")
        throw new Error(applied.errors.map(({ message }) => message).join("; "));
      hosts.set(name, applied.host);
    }
    return { ...this.built.world, hosts };
  }

  /** Two pods of one node. */
  pair(): readonly [AddressedPod, AddressedPod] | null {
    for (const a of this.pods) {
      const b = this.pods.find((other) => other !== a && other.node === a.node);
      if (b !== undefined) return [a, b];
    }
    return null;
  }

  /** A pod's device on its node. */
  portOf(pod: AddressedPod): { readonly node: Netns; readonly device: Device } {
    const wire = this.built.world.wires.find(({ a, b }) => a.host === pod.host || b.host === pod.host);
    const end = wire?.a.host === pod.host ? wire.b : wire?.a;
    const node = this.at(end?.host ?? "");
    return { node, device: node.device(end?.device ?? "") as Device };
  }

  nodeOf(pod: AddressedPod): NodeMember {
    return pod.node as NodeMember;
  }

  cidrOf(node: NodeMember): Prefix4 {
    const object = this.built.inventory.objects.get("Node", node.name);
    return (object === undefined ? undefined : podCidrOf(object)) as Prefix4;
  }
}

function bitsOf({ address }: { readonly address: string | null }): Ipv4 {
  return parseIpv4(address ?? "") as Ipv4;
}

function net(address: Ipv4, length: number): IpNet {
  return { ip: fromIpv4(address), length };
}

function ofPrefix({ address, length }: Prefix4): IpNet {
  return net(address, length);
}

/** An address that no generated pod gets, in the network of a pod. */
function spare(pod: AddressedPod): Ipv4 {
  return ((bitsOf(pod) & ~0xff) | 200) as Ipv4;
}

function readdress(site: Site, pod: AddressedPod, address: Ipv4): void {
  const netns = site.at(pod.host);
  const [way] = netns.host.routes.filter(({ dst }) => dst.length === 0);
  netns.addAddress("eth0", net(address, 24));
  netns.deleteAddress("eth0", net(bitsOf(pod), 24));
  if (way !== undefined && netns.host.routes.every(({ dst }) => dst.length !== 0)) {
    netns.do({ kind: "route-add", route: way });
  }
}

function listensOnTcp({ ports }: AddressedPod): number | null {
  return ports.find(({ proto }) => proto === "tcp")?.port ?? null;
}

function first<T>(list: readonly T[], plant: (one: T) => void): boolean {
  const [one] = list;
  if (one === undefined) return false;
  plant(one);
  return true;
}

const ONE_POD = { nodes: 1, pods: 1, services: 0 };
const TWO_PODS = { nodes: 1, pods: 2, services: 0 };
const TWO_NODES = { nodes: 2, pods: 2, services: 0 };
const ONE_SERVICE = { nodes: 1, pods: 1, services: 1 };

export const FAULTS: readonly Fault[] = [
  {
    name: "two pods with one address",
    breaks: 1,
    also: [2, 3, 5, 6, 7, 8],
    smallest: TWO_PODS,
    plant(site) {
      const pair = site.pair();
      if (pair !== null) readdress(site, pair[0], bitsOf(pair[1]));
      return pair !== null;
    },
  },
  {
    name: "a pod's address on its node's loopback",
    breaks: 1,
    also: [2, 3, 5, 6, 7, 8, 9],
    smallest: ONE_POD,
    plant: (site) =>
      first(site.pods, (pod) => site.at(site.nodeOf(pod).host).addAddress("lo", net(bitsOf(pod), 32))),
  },
  {
    name: "a DNAT from one pod's address to another's",
    breaks: 1,
    also: [3, 5, 6, 7],
    smallest: { nodes: 1, pods: 3, services: 0 },
    plant(site) {
      const pair = site.pair();
      if (pair === null) return false;
      const [from, to] = pair.map(({ address }) => address);
      site
        .table(site.nodeOf(pair[0]).host, "nat")
        .prependUnique("PREROUTING", `-d ${from}/32 -j DNAT --to-destination ${to}`);
      return true;
    },
  },
  {
    name: "a pod given another address than is told",
    breaks: 2,
    also: [1, 3, 5, 6, 7, 8],
    smallest: ONE_POD,
    plant: (site) => first(site.pods, (pod) => readdress(site, pod, spare(pod))),
  },
  {
    name: "a second address on a pod",
    breaks: 2,
    also: [],
    smallest: ONE_POD,
    plant: (site) => first(site.pods, (pod) => site.at(pod.host).addAddress("eth0", net(spare(pod), 24))),
  },
  {
    name: "a bridge with another node's podCIDR",
    breaks: 2,
    also: [3, 5, 6, 7, 8, 9],
    smallest: ONE_POD,
    plant: (site) =>
      first(site.pods, (pod) => {
        const node = site.at(site.nodeOf(pod).host);
        const gateway = (site.cidrOf(site.nodeOf(pod)).address + 1) as Ipv4;
        node.deleteAddress(site.bridge, net(gateway, 24));
        node.addAddress(site.bridge, ofPrefix(prefix("10.244.77.1/24")));
      }),
  },
  {
    name: "a REDIRECT of a pod's port on its node",
    breaks: 3,
    also: [5],
    smallest: TWO_PODS,
    plant: (site) =>
      first(
        site.pods.filter((pod) => listensOnTcp(pod) !== null),
        (pod) => {
          const match = `-d ${pod.address}/32 -p tcp -m tcp --dport ${listensOnTcp(pod)}`;
          site
            .table(site.nodeOf(pod).host, "nat")
            .prependUnique("PREROUTING", `${match} -j REDIRECT --to-ports 10250`);
        },
      ),
  },
  {
    name: "a REDIRECT of a pod's port inside the pod",
    breaks: 3,
    also: [5, 6, 8],
    smallest: ONE_POD,
    plant: (site) =>
      first(
        site.pods.filter((pod) => listensOnTcp(pod) !== null),
        (pod) =>
          site
            .table(pod.host, "nat")
            .prependUnique(
              "PREROUTING",
              `-p tcp -m tcp --dport ${listensOnTcp(pod)} -j REDIRECT --to-ports 4444`,
            ),
      ),
  },
  {
    name: "another port for those inside a pod",
    breaks: 3,
    also: [],
    smallest: ONE_POD,
    plant: (site) =>
      first(
        site.pods.filter((pod) => listensOnTcp(pod) !== null),
        (pod) => {
          const own = pod.address;
          const match = `-d ${own}/32 -p tcp -m tcp --dport ${listensOnTcp(pod)}`;
          site
            .table(pod.host, "nat")
            .prependUnique("OUTPUT", `${match} -j DNAT --to-destination ${own}:4444`);
        },
      ),
  },
  {
    name: "lo down in a pod",
    breaks: 4,
    also: [3],
    smallest: ONE_POD,
    plant: (site) => first(site.pods, (pod) => site.at(pod.host).setDown("lo")),
  },
  {
    name: "a rule that drops what comes by lo",
    breaks: 4,
    also: [],
    smallest: ONE_POD,
    plant: (site) =>
      first(site.pods, (pod) => site.table(pod.host, "filter").prependUnique("INPUT", "-i lo -j DROP")),
  },
  {
    name: "a masquerade without ! -d of the cluster's pods",
    breaks: 5,
    also: [7],
    smallest: TWO_PODS,
    plant: (site) =>
      first(site.pods, (pod) => {
        const own = formatPrefix4(site.cidrOf(site.nodeOf(pod)));
        site
          .table(site.nodeOf(pod).host, "nat")
          .prependUnique("POSTROUTING", `-s ${own} ! -d 224.0.0.0/4 -j MASQUERADE`);
      }),
  },
  {
    name: "a namespace isolated without a policy",
    breaks: 5,
    also: [],
    smallest: TWO_PODS,
    plant(site) {
      const [one] = site.pods;
      const other = site.pods.find(({ namespace }) => namespace !== one?.namespace);
      if (one === undefined || other === undefined) return false;
      site.table(other.host, "filter").prependUnique("INPUT", `-s ${one.address}/32 -j DROP`);
      return true;
    },
  },
  {
    name: "ip_forward off on a node",
    breaks: 5,
    also: [6, 9],
    smallest: TWO_NODES,
    plugins: ["bridge", "vxlan", "host-gw"],
    plant: (site) =>
      first(site.pods, (pod) => {
        const node = site.at(site.nodeOf(pod).host);
        node.sysctl("net.ipv4.ip_forward", "0");
        for (const name of node.host.sysctl.keys()) {
          if (/^net\.ipv4\.conf\..*\.forwarding$/.test(name)) node.sysctl(name, "0");
        }
      }),
  },
  {
    name: "a missing route to another node's pods",
    breaks: 5,
    also: [6],
    smallest: TWO_NODES,
    plugins: ["bridge", "vxlan", "host-gw"],
    plant(site) {
      const [pod] = site.pods;
      const other = site.pods.find(({ node }) => node !== pod?.node);
      if (pod === undefined || other === undefined) return false;
      const { address } = site.cidrOf(site.nodeOf(other));
      site
        .at(site.nodeOf(pod).host)
        .deleteRoute(({ dst, table }) => table === "main" && dst.address === address);
      return true;
    },
  },
  {
    name: "a missing forwarding entry of flannel.1",
    breaks: 5,
    also: [6],
    smallest: TWO_NODES,
    plugins: ["vxlan"],
    plant: (site) =>
      first(site.pods, (pod) => {
        const node = site.at(site.nodeOf(pod).host);
        const device = node.device("flannel.1");
        if (device === undefined) throw new Error("there is no tunnel");
        const { addresses, routes, neighbours } = node.host;
        // A device made anew has only the entries it is given.
        node.do(
          { kind: "link-delete", name: device.name },
          { kind: "link-add", device },
          ...addresses
            .filter(({ dev }) => dev === device.name)
            .map((address): Operation => ({ kind: "address-add", address })),
          ...routes
            .filter(({ nextHops }) => nextHops.some(({ dev }) => dev === device.name))
            .map((route): Operation => ({ kind: "route-add", route })),
          ...neighbours
            .filter(({ dev }) => dev === device.name)
            .map((neighbour): Operation => ({ kind: "neighbour-replace", neighbour })),
        );
      }),
  },
  {
    name: "a neighbour of flannel.1 with a foreign link address",
    breaks: 5,
    also: [6],
    smallest: TWO_NODES,
    plugins: ["vxlan"],
    plant: (site) =>
      first(site.pods, (pod) => {
        const node = site.at(site.nodeOf(pod).host);
        const lladdr = node.device("eth0")?.mac ?? null;
        for (const neighbour of node.host.neighbours) {
          node.do({ kind: "neighbour-replace", neighbour: { ...neighbour, lladdr } });
        }
      }),
  },
  {
    name: "a source translation of what a node says to a pod",
    breaks: 6,
    also: [],
    smallest: ONE_POD,
    plant: (site) =>
      first(site.pods, (pod) =>
        site
          .table(site.nodeOf(pod).host, "nat")
          .prependUnique(
            "POSTROUTING",
            `-d ${pod.address}/32 -m addrtype --src-type LOCAL -j SNAT --to-source 203.0.113.77`,
          ),
      ),
  },
  {
    name: "a node that drops what its pod says to a port of its own",
    breaks: 6,
    also: [],
    smallest: ONE_POD,
    plant: (site) =>
      first(site.pods, (pod) =>
        site
          .table(site.nodeOf(pod).host, "filter")
          .prependUnique("INPUT", `-s ${pod.address}/32 -p tcp -m tcp --dport 22 -j DROP`),
      ),
  },
  {
    name: "a source translation of what a node hears from a pod",
    breaks: 7,
    also: [6],
    smallest: ONE_POD,
    plant: (site) =>
      first(site.pods, (pod) =>
        site
          .table(site.nodeOf(pod).host, "nat")
          .prependUnique("INPUT", `-s ${pod.address}/32 -j SNAT --to-source 10.99.0.1`),
      ),
  },
  {
    name: "a preferred source that is not the pod's address",
    breaks: 7,
    also: [2, 5, 6],
    smallest: ONE_POD,
    plant: (site) =>
      first(site.pods, (pod) => {
        const netns = site.at(pod.host);
        netns.addAddress("eth0", net(spare(pod), 24));
        for (const route of netns.host.routes) {
          if (route.table !== "main") continue;
          netns.do({ kind: "route-replace", route: { ...route, prefsrc: spare(pod) } });
        }
      }),
  },
  {
    name: "a veth pulled out of its bridge",
    breaks: 8,
    also: [3, 5, 6, 7, 9],
    smallest: ONE_POD,
    plant: (site) =>
      first(site.pods, (pod) => {
        const { node, device } = site.portOf(pod);
        node.changeDevice(device.name, { master: null, port: null });
      }),
  },
  {
    name: "a bridge that is down",
    breaks: 8,
    also: [2, 3, 5, 6, 7, 9],
    smallest: ONE_POD,
    plant: (site) => first(site.pods, (pod) => site.at(site.nodeOf(pod).host).setDown(site.bridge)),
  },
  {
    name: "hairpin off",
    breaks: 8,
    also: [9],
    smallest: ONE_SERVICE,
    plant: (site) =>
      first(site.pods, (pod) => {
        const { node, device } = site.portOf(pod);
        if (device.port !== null)
          node.changeDevice(device.name, { port: { ...device.port, hairpin: false } });
      }),
  },
  {
    name: "bridge-nf-call-iptables off",
    breaks: 8,
    also: [9],
    smallest: { nodes: 1, pods: 2, services: 1 },
    plant: (site) =>
      first(site.pods, (pod) =>
        site.at(site.nodeOf(pod).host).sysctl("net.bridge.bridge-nf-call-iptables", "0"),
      ),
  },
  {
    name: "a cluster IP on a device",
    breaks: 9,
    also: [],
    smallest: { nodes: 1, pods: 0, services: 1 },
    plant: (site) =>
      first(
        (site.built.members.services ?? []).filter(({ address }) => address !== null),
        (service) => site.at("n1").addAddress("lo", net(bitsOf(service), 32)),
      ),
  },
  {
    name: "kube-proxy's rules flushed",
    breaks: 9,
    also: [8],
    smallest: ONE_SERVICE,
    plant(site) {
      for (const { host } of site.built.members.nodes) site.table(host, "nat").setChain("KUBE-SERVICES", []);
      return true;
    },
  },
  {
    name: "a route of the gateway to pods",
    breaks: 9,
    also: [],
    smallest: ONE_POD,
    plant: (site) =>
      first(site.pods, (pod) => {
        const node = site.nodeOf(pod);
        const gw = fromIpv4(bitsOf(node));
        const dev = gatewayDevice(site, node);
        site.at("gateway").addRoute({ dst: ofPrefix(site.cidrOf(node)), gw, dev });
      }),
  },
  {
    name: "the gateway takes pods to be on its wire, and a node's proxy_arp answers for them",
    breaks: 9,
    also: [],
    smallest: ONE_POD,
    plant: (site) =>
      first(site.pods, (pod) => {
        const node = site.nodeOf(pod);
        const dst = ofPrefix(prefix(CLUSTER_CIDR));
        site.at("gateway").addRoute({ dst, gw: null, dev: gatewayDevice(site, node) });
        site.at(node.host).sysctl("net.ipv4.conf.eth0.proxy_arp", "1");
      }),
  },
  {
    name: "a route of the gateway to cluster IPs",
    breaks: 9,
    also: [],
    smallest: ONE_SERVICE,
    plant: (site) =>
      first(site.pods, (pod) => {
        const node = site.nodeOf(pod);
        const gw = fromIpv4(bitsOf(node));
        const dst = ofPrefix(prefix("10.96.0.0/12"));
        site.at("gateway").addRoute({ dst, gw, dev: gatewayDevice(site, node) });
      }),
  },
];

/** The gateway's device on a node's wire. */
function gatewayDevice(site: Site, { address }: NodeMember): string {
  const found = site
    .at("gateway")
    .host.addresses.find((own) => (own.address & ~0xff) === ((parseIpv4(address ?? "") as Ipv4) & ~0xff));
  return found?.dev ?? "eth0";
}
