import type { Family } from "../address/ip.ts";
import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import type { Ipv6Words } from "../address/ipv6.ts";
import type { Mac } from "../address/mac.ts";
import { formatPrefix4, type Prefix4 } from "../address/prefix.ts";
import type { Prefix6 } from "../address/prefix6.ts";
import { readLease, readLease6 } from "../cni/flannel/lease.ts";
import { formatIp, fromAddress, type Ip, parseIp, sameIp, toWords } from "../cni/ip.ts";
import { podCidr6Of, podCidrOf } from "../control/pod-cidr.ts";
import type { Node } from "../object/kubernetes-object.ts";
import { kubeProxyVersion, type NodeFacts } from "../proxy/configuration.ts";

/** A Node with what its agents go by. */
export interface Member {
  readonly node: Node;
  readonly name: string;
  /** The first IPv4 address, by which the others know it; null for a node of IPv6 alone. */
  readonly address: Ipv4 | null;
  /** Its place in `status.addresses`. */
  readonly addressIndex: number;
  /** The first IPv6 address, by which the others know it; null for a node of IPv4 alone. */
  readonly address6: Ipv6Words | null;
  /** All `InternalIP`s but `address`, of both families. */
  readonly more: readonly { readonly ip: Ip; readonly index: number }[];
  readonly podCidr: Prefix4 | null;
  readonly podCidr6: Prefix6 | null;
}

/** A node with an IPv4 address. */
export type Member4 = Member & { readonly address: Ipv4 };

export function hasIpv4(member: Member): member is Member4 {
  return member.address !== null;
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
  const address = parseIpv4(addresses[index]?.address ?? "") ?? null;
  const seen = new Set([addresses[index]?.address]);
  const more = [...addresses.entries()].flatMap(([i, entry]) => {
    const ip = entry.type === "InternalIP" ? parseIp(entry.address) : undefined;
    if (ip === undefined || seen.has(entry.address)) return [];
    seen.add(entry.address);
    return [{ ip, index: i }];
  });
  const six = more.find(({ ip }) => ip.family === 6)?.ip;
  if (address === null && six === undefined) return undefined;
  return {
    ...{ node, name: node.metadata.name, address, addressIndex: index, more },
    address6: six === undefined ? null : toWords(six),
    podCidr: podCidrOf(node) ?? null,
    podCidr6: podCidr6Of(node) ?? null,
  };
}

/** What kube-proxy on the node knows of it; null for a node without an IPv4 address. */
export function factsOf(member: Member): NodeFacts | null {
  const { address, more, podCidr } = member;
  if (address === null) return null;
  const others = more.flatMap(({ ip }) => (ip.family === 4 ? [formatIpv4(Number(ip.value) | 0)] : []));
  return {
    ...commonFacts(member),
    ip: formatIpv4(address),
    addresses: ["127.0.0.1", formatIpv4(address), ...others],
    podCidrs: podCidr === null ? [] : [formatPrefix4(podCidr)],
  };
}

/** Those of no family. */
function commonFacts({ node, name }: Member): Pick<NodeFacts, "name" | "zone" | "version" | "cores"> {
  const cores = Number(node.status?.capacity?.["cpu"] ?? 0);
  return {
    ...(cores > 0 ? { cores: Math.floor(cores) } : {}),
    name,
    zone: node.metadata.labels?.["topology.kubernetes.io/zone"] ?? null,
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
  return { ...commonFacts(member), ip: first, addresses: ["::1", ...addresses], podCidrs };
}

/** As flanneld published it; null where it has not run, or the annotation cannot be read. */
export function vtepMacOf({ spec, metadata }: Node): Mac | null {
  const lease = readLease(spec?.podCIDR, metadata.annotations ?? {});
  return lease.kind === "ok" ? lease.value.vtepMac : null;
}

export function vtepMac6Of({ metadata }: Node): Mac | null {
  return readLease6(metadata.annotations ?? {})?.vtepMac ?? null;
}

/** The IPv6 address that the other nodes send to; null for a node without one. */
export function publicIp6Of({ node, address6 }: Member): Ipv6Words | null {
  return readLease6(node.metadata.annotations ?? {})?.publicIp ?? address6;
}

/** The address that the other nodes send to: as flanneld published it, else the node's own. */
export function publicIpOf({ node, address }: Member4): Ipv4 {
  const lease = readLease(node.spec?.podCIDR, node.metadata.annotations ?? {});
  return lease.kind === "ok" ? lease.value.publicIp : address;
}

/** Where calico-node writes which address of its node it found (`IP`, `IP6`, `IP_AUTODETECTION_METHOD`), with its length. */
const NODE_ADDRESS: Readonly<Record<Family, string>> = {
  4: "projectcalico.org/IPv4Address",
  6: "projectcalico.org/IPv6Address",
};

/** The address by which a node is known to the others: as it was found out, else the first of the family. */
export function calicoAddress({ node, address, address6, more }: Member, family: Family): Ip | null {
  const noted = parseIp(node.metadata.annotations?.[NODE_ADDRESS[family]]?.split("/")[0] ?? "");
  if (noted !== undefined && more.some(({ ip }) => sameIp(ip, noted))) return noted;
  const first = family === 4 ? address : address6;
  return first === null ? null : fromAddress(first);
}
