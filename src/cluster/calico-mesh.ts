import type { Family } from "../address/ip.ts";
import { type CalicoBlock, CalicoMesh, type CalicoPeer } from "../cni/calico/mesh.ts";
import { type CalicoNetwork, familiesOf } from "../cni/calico/network.ts";
import type { CalicoNode } from "../cni/calico/node.ts";
import { bitsOf, formatIpNet, parseIp } from "../cni/ip.ts";
import {
  type BlockAffinity,
  blockOf,
  blocksOf,
  IPIP_ADDRESS,
  tunnelAddress,
  VXLAN_ADDRESS,
} from "../control/calico-ipam.ts";
import { addressesOfPod } from "../control/pod-addresses.ts";
import { isActive } from "../control/pods-of-owner.ts";
import type { Lister } from "../object/object-map.ts";
import { bgpExchange } from "./calico-bgp.ts";
import { calicoAddress, type Member } from "./member.ts";
import type { ObjectOrigins } from "./object-origins.ts";

export interface CalicoSurroundings {
  readonly network: CalicoNetwork;
  readonly members: readonly Member[];
  readonly objects: Lister;
  readonly origins: ObjectOrigins;
}

/**
 * The nodes as Calico's datastore has them, for each family that it gives addresses of: their blocks, and the addresses they
 * borrowed from others' blocks.
 */
export function calicoMeshesOf(surroundings: CalicoSurroundings): CalicoMesh[] {
  return familiesOf(surroundings.network).map((family) => meshOf(surroundings, family));
}

function meshOf({ network, members, objects, origins }: CalicoSurroundings, family: Family): CalicoMesh {
  const affinities = new Map(
    objects
      .list("BlockAffinity")
      .map((one) => [`${(one as BlockAffinity).spec.node} ${(one as BlockAffinity).spec.cidr}`, one]),
  );
  const blocks = blocksOf(objects);
  const peers = members.flatMap((member): CalicoPeer[] => {
    const { name, node } = member;
    const address = calicoAddress(member, family);
    if (address === null) return [];
    const own = blocks.blocksOf(name, family).map((cidr): CalicoBlock => {
      const affinity = affinities.get(`${name} ${formatIpNet(cidr)}`);
      return {
        cidr,
        origin: affinity === undefined ? origins.of(node, []) : origins.of(affinity, ["spec", "cidr"]),
      };
    });
    const borrowed = objects.podsOn(name).flatMap((pod): CalicoBlock[] => {
      const text = addressesOfPod(pod)[family === 4 ? "IPv4" : "IPv6"] ?? "";
      const given = pod.spec.hostNetwork === true || !isActive(pod) ? undefined : parseIp(text);
      const block = given === undefined ? undefined : blockOf(network, given);
      if (given === undefined || block === undefined || blocks.ownerOf(block) === name) return [];
      return [{ cidr: { ip: given, length: bitsOf(family) }, origin: origins.of(pod, ["status", "podIP"]) }];
    });
    const vxlanAddress = tunnelAddress(node, VXLAN_ADDRESS[family]);
    return [{ node: name, address, vxlanAddress, blocks: [...own, ...borrowed] }];
  });
  return new CalicoMesh(network, family, peers, bgpExchange(members, objects, family));
}

/** A node's own ends of the tunnels of a family; null: it has no address of it. */
export function calicoNodeOf(member: Member, family: Family): CalicoNode | null {
  const address = calicoAddress(member, family);
  if (address === null) return null;
  return {
    address,
    ipipAddress: family === 4 ? tunnelAddress(member.node, IPIP_ADDRESS) : null,
    vxlanAddress: tunnelAddress(member.node, VXLAN_ADDRESS[family]),
  };
}
