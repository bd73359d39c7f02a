import { parseIpv4 } from "../address/ipv4.ts";
import { covers, formatPrefix4, networkOf, type Prefix4, parsePrefix4 } from "../address/prefix.ts";
import { subnetsOf4 } from "../address/subnet-pool.ts";
import type { Node } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { CLUSTER_KEY, type Controller } from "./controller.ts";
import { inNaturalOrder } from "./natural-order.ts";
import type { ClusterSettings } from "./settings.ts";

/**
 * Nodes without a podCIDR get the next free subnet of the cluster CIDR, in the natural order of their names (nodeipam,
 * `RangeAllocator`). Where pods with addresses were observed on such a node, it gets the subnet those are in.
 */
export function podCidrController({ clusterCidr, nodeCidrLength }: ClusterSettings): Controller {
  return {
    name: "node ipam controller",
    keys: () => (clusterCidr === null ? [] : [CLUSTER_KEY]),
    reconcile(_key, lister, writer) {
      if (clusterCidr === null) return;
      const nodes = inNaturalOrder(lister.list("Node"));
      const without = nodes.filter((node) => podCidrOf(node) === undefined);
      if (without.length === 0) return;
      const taken = new TakenSubnets(nodeCidrLength);
      for (const node of nodes) {
        const cidr = podCidrOf(node);
        if (cidr !== undefined) taken.add(cidr);
      }
      const waiting: Node[] = [];
      for (const node of without) {
        const observed = observedSubnet(node, clusterCidr, nodeCidrLength, lister);
        if (observed === undefined || taken.overlaps(observed)) waiting.push(node);
        else give(node, observed);
      }
      const free = subnetsOf4(clusterCidr, nodeCidrLength);
      for (const node of waiting) {
        let next = free.next();
        while (next.done !== true && taken.overlaps(next.value)) next = free.next();
        if (next.done === true) return;
        give(node, next.value);
      }

      function give(node: Node, subnet: Prefix4): void {
        taken.add(subnet);
        const podCIDR = formatPrefix4(subnet);
        writer.put({ ...node, spec: { ...node.spec, podCIDR, podCIDRs: [podCIDR] } } as Node);
      }
    },
  };
}

/** The IPv4 podCIDR of a node. */
export function podCidrOf({ spec }: Node): Prefix4 | undefined {
  for (const text of [spec?.podCIDR ?? "", ...(spec?.podCIDRs ?? [])]) {
    const prefix = parsePrefix4(text);
    if (prefix !== undefined) return prefix;
  }
  return undefined;
}

/** The one subnet that all pods' addresses of a node are in. */
function observedSubnet(
  node: Node,
  clusterCidr: Prefix4,
  length: number,
  lister: Lister,
): Prefix4 | undefined {
  let subnet: Prefix4 | undefined;
  for (const { spec, status } of lister.podsOn(node.metadata.name)) {
    const address = spec.hostNetwork === true ? undefined : parseIpv4(status?.podIP ?? "");
    if (address === undefined) continue;
    const own = networkOf({ address, length });
    if (!covers(clusterCidr, own) || (subnet !== undefined && subnet.address !== own.address))
      return undefined;
    subnet = own;
  }
  return subnet;
}

/** Subnets in use: those of the usual length by their address, the odd ones one by one. */
class TakenSubnets {
  readonly #length: number;
  readonly #usual = new Set<number>();
  readonly #odd: Prefix4[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  add(prefix: Prefix4): void {
    if (prefix.length === this.#length) this.#usual.add(networkOf(prefix).address);
    else this.#odd.push(prefix);
  }

  /** Asked of subnets of the usual length only. */
  overlaps(prefix: Prefix4): boolean {
    if (this.#usual.has(networkOf(prefix).address)) return true;
    return this.#odd.some((odd) => covers(odd, prefix) || covers(prefix, odd));
  }
}
