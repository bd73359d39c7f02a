import { dimensionsOf, IPSET_NAME_LENGTH, type Ipset, type IpsetType } from "../../kernel/ipset/ipset.ts";
import type { Origin } from "../../kernel/origin.ts";
import type { IpFamily } from "../canonical-address.ts";
import type { ProxyFeatures } from "../versions.ts";

/**
 * The sets that IPVS mode keeps, in the order it makes them: what rules need to know of Services, whose number does not show
 * in rules then. Each with the comment of the rules that ask for it.
 */
const SETS = {
  "KUBE-LOOP-BACK": [
    "hash:ip,port,ip",
    "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose",
  ],
  "KUBE-CLUSTER-IP": ["hash:ip,port", "Kubernetes service cluster ip + port for masquerade purpose"],
  "KUBE-EXTERNAL-IP": [
    "hash:ip,port",
    "Kubernetes service external ip + port for masquerade and filter purpose",
  ],
  "KUBE-EXTERNAL-IP-LOCAL": [
    "hash:ip,port",
    "Kubernetes service external ip + port with externalTrafficPolicy=local",
  ],
  "KUBE-LOAD-BALANCER": ["hash:ip,port", "Kubernetes service lb portal"],
  "KUBE-LOAD-BALANCER-FW": [
    "hash:ip,port",
    "Kubernetes service load balancer ip + port for load balancer with sourceRange",
  ],
  "KUBE-LOAD-BALANCER-LOCAL": [
    "hash:ip,port",
    "Kubernetes service load balancer ip + port with externalTrafficPolicy=local",
  ],
  "KUBE-LOAD-BALANCER-SOURCE-IP": [
    "hash:ip,port,ip",
    "Kubernetes service load balancer ip + port + source IP for packet filter purpose",
  ],
  "KUBE-LOAD-BALANCER-SOURCE-CIDR": [
    "hash:ip,port,net",
    "Kubernetes service load balancer ip + port + source cidr for packet filter purpose",
  ],
  "KUBE-NODE-PORT-TCP": ["bitmap:port", "Kubernetes nodeport TCP port for masquerade purpose"],
  "KUBE-NODE-PORT-LOCAL-TCP": [
    "bitmap:port",
    "Kubernetes nodeport TCP port with externalTrafficPolicy=local",
  ],
  "KUBE-NODE-PORT-UDP": ["bitmap:port", "Kubernetes nodeport UDP port for masquerade purpose"],
  "KUBE-NODE-PORT-LOCAL-UDP": [
    "bitmap:port",
    "Kubernetes nodeport UDP port with externalTrafficPolicy=local",
  ],
  "KUBE-NODE-PORT-SCTP-HASH": [
    "hash:ip,port",
    "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'",
  ],
  "KUBE-NODE-PORT-LOCAL-SCTP-HASH": [
    "hash:ip,port",
    "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
  ],
  "KUBE-HEALTH-CHECK-NODE-PORT": ["bitmap:port", "Kubernetes health check node port"],
  "KUBE-IPVS-IPS": ["hash:ip", "Addresses on the ipvs interface"],
} as const satisfies Readonly<Record<string, readonly [IpsetType, string]>>;

export type KubeSet = keyof typeof SETS;

/** Those of a release. */
export function kubeSets({ accessFilter }: ProxyFeatures): KubeSet[] {
  const all = Object.keys(SETS) as KubeSet[];
  return accessFilter ? all : all.filter((name) => name !== "KUBE-IPVS-IPS");
}

export function setComment(name: KubeSet): string {
  return SETS[name][1];
}

/** How a packet is looked for in it: `dst,dst` for its destination and port, `dst` for the port alone. */
export function matchWords(name: KubeSet): string {
  const dimensions = dimensionsOf(SETS[name][0]);
  return dimensions.map((_, i) => (i === 2 ? "src" : "dst")).join(",");
}

/** Sets of both families stand side by side, so those of IPv6 have another name, cut to what a set's may have. */
export function setName(name: KubeSet, family: IpFamily): string {
  return family === "IPv4" ? name : name.replace("KUBE-", "KUBE-6-").slice(0, IPSET_NAME_LENGTH);
}

/** A set as `ipset create` makes it, empty. */
export function emptySet(name: KubeSet, family: IpFamily, origin: Origin): Ipset {
  const [type] = SETS[name];
  return {
    name: setName(name, family),
    type,
    storage:
      type === "bitmap:port"
        ? { kind: "bitmap-port", from: 0, to: 65_535 }
        : {
            kind: "hash",
            family: family === "IPv4" ? 4 : 6,
            hashsize: 1024,
            maxelem: 65_536,
            mask: null,
            markmask: null,
            bucketsize: null,
            initval: null,
          },
    timeout: null,
    counters: false,
    comment: false,
    skbinfo: false,
    forceadd: false,
    entries: [],
    origin,
  };
}
