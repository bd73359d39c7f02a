import { parseIpv4 } from "../address/ipv4.ts";
import { formatPrefix4 } from "../address/prefix.ts";
import { type CalicoBlock, CalicoMesh, type CalicoPeer } from "../cni/calico/mesh.ts";
import type { CalicoNetwork } from "../cni/calico/network.ts";
import type { CalicoNode } from "../cni/calico/node.ts";
import {
  type BlockAffinity,
  blockOf,
  blocksOf,
  IPIP_ADDRESS,
  tunnelAddress,
  VXLAN_ADDRESS,
} from "../control/calico-ipam.ts";
import { isActive } from "../control/pods-of-owner.ts";
import type { Lister } from "../object/object-map.ts";
import { bgpExchange } from "./calico-bgp.ts";
import { hasIpv4, type Member, type Member4 } from "./member.ts";
import type { ObjectOrigins } from "./object-origins.ts";

export interface CalicoSurroundings {
  readonly network: CalicoNetwork;
  readonly members: readonly Member[];
  readonly objects: Lister;
  readonly origins: ObjectOrigins;
}

/** The nodes as Calico's datastore has them: their blocks, and the addresses they borrowed from others' blocks. */
export function calicoMeshOf({ network, members, objects, origins }: CalicoSurroundings): CalicoMesh {
  const affinities = new Map(
    objects
      .list("BlockAffinity")
      .map((one) => [`${(one as BlockAffinity).spec.node} ${(one as BlockAffinity).spec.cidr}`, one]),
  );
  const blocks = blocksOf(objects);
  const peers = members.filter(hasIpv4).map((member): CalicoPeer => {
    const { name, node, address } = member;
    const own = blocks.blocksOf(name).map((cidr): CalicoBlock => {
      const affinity = affinities.get(`${name} ${formatPrefix4(cidr)}`);
      return {
        cidr,
        origin: affinity === undefined ? origins.of(node, []) : origins.of(affinity, ["spec", "cidr"]),
      };
    });
    const borrowed = objects.podsOn(name).flatMap((pod): CalicoBlock[] => {
      const given =
        pod.spec.hostNetwork === true || !isActive(pod) ? undefined : parseIpv4(pod.status?.podIP ?? "");
      const block = given === undefined ? undefined : blockOf(network, given);
      if (given === undefined || block === undefined || blocks.ownerOf(block) === name) return [];
      return [{ cidr: { address: given, length: 32 }, origin: origins.of(pod, ["status", "podIP"]) }];
    });
    return {
      node: name,
      address,
      vxlanAddress: tunnelAddress(node, VXLAN_ADDRESS),
      blocks: [...own, ...borrowed],
    };
  });
  return new CalicoMesh(network, peers, bgpExchange(members, objects));
}

/** A node's own ends of the tunnels. */
export function calicoNodeOf({ node, address }: Member4): CalicoNode {
  return {
    address,
    ipipAddress: tunnelAddress(node, IPIP_ADDRESS),
    vxlanAddress: tunnelAddress(node, VXLAN_ADDRESS),
  };
}
