import { type AddressFamily, IPV4, IPV6, type PrefixOf } from "../address/family.ts";
import type { IpAddress } from "../address/ip.ts";
import type { Ipv6Words } from "../address/ipv6.ts";
import type { Mac } from "../address/mac.ts";
import { FlannelMesh } from "../cni/flannel/mesh.ts";
import type { FlannelNetwork } from "../cni/flannel/network.ts";
import { addFlannel, addPeers } from "../cni/flannel/node.ts";
import { FlannelRules } from "../cni/flannel/rules.ts";
import type { Netns } from "../cni/netns.ts";
import type { Origin } from "../kernel/origin.ts";
import { hasIpv4, type Member, publicIp6Of, publicIpOf, vtepMac6Of, vtepMacOf } from "./member.ts";
import type { ObjectOrigins } from "./object-origins.ts";

/** flanneld on every node, for each family that its network has. */
export class FlannelAgents {
  readonly #families: readonly OfFamily<IpAddress>[];

  constructor(
    network: FlannelNetwork,
    members: readonly Member[],
    origins: ObjectOrigins,
    rulesOrigin: Origin,
  ) {
    const families: OfFamily<IpAddress>[] = [];
    const take = <Address extends IpAddress>(made: OfFamily<Address>): void => {
      families.push(made as unknown as OfFamily<IpAddress>);
    };
    if (network.network !== null) {
      take(
        ofFamily(
          { network, range: network.network, of: IPV4, lease: leaseOf },
          members,
          origins,
          rulesOrigin,
        ),
      );
    }
    if (network.network6 !== null) {
      take(
        ofFamily(
          { network, range: network.network6, of: IPV6, lease: lease6Of },
          members,
          origins,
          rulesOrigin,
        ),
      );
    }
    this.#families = families;
  }

  /** The tunnels and the rules. */
  start(node: Netns, member: Member): void {
    for (const { mesh, rules, lease } of this.#families) {
      const own = lease(member);
      if (own !== null) addFlannel(node, mesh, rules, own);
    }
  }

  /** What leads to the other nodes. */
  finish(node: Netns, member: Member): void {
    for (const { mesh, lease } of this.#families) if (lease(member) !== null) addPeers(node, mesh);
  }
}

interface Lease<Address> {
  readonly subnet: PrefixOf<Address>;
  readonly publicIp: Address;
  readonly vtepMac: Mac | null;
}

interface OfFamily<Address extends IpAddress> {
  readonly mesh: FlannelMesh<Address>;
  readonly rules: FlannelRules;
  /** null: the node has no part in it. */
  lease(member: Member): Lease<Address> | null;
}

function ofFamily<Address extends IpAddress>(
  {
    network,
    range,
    of,
    lease,
  }: {
    readonly network: FlannelNetwork;
    readonly range: PrefixOf<Address>;
    readonly of: AddressFamily<Address>;
    lease(member: Member): Lease<Address> | null;
  },
  members: readonly Member[],
  origins: ObjectOrigins,
  rulesOrigin: Origin,
): OfFamily<Address> {
  const peers = members.flatMap((member) => {
    const own = lease(member);
    if (own === null) return [];
    const origin = origins.of(member.node, ["spec", "podCIDR"]);
    return [{ node: member.name, ...own, origin }];
  });
  return {
    mesh: new FlannelMesh(network, peers, of),
    rules: new FlannelRules(range as PrefixOf<IpAddress>, rulesOrigin),
    lease,
  };
}

function leaseOf(member: Member): Lease<number> | null {
  const { podCidr, node } = member;
  if (podCidr === null || !hasIpv4(member)) return null;
  return { subnet: podCidr, publicIp: publicIpOf(member), vtepMac: vtepMacOf(node) };
}

function lease6Of(member: Member): Lease<Ipv6Words> | null {
  const { podCidr6, node } = member;
  const publicIp = publicIp6Of(member);
  return podCidr6 === null || publicIp === null
    ? null
    : { subnet: podCidr6, publicIp, vtepMac: vtepMac6Of(node) };
}
