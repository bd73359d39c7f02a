import { type FamilyName, familyNamed } from "../address/family-name.ts";
import type { Family } from "../address/ip.ts";
import { addressesOf, blockName, CalicoBlocks, MOST_BLOCKS } from "../cni/calico/blocks.ts";
import {
  type CalicoNetwork,
  type CalicoPool,
  type PoolUse,
  poolOf,
  usesIpip,
  usesVxlan,
} from "../cni/calico/network.ts";
import {
  containsIp,
  formatIp,
  formatIpNet,
  type Ip,
  type IpNet,
  networkOf,
  parseIp,
  parseIpNet,
  plus,
} from "../cni/ip.ts";
import { isJsonObject } from "../kernel/json-fields.ts";
import { calicoSelector, selects } from "../object/calico-selector.ts";
import type { KubernetesObject, Node, Pod } from "../object/kubernetes-object.ts";
import type { Lister, Writer } from "../object/object-map.ts";
import { madeBy } from "../object/place.ts";
import { requestOf } from "./calico-request.ts";
import { CLUSTER_KEY, type Controller } from "./controller.ts";
import { inNaturalOrder } from "./natural-order.ts";
import { internalIpOf } from "./node-address.ts";
import type { AddressGiver } from "./pod-address.ts";
import { addressesOfPod } from "./pod-addresses.ts";
import { isActive } from "./pods-of-owner.ts";

/** Where calico-node writes its ends of the tunnels on its Node. */
export const IPIP_ADDRESS = "projectcalico.org/IPv4IPIPTunnelAddr";
export const VXLAN_ADDRESS: Readonly<Record<Family, string>> = {
  4: "projectcalico.org/IPv4VXLANTunnelAddr",
  6: "projectcalico.org/IPv6VXLANTunnelAddr",
};
const TUNNEL_ADDRESSES = [IPIP_ADDRESS, VXLAN_ADDRESS[4], VXLAN_ADDRESS[6]];

/** A node's claim to a block (`crd.projectcalico.org/v1`). */
export interface BlockAffinity extends KubernetesObject {
  readonly spec: { readonly cidr: string; readonly node: string; readonly state: string };
}

/** The affinities that objects hold. */
export function blocksOf(lister: Lister): CalicoBlocks {
  const blocks = new CalicoBlocks(ipamSettings(lister).mostBlocks);
  for (const { block, node } of heldBlocks(lister)) if (node !== null) blocks.claim(block, node);
  for (const object of lister.list("BlockAffinity")) {
    const { spec } = object as BlockAffinity;
    const cidr = isJsonObject(spec) ? parseIpNet(String(spec.cidr)) : undefined;
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
      const ipam = new Ipam(network, lister, writer);
      const nodes = inNaturalOrder(lister.list("Node"));
      for (const node of nodes) {
        for (const address of observedAddresses(node, lister)) ipam.noteOwner(address, node);
      }
      for (const node of nodes) {
        let given = node;
        for (const [annotation, family] of tunnelsOf(network, node)) {
          if (tunnelAddress(node, annotation) !== null) continue;
          const address = ipam.next(given, family, "Tunnel", null);
          if (address === undefined) continue;
          const annotations = { ...given.metadata.annotations, [annotation]: formatIp(address) };
          given = { ...given, metadata: { ...given.metadata, annotations } };
        }
        if (given !== node) writer.put(given);
      }
    },
  };
}

/** The tunnels that a node has an end of, by the annotations that tell their addresses. */
function tunnelsOf(network: CalicoNetwork, node: Node): (readonly [string, Family])[] {
  const has = (family: FamilyName) => internalIpOf(node, family) !== undefined;
  return [
    ...(usesIpip(network) && has("IPv4") ? [[IPIP_ADDRESS, 4] as const] : []),
    ...(usesVxlan(network, 4) && has("IPv4") ? [[VXLAN_ADDRESS[4], 4] as const] : []),
    ...(usesVxlan(network, 6) && has("IPv6") ? [[VXLAN_ADDRESS[6], 6] as const] : []),
  ];
}

/** The end of a tunnel that a Node's annotation tells, null where none does. */
export function tunnelAddress({ metadata }: Node, annotation: string): Ip | null {
  return parseIp(metadata.annotations?.[annotation] ?? "") ?? null;
}

/**
 * Addresses for pods from their node's blocks, a new block when those are used up, then what others have left: one of each
 * family that has pools; those that a pod asks for by name (`ipAddrs`), and of the pools that it names.
 */
export function calicoGiver(network: CalicoNetwork, families: readonly FamilyName[]): AddressGiver {
  return {
    begin(node, lister, writer) {
      const ipam = new Ipam(network, lister, writer);
      let refusal = "";
      return {
        next(pod) {
          const given = ipam.ofPod(pod, node, families);
          if (Array.isArray(given)) return given;
          refusal = String(given);
          return undefined;
        },
        get refusal() {
          return refusal;
        },
      };
    },
  };
}

class Ipam {
  readonly #network: CalicoNetwork;
  readonly #lister: Lister;
  readonly #writer: Writer;
  readonly #blocks: CalicoBlocks;
  readonly #reserved: readonly IpNet[];
  readonly #given: ReadonlySet<string>;
  readonly #isStrict: boolean;

  constructor(network: CalicoNetwork, lister: Lister, writer: Writer) {
    this.#network = network;
    this.#lister = lister;
    this.#writer = writer;
    this.#blocks = blocksOf(lister);
    this.#reserved = reservedNets(lister);
    this.#given = new Set(heldBlocks(lister).flatMap(({ given }) => [...given]));
    this.#isStrict = ipamSettings(lister).isStrict;
  }

  /** The node's claim to the block of an address that it was seen to have. */
  noteOwner(address: Ip, node: Node): void {
    const block = blockOf(this.#network, address);
    if (block !== undefined && this.#blocks.ownerOf(block) === undefined) this.#take(block, node);
  }

  /** A pod's addresses, or why there are none. */
  ofPod(pod: Pod, node: Node, families: readonly FamilyName[]): readonly string[] | string {
    const request = requestOf(pod, this.#network, this.#lister);
    if (typeof request === "string") return request;
    if (request.addresses.length > 0) {
      for (const address of request.addresses) {
        const fault = this.#faultOf(address);
        if (fault !== null) return fault;
      }
      for (const address of request.addresses) this.noteOwner(address, node);
      return request.addresses.map(formatIp);
    }
    const own = families.filter((name) =>
      this.#network.pools.some(({ cidr }) => cidr.ip.family === familyNamed(name).number),
    );
    const given: string[] = [];
    for (const name of own) {
      const { number: family } = familyNamed(name);
      const pools = request.pools.filter(({ cidr }) => cidr.ip.family === family);
      const asked = pools.length === 0 ? null : pools;
      if (this.#usable(node, family, "Workload", asked).length === 0)
        return `failed to request ${name} addresses: no configured Calico pools for node ${node.metadata.name}`;
      const address = this.next(node, family, "Workload", asked);
      if (address === undefined) {
        return `failed to request ${name} addresses: Assigned 0 out of 1 requested ${name} addresses; No more free affine blocks`;
      }
      given.push(formatIp(address));
    }
    return given.length === 0
      ? "failed to request IP addresses: no configured Calico pools for the cluster's families"
      : given;
  }

  /** `pools`: those that are asked for by name, which then need not choose the node; null: none are. */
  next(node: Node, family: Family, use: PoolUse, pools: readonly CalicoPool[] | null): Ip | undefined {
    const { name } = node.metadata;
    const usable = this.#usable(node, family, use, pools);
    const isUsable = ({ ip }: IpNet) => usable.some(({ cidr }) => containsIp(cidr, ip));
    for (const block of this.#blocks.blocksOf(name, family)) {
      const free = isUsable(block) ? this.#freeIn(block, node) : undefined;
      if (free !== undefined) return free;
    }
    for (const pool of usable) {
      // A block whose addresses are all reserved is taken and of no use.
      for (let block = this.#blocks.free(pool, name); block !== undefined; ) {
        this.#take(block, node);
        const free = this.#freeIn(block, node);
        if (free !== undefined) return free;
        block = this.#blocks.free(pool, name);
      }
    }
    if (this.#isStrict) return undefined;
    for (const { node: owner, block } of this.#blocks.all(family)) {
      const other = this.#lister.get("Node", owner);
      const free = other === undefined || !isUsable(block) ? undefined : this.#freeIn(block, other);
      if (free !== undefined) return free;
    }
    return undefined;
  }

  /** The pools that a node may have addresses of. */
  #usable(node: Node, family: Family, use: PoolUse, pools: readonly CalicoPool[] | null): CalicoPool[] {
    const { labels = {} } = node.metadata;
    return (pools ?? this.#network.pools).filter(
      ({ cidr, disabled, uses, nodeSelector }) =>
        cidr.ip.family === family &&
        !disabled &&
        uses.includes(use) &&
        (pools !== null || selects(calicoSelector(nodeSelector), labels)),
    );
  }

  /** The first address of a block that neither a pod nor its node's tunnels have, and nobody reserved. */
  #freeIn(block: IpNet, owner: Node): Ip | undefined {
    const ends = new Set(TUNNEL_ADDRESSES.map((name) => owner.metadata.annotations?.[name]));
    for (const address of addressesOf(block)) {
      const text = formatIp(address);
      if (ends.has(text) || this.#given.has(text) || this.#reserved.some((net) => containsIp(net, address)))
        continue;
      if (!this.#lister.podsAt(text).some(isActive)) return address;
    }
    return undefined;
  }

  /** Of an address asked for by name (`AssignIP`). */
  #faultOf(address: Ip): string | null {
    const text = formatIp(address);
    const pool = poolOf(this.#network, address);
    if (pool === undefined || pool.disabled)
      return `failed to assign ${text}: The provided IP address is not in a configured pool`;
    const ends = this.#lister
      .list("Node")
      .flatMap(({ metadata }) => TUNNEL_ADDRESSES.map((name) => metadata.annotations?.[name]));
    const isTaken = ends.includes(text) || this.#lister.podsAt(text).some(isActive);
    return isTaken ? `failed to assign ${text}: Address already assigned in block` : null;
  }

  #take(block: IpNet, node: Node): void {
    const { name } = node.metadata;
    this.#blocks.claim(block, name);
    const affinity: BlockAffinity = {
      apiVersion: "crd.projectcalico.org/v1",
      kind: "BlockAffinity",
      metadata: { name: `${name}-${blockName(block)}` },
      spec: { cidr: formatIpNet(block), node: name, state: "confirmed" },
      place: madeBy("calico-ipam", node.place),
    };
    this.#writer.put(affinity);
  }
}

/** A block as the datastore holds it (`IPAMBlock`). */
interface HeldBlock {
  readonly block: IpNet;
  /** null: nobody's, as its node is gone. */
  readonly node: string | null;
  /** Addresses that somebody has. */
  readonly given: ReadonlySet<string>;
}

function heldBlocks(lister: Lister): HeldBlock[] {
  return lister.list("IPAMBlock").flatMap((object) => {
    const { spec } = object as KubernetesObject & { readonly spec?: unknown };
    const read = isJsonObject(spec) ? parseIpNet(String(spec["cidr"])) : undefined;
    if (!isJsonObject(spec) || read === undefined || spec["deleted"] === true) return [];
    const block = networkOf(read);
    const [, node = null] = /^host:(.+)$/.exec(String(spec["affinity"])) ?? [];
    const ordinals: readonly unknown[] = Array.isArray(spec["allocations"]) ? spec["allocations"] : [];
    const taken = ordinals.flatMap((value, i) =>
      value === null ? [] : [formatIp(plus(block.ip, BigInt(i)))],
    );
    return [{ block, node, given: new Set(taken) }];
  });
}

interface IpamSettings {
  /** No node takes single addresses of others' blocks. */
  readonly isStrict: boolean;
  readonly mostBlocks: number;
}

/** As Calico's one IPAMConfig says. */
function ipamSettings(lister: Lister): IpamSettings {
  const [object] = [...lister.list("IPAMConfig"), ...lister.list("IPAMConfiguration")];
  const { spec } = (object ?? {}) as { readonly spec?: unknown };
  const said = isJsonObject(spec) ? spec : {};
  const most = Number(said["maxBlocksPerHost"] ?? 0);
  return { isStrict: said["strictAffinity"] === true, mostBlocks: most > 0 ? most : MOST_BLOCKS };
}

/** What IPReservations keep from being given by itself. */
function reservedNets(lister: Lister): IpNet[] {
  return lister.list("IPReservation").flatMap((object) => {
    const { spec } = object as KubernetesObject & { readonly spec?: unknown };
    const texts = isJsonObject(spec) ? spec["reservedCIDRs"] : undefined;
    if (!Array.isArray(texts)) return [];
    return texts.flatMap((text) => {
      const ip = parseIp(String(text));
      return ip === undefined
        ? (parseIpNet(String(text)) ?? [])
        : [{ ip, length: ip.family === 4 ? 32 : 128 }];
    });
  });
}

/** Of a node's tunnels and pods. */
function observedAddresses(node: Node, lister: Lister): Ip[] {
  const pods = lister
    .podsOn(node.metadata.name)
    .filter((pod) => pod.spec.hostNetwork !== true && isActive(pod))
    .flatMap((pod) => Object.values(addressesOfPod(pod)));
  return [
    ...TUNNEL_ADDRESSES.flatMap((name) => tunnelAddress(node, name) ?? []),
    ...pods.flatMap((text) => parseIp(text) ?? []),
  ];
}

/** The block of a pool that an address lies in. */
export function blockOf(network: CalicoNetwork, address: Ip): IpNet | undefined {
  const pool = poolOf(network, address);
  return pool === undefined ? undefined : networkOf({ ip: address, length: pool.blockSize });
}
