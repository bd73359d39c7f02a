import type { Ipv4 } from "../../address/ipv4.ts";
import { networkOf, type Prefix4 } from "../../address/prefix.ts";
import { EntryBatch, type EntryGroup } from "../../kernel/entry-batch.ts";
import type { Origin } from "../../kernel/origin.ts";
import type { Route } from "../../kernel/route/route.ts";
import { containsIp, formatIpNet, fromIpv4, type IpNet, networkOf as netOf } from "../ip.ts";
import { vtepMac } from "./names.ts";
import { type CalicoNetwork, type CalicoPool, IPIP_DEVICE, poolOf, VXLAN_DEVICE } from "./network.ts";

/** A node as the others know it: its address, and the blocks (or single, borrowed addresses) that lead to it. */
export interface CalicoPeer {
  readonly node: string;
  readonly address: Ipv4;
  /** Of its end of the VXLAN; null where it has none. */
  readonly vxlanAddress: Ipv4 | null;
  readonly blocks: readonly CalicoBlock[];
}

export interface CalicoBlock {
  readonly cidr: Prefix4;
  readonly origin: Origin;
}

/** Who hears of whose blocks over BGP: `hears(a, b)` that node a has b's routes. */
export type RouteExchange = (listener: string, speaker: string) => boolean;

/** The card that the nodes reach each other by. */
export const EXTERNAL = "eth0";

/** Who made a route: BIRD, or Felix itself (`RouteProtocol` 80). */
const BIRD = "bird";
const FELIX = "80";

/**
 * What each node of a Calico network says of all the others: a route for each block, with what a tunnel needs to reach it.
 * Nodes of the same wires that hear of the same peers say the same, so it is made once for all of them.
 */
export class CalicoMesh {
  readonly network: CalicoNetwork;
  readonly peers: readonly CalicoPeer[];
  readonly #hears: RouteExchange;
  readonly #places = new Map<string, number>();
  readonly #batches = new Map<string, EntryBatch>();

  constructor(network: CalicoNetwork, peers: readonly CalicoPeer[], hears: RouteExchange = () => true) {
    this.network = network;
    this.peers = peers;
    this.#hears = hears;
    for (const [i, { node }] of peers.entries()) this.#places.set(node, i);
  }

  peer(node: string): CalicoPeer | undefined {
    return this.peers[this.#places.get(node) ?? -1];
  }

  /** A node's place in the batch, null when it is none of the peers. */
  placeOf(node: string): number | null {
    return this.#places.get(node) ?? null;
  }

  /** What leads to every peer from a node whose card has these addresses. */
  batchFor(node: string, wires: readonly IpNet[]): EntryBatch {
    const deaf = this.peers.filter((peer) => peer.node !== node && !this.#hears(node, peer.node));
    const key = [...wires.map((wire) => formatIpNet(netOf(wire))), ...deaf.map((peer) => peer.node)].join(
      " ",
    );
    const known = this.#batches.get(key);
    if (known !== undefined) return known;
    const unheard = new Set(deaf);
    const made = new EntryBatch(this.peers.map((peer) => this.#groupOf(peer, wires, !unheard.has(peer))));
    this.#batches.set(key, made);
    return made;
  }

  /** What a node says of its own blocks: an address that no pod has is nobody's (not for single addresses). */
  ownRoutes(node: string): readonly Route[] {
    const own = this.peer(node);
    return (own?.blocks ?? []).flatMap(({ cidr, origin }): Route[] => {
      const pool = poolOf(this.network, cidr.address);
      if (pool === undefined || cidr.length === 32 || this.network.backend === "none") return [];
      const protocol = this.#isFelix(pool) ? FELIX : BIRD;
      return [{ ...PLAIN, type: "blackhole", dst: networkOf(cidr), protocol, nextHops: [], origin }];
    });
  }

  /** Felix makes the routes of pools that it wraps in VXLAN, BIRD the others. */
  #isFelix(pool: CalicoPool): boolean {
    return pool.vxlan !== "Never" || this.network.backend === "vxlan";
  }

  #groupOf(peer: CalicoPeer, wires: readonly IpNet[], heard: boolean): EntryGroup {
    const isNear = wires.some((wire) => containsIp(wire, fromIpv4(peer.address)));
    const routes = peer.blocks.flatMap((block) => this.#routeTo(peer, block, isNear, heard) ?? []);
    const { vxlanAddress } = peer;
    const [first] = peer.blocks;
    // Felix keeps the other ends of the tunnel whether or not a route uses them.
    if (vxlanAddress === null || first === undefined) return { neighbours: [], fdb: [], routes };
    const mac = vtepMac(peer.node);
    const { origin } = first;
    const dev = VXLAN_DEVICE;
    return {
      neighbours: [{ dst: vxlanAddress, dev, lladdr: mac, state: "permanent", proxy: false, origin }],
      fdb: [{ mac, dev, master: null, state: "permanent", dst: peer.address, vlan: null, origin }],
      routes,
    };
  }

  #routeTo(
    { address, vxlanAddress }: CalicoPeer,
    { cidr, origin }: CalicoBlock,
    isNear: boolean,
    heard: boolean,
  ): Route | undefined {
    const pool = poolOf(this.network, cidr.address);
    const { backend } = this.network;
    if (pool === undefined || backend === "none") return undefined;
    const wraps = (mode: CalicoPool["ipip"]) => mode === "Always" || (mode === "CrossSubnet" && !isNear);
    const to = (gateway: Ipv4, dev: string, protocol: string | null, onlink: boolean): Route => ({
      ...PLAIN,
      ...{ type: "unicast", dst: networkOf(cidr), protocol, origin },
      nextHops: [{ dev, gateway, weight: 1, onlink, dead: false }],
    });
    if (this.#isFelix(pool)) {
      if (wraps(pool.vxlan)) {
        return vxlanAddress === null ? undefined : to(vxlanAddress, VXLAN_DEVICE, null, true);
      }
      return isNear ? to(address, EXTERNAL, FELIX, true) : undefined;
    }
    // Nobody told this node of the block.
    if (!heard) return undefined;
    if (wraps(pool.ipip)) return to(address, IPIP_DEVICE, BIRD, true);
    // BIRD leaves out what the kernel refuses: a next hop on no wire of its own.
    return isNear ? to(address, EXTERNAL, BIRD, false) : undefined;
  }
}

const PLAIN = {
  ...{ table: "main", scope: "global", prefsrc: null, metric: 0, tos: 0, mtu: 0 },
} as const satisfies Partial<Route>;
