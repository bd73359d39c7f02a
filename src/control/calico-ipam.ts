import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import { contains, formatPrefix4, networkOf, type Prefix4, parsePrefix4 } from "../address/prefix.ts";
import { addressesOf, blockName, CalicoBlocks } from "../cni/calico/blocks.ts";
import { type CalicoNetwork, poolOf, usesIpip, usesVxlan } from "../cni/calico/network.ts";
import { isJsonObject } from "../kernel/json-fields.ts";
import type { KubernetesObject, Node } from "../object/kubernetes-object.ts";
import type { Lister, Writer } from "../object/object-map.ts";
import { madeBy } from "../object/place.ts";
import { CLUSTER_KEY, type Controller } from "./controller.ts";
import { inNaturalOrder } from "./natural-order.ts";
import type { AddressGiver } from "./pod-address.ts";
import { isActive } from "./pods-of-owner.ts";

/** Where calico-node writes its ends of the tunnels on its Node. */
export const IPIP_ADDRESS = "projectcalico.org/IPv4IPIPTunnelAddr";
export const VXLAN_ADDRESS = "projectcalico.org/IPv4VXLANTunnelAddr";

/** A node's claim to a block (`crd.projectcalico.org/v1`). */
export interface BlockAffinity extends KubernetesObject {
  readonly spec: { readonly cidr: string; readonly node: string; readonly state: string };
}

/** The affinities that objects hold. */
export function blocksOf(lister: Lister): CalicoBlocks {
  const blocks = new CalicoBlocks();
  for (const object of lister.list("BlockAffinity")) {
    const { spec } = object as BlockAffinity;
    const cidr = isJsonObject(spec) ? parsePrefix4(String(spec.cidr)) : undefined;
    if (cidr !== undefined && spec.state !== "pendingDeletion") blocks.claim(networkOf(cidr), spec.node);
  }
  return blocks;
}

/**
 * What Calico's IPAM does before any pod is there: blocks that observed addresses show a node to have are noted as its own,
 * and every node takes an address for its end of each tunnel.
 */
export function calicoBlockController(network: CalicoNetwork): Controller {
  return {
    name: "calico-ipam",
    keys: () => [CLUSTER_KEY],
    reconcile(_key, lister, writer) {
      const blocks = blocksOf(lister);
      const nodes = inNaturalOrder(lister.list("Node"));
      for (const node of nodes) {
        for (const address of observedAddresses(node, lister)) {
          const block = blockOf(network, address);
          if (block !== undefined && blocks.ownerOf(block) === undefined) take(block, node, blocks, writer);
        }
      }
      for (const node of nodes) {
        const missing = [
          ...(usesIpip(network) && tunnelAddress(node, IPIP_ADDRESS) === null ? [IPIP_ADDRESS] : []),
          ...(usesVxlan(network) && tunnelAddress(node, VXLAN_ADDRESS) === null ? [VXLAN_ADDRESS] : []),
        ];
        let given = node;
        for (const annotation of missing) {
          const address = nextAddress(network, given, blocks, lister, writer);
          if (address === undefined) break;
          const annotations = { ...given.metadata.annotations, [annotation]: formatIpv4(address) };
          given = { ...given, metadata: { ...given.metadata, annotations } };
        }
        if (given !== node) writer.put(given);
      }
    },
  };
}

/** The end of a tunnel that a Node's annotation tells, null where none does. */
export function tunnelAddress({ metadata }: Node, annotation: string): Ipv4 | null {
  return parseIpv4(metadata.annotations?.[annotation] ?? "") ?? null;
}

/** Addresses for pods from their node's blocks, a new block when those are used up, then what others have left. */
export function calicoGiver(network: CalicoNetwork): AddressGiver {
  return {
    begin(node, lister, writer) {
      const blocks = blocksOf(lister);
      return {
        next() {
          const address = nextAddress(network, node, blocks, lister, writer);
          return address === undefined ? undefined : [formatIpv4(address)];
        },
        refusal:
          "failed to request IPv4 addresses: Assigned 0 out of 1 requested IPv4 addresses; No more free affine blocks",
      };
    },
  };
}

function nextAddress(
  network: CalicoNetwork,
  node: Node,
  blocks: CalicoBlocks,
  lister: Lister,
  writer: Writer,
): Ipv4 | undefined {
  const { name } = node.metadata;
  const usable = network.pools.filter(({ disabled }) => !disabled);
  const isUsable = ({ address }: Prefix4) => usable.some(({ cidr }) => contains(cidr, address));
  for (const block of blocks.blocksOf(name)) {
    const free = isUsable(block) ? freeIn(block, node, lister) : undefined;
    if (free !== undefined) return free;
  }
  for (const pool of usable) {
    const block = blocks.free(pool, name);
    if (block === undefined) continue;
    take(block, node, blocks, writer);
    return freeIn(block, node, lister);
  }
  for (const { node: owner, block } of blocks.all()) {
    const other = lister.get("Node", owner);
    const free = other === undefined || !isUsable(block) ? undefined : freeIn(block, other, lister);
    if (free !== undefined) return free;
  }
  return undefined;
}

/** The first address of a block that neither a pod nor its node's tunnels have. */
function freeIn(block: Prefix4, owner: Node, lister: Lister): Ipv4 | undefined {
  const own = [tunnelAddress(owner, IPIP_ADDRESS), tunnelAddress(owner, VXLAN_ADDRESS)];
  for (const address of addressesOf(block)) {
    if (!own.includes(address) && !lister.podsAt(formatIpv4(address)).some(isActive)) return address;
  }
  return undefined;
}

function take(block: Prefix4, node: Node, blocks: CalicoBlocks, writer: Writer): void {
  const { name } = node.metadata;
  blocks.claim(block, name);
  const affinity: BlockAffinity = {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "BlockAffinity",
    metadata: { name: `${name}-${blockName(block)}` },
    spec: { cidr: formatPrefix4(block), node: name, state: "confirmed" },
    place: madeBy("calico-ipam", node.place),
  };
  writer.put(affinity);
}

/** Of a node's tunnels and pods. */
function observedAddresses(node: Node, lister: Lister): Ipv4[] {
  const tunnels = [tunnelAddress(node, IPIP_ADDRESS), tunnelAddress(node, VXLAN_ADDRESS)];
  const pods = lister
    .podsOn(node.metadata.name)
    .filter((pod) => pod.spec.hostNetwork !== true && isActive(pod))
    .map(({ status }) => parseIpv4(status?.podIP ?? "") ?? null);
  return [...tunnels, ...pods].filter((address) => address !== null);
}

/** The block of a pool that an address lies in. */
export function blockOf(network: CalicoNetwork, address: Ipv4): Prefix4 | undefined {
  const pool = poolOf(network, address);
  return pool === undefined ? undefined : networkOf({ address, length: pool.blockSize });
}
