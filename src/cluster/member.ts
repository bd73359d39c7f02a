import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import type { Mac } from "../address/mac.ts";
import { formatPrefix4, type Prefix4 } from "../address/prefix.ts";
import { readLease } from "../cni/flannel/lease.ts";
import { formatIp, type Ip, parseIp } from "../cni/ip.ts";
import { podCidrOf } from "../control/pod-cidr.ts";
import type { Node } from "../object/kubernetes-object.ts";
import { kubeProxyVersion, type NodeFacts } from "../proxy/configuration.ts";

/** A Node with what its agents go by. */
export interface Member {
  readonly node: Node;
  readonly name: string;
  /** The first IPv4 address, by which the others know it. */
  readonly address: Ipv4;
  /** Its place in `status.addresses`. */
  readonly addressIndex: number;
  /** All further `InternalIP`s, of both families. */
  readonly more: readonly { readonly ip: Ip; readonly index: number }[];
  readonly podCidr: Prefix4 | null;
}

/** undefined: a Node that no address is known of has no network. */
export function memberOf(node: Node): Member | undefined {
  const addresses = node.status?.addresses ?? [];
  const own =
    (wanted: string) =>
    ({ type, address }: (typeof addresses)[number]) =>
      type === wanted && parseIpv4(address) !== undefined;
  const internal = addresses.findIndex(own("InternalIP"));
  const index = internal >= 0 ? internal : addresses.findIndex(own("ExternalIP"));
  const address = parseIpv4(addresses[index]?.address ?? "");
  if (address === undefined) return undefined;
  const seen = new Set([addresses[index]?.address]);
  const more = [...addresses.entries()].flatMap(([i, entry]) => {
    const ip = entry.type === "InternalIP" ? parseIp(entry.address) : undefined;
    if (ip === undefined || seen.has(entry.address)) return [];
    seen.add(entry.address);
    return [{ ip, index: i }];
  });
  return {
    ...{ node, name: node.metadata.name, address, addressIndex: index, more },
    podCidr: podCidrOf(node) ?? null,
  };
}

/** What kube-proxy on the node knows of it. */
export function factsOf({ node, name, address, more, podCidr }: Member): NodeFacts {
  const others = more.flatMap(({ ip }) => (ip.family === 4 ? [formatIpv4(Number(ip.value) | 0)] : []));
  return {
    name,
    ip: formatIpv4(address),
    addresses: ["127.0.0.1", formatIpv4(address), ...others],
    zone: node.metadata.labels?.["topology.kubernetes.io/zone"] ?? null,
    podCidrs: podCidr === null ? [] : [formatPrefix4(podCidr)],
    version: kubeProxyVersion(node),
  };
}

/** What its kube-proxy for IPv6 knows of it; null for a node without an address of that family. */
export function factsOf6(member: Member): NodeFacts | null {
  const { node, more } = member;
  const addresses = more.flatMap(({ ip }) => (ip.family === 6 ? [formatIp(ip)] : []));
  const [first] = addresses;
  if (first === undefined) return null;
  const podCidrs = (node.spec?.podCIDRs ?? []).filter((cidr) => cidr.includes(":"));
  return { ...factsOf(member), ip: first, addresses: ["::1", ...addresses], podCidrs };
}

/** As flanneld published it; null where it has not run, or the annotation cannot be read. */
export function vtepMacOf({ spec, metadata }: Node): Mac | null {
  const lease = readLease(spec?.podCIDR, metadata.annotations ?? {});
  return lease.kind === "ok" ? lease.value.vtepMac : null;
}

/** The address that the other nodes send to: as flanneld published it, else the node's own. */
export function publicIpOf({ node, address }: Member): Ipv4 {
  const lease = readLease(node.spec?.podCIDR, node.metadata.annotations ?? {});
  return lease.kind === "ok" ? lease.value.publicIp : address;
}
