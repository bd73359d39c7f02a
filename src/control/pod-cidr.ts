import { IPV6 } from "../address/family.ts";
import type { FamilyName } from "../address/family-name.ts";
import { parseIpv4 } from "../address/ipv4.ts";
import { covers, formatPrefix4, networkOf, type Prefix4, parsePrefix4 } from "../address/prefix.ts";
import { covers6, formatPrefix6, type Prefix6, parsePrefix6 } from "../address/prefix6.ts";
import { subnetsOf4, subnetsOf6 } from "../address/subnet-pool.ts";
import type { Node } from "../object/kubernetes-object.ts";
import type { Lister, Writer } from "../object/object-map.ts";
import { CLUSTER_KEY, type Controller } from "./controller.ts";
import { inNaturalOrder } from "./natural-order.ts";
import { addressesOfPod } from "./pod-addresses.ts";
import type { ClusterSettings } from "./settings.ts";

/**
 * Nodes without a podCIDR get the next free subnet of the cluster CIDR, in the natural order of their names, one of each
 * family of the cluster (nodeipam, `RangeAllocator`). Where pods with addresses were observed on such a node, it gets the
 * subnet those are in.
 */
export function podCidrController({
  clusterCidr,
  serviceCidr,
  nodeCidrLength,
  families,
  six,
}: ClusterSettings): Controller {
  return {
    name: "node ipam controller",
    keys: () => (clusterCidr === null ? [] : [CLUSTER_KEY]),
    reconcile(_key, lister, writer) {
      if (clusterCidr === null) return;
      for (const family of families) {
        if (family === "IPv4") {
          const wanted = { whole: clusterCidr, services: serviceCidr, length: nodeCidrLength, families };
          give({ ...FOUR, ...wanted }, lister, writer);
        } else if (six !== null) {
          const { clusterCidr: whole, serviceCidr: services, nodeCidrLength: length } = six;
          give({ ...SIX, whole, services, length, families }, lister, writer);
        }
      }
    },
  };
}

/** The arithmetic of one family's subnets. */
interface Subnets<Prefix> {
  readonly family: FamilyName;
  cidrOf(node: Node): Prefix | undefined;
  format(prefix: Prefix): string;
  covers(outer: Prefix, inner: Prefix): boolean;
  /** The network of a length that an address is in; undefined for what is no address. */
  around(address: string, length: number): Prefix | undefined;
  within(whole: Prefix, length: number): Iterator<Prefix>;
}

const FOUR: Subnets<Prefix4> = {
  family: "IPv4",
  cidrOf: podCidrOf,
  format: formatPrefix4,
  covers,
  around: (text, length) => {
    const address = parseIpv4(text);
    return address === undefined ? undefined : networkOf({ address, length });
  },
  within: subnetsOf4,
};

const SIX: Subnets<Prefix6> = {
  family: "IPv6",
  cidrOf: podCidr6Of,
  format: formatPrefix6,
  covers: covers6,
  around: (text, length) => {
    const address = IPV6.parse(text);
    return address === undefined ? undefined : IPV6.networkOf({ address, length });
  },
  within: subnetsOf6,
};

interface Wanted<Prefix> extends Subnets<Prefix> {
  readonly whole: Prefix;
  /** Of the Services: what of it lies in `whole` is never given (`filterOutServiceRange`). */
  readonly services: Prefix;
  readonly length: number;
  /** In whose order a node names its subnets. */
  readonly families: readonly FamilyName[];
}

function give<Prefix extends { readonly length: number }>(
  wanted: Wanted<Prefix>,
  lister: Lister,
  writer: Writer,
): void {
  const { whole, services, length, cidrOf, format } = wanted;
  const isOfServices = (subnet: Prefix) => wanted.covers(services, subnet) || wanted.covers(subnet, services);
  const nodes = inNaturalOrder(lister.list("Node"));
  const without = nodes.filter((node) => cidrOf(node) === undefined);
  if (without.length === 0) return;
  const taken = new TakenSubnets(wanted);
  for (const node of nodes) {
    const cidr = cidrOf(node);
    if (cidr !== undefined) taken.add(cidr);
  }
  const waiting: Node[] = [];
  for (const node of without) {
    const observed = observedSubnet(node, wanted, lister);
    if (observed === undefined || taken.overlaps(observed)) waiting.push(node);
    else put(node, observed);
  }
  const free = wanted.within(whole, length);
  for (const node of waiting) {
    let next = free.next();
    while (next.done !== true && (isOfServices(next.value) || taken.overlaps(next.value))) next = free.next();
    if (next.done === true) return;
    put(node, next.value);
  }

  function put(node: Node, subnet: Prefix): void {
    taken.add(subnet);
    writer.put(withPodCidr(node, format(subnet), wanted.families));
  }
}

/** The subnets of a node in the order of the cluster's families; `podCIDR` is the first. */
function withPodCidr(node: Node, added: string, families: readonly FamilyName[]): Node {
  const place = (text: string): number => families.indexOf(text.includes(":") ? "IPv6" : "IPv4");
  const podCIDRs = [...podCidrsOf(node), added].sort((a, b) => place(a) - place(b));
  return { ...node, spec: { ...node.spec, podCIDR: podCIDRs[0] as string, podCIDRs } } as Node;
}

/** As written, each once. */
function podCidrsOf({ spec }: Node): string[] {
  return [...new Set([spec?.podCIDR ?? "", ...(spec?.podCIDRs ?? [])])].filter((text) => text !== "");
}

/** The IPv4 podCIDR of a node. */
export function podCidrOf({ spec }: Node): Prefix4 | undefined {
  for (const text of [spec?.podCIDR ?? "", ...(spec?.podCIDRs ?? [])]) {
    const prefix = parsePrefix4(text);
    if (prefix !== undefined) return prefix;
  }
  return undefined;
}

/** The IPv6 podCIDR of a node. */
export function podCidr6Of({ spec }: Node): Prefix6 | undefined {
  for (const text of [spec?.podCIDR ?? "", ...(spec?.podCIDRs ?? [])]) {
    const prefix = parsePrefix6(text);
    if (prefix !== undefined) return prefix;
  }
  return undefined;
}

/** The one subnet that all pods' addresses of a node are in. */
function observedSubnet<Prefix>(
  node: Node,
  { family, whole, length, around, covers: holds, format }: Wanted<Prefix>,
  lister: Lister,
): Prefix | undefined {
  let subnet: Prefix | undefined;
  for (const pod of lister.podsOn(node.metadata.name)) {
    if (pod.spec.hostNetwork === true) continue;
    const own = around(addressesOfPod(pod)[family] ?? "", length);
    if (own === undefined) continue;
    if (!holds(whole, own) || (subnet !== undefined && format(subnet) !== format(own))) return undefined;
    subnet = own;
  }
  return subnet;
}

/** Subnets in use: those of the usual length by their text, the odd ones one by one. */
class TakenSubnets<Prefix extends { readonly length: number }> {
  readonly #wanted: Wanted<Prefix>;
  readonly #usual = new Set<string>();
  readonly #odd: Prefix[] = [];

  constructor(wanted: Wanted<Prefix>) {
    this.#wanted = wanted;
  }

  add(prefix: Prefix): void {
    const { length, format } = this.#wanted;
    if (prefix.length === length) this.#usual.add(format(prefix));
    else this.#odd.push(prefix);
  }

  /** Asked of subnets of the usual length only. */
  overlaps(prefix: Prefix): boolean {
    const { format, covers: holds } = this.#wanted;
    if (this.#usual.has(format(prefix))) return true;
    return this.#odd.some((odd) => holds(odd, prefix) || holds(prefix, odd));
  }
}
