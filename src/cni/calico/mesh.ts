import type { Family, IpAddress } from "../../address/ip.ts";
import type { Neighbour, Neighbour6 } from "../../kernel/device/device.ts";
import { EntryBatch, type EntryGroup } from "../../kernel/entry-batch.ts";
import type { Origin } from "../../kernel/origin.ts";
import type { Route, Route6, RouteOf } from "../../kernel/route/route.ts";
import { bitsOf, containsIp, formatIpNet, type Ip, type IpNet, networkOf, toAddress } from "../ip.ts";
import { USUAL_METRIC6 } from "../ipv6-state.ts";
import { vtepMac } from "./names.ts";
import { type CalicoNetwork, type CalicoPool, IPIP_DEVICE, poolOf, vxlanDevice } from "./network.ts";

/** A node as the others know it in one family: its address, and the blocks (or single, borrowed addresses) that lead to it. */
export interface CalicoPeer {
  readonly node: string;
  readonly address: Ip;
  /** Of its end of the VXLAN; null where it has none. */
  readonly vxlanAddress: Ip | null;
  readonly blocks: readonly CalicoBlock[];
}

export interface CalicoBlock {
  readonly cidr: IpNet;
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
 * What each node of a Calico network says of all the others in one family: a route for each block, with what a tunnel needs
 * to reach it. Nodes of the same wires that hear of the same peers say the same, so it is made once for all of them.
 */
export class CalicoMesh {
  readonly network: CalicoNetwork;
  readonly family: Family;
  readonly peers: readonly CalicoPeer[];
  readonly #hears: RouteExchange;
  readonly #places = new Map<string, number>();
  readonly #batches = new Map<string, EntryBatch>();

  constructor(
    network: CalicoNetwork,
    family: Family,
    peers: readonly CalicoPeer[],
    hears: RouteExchange = () => true,
  ) {
    this.network = network;
    this.family = family;
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
    const own = wires.filter(({ ip }) => ip.family === this.family);
    const deaf = this.peers.filter((peer) => peer.node !== node && !this.#hears(node, peer.node));
    const key = [...own.map((wire) => formatIpNet(networkOf(wire))), ...deaf.map((peer) => peer.node)].join(
      " ",
    );
    const known = this.#batches.get(key);
    if (known !== undefined) return known;
    const unheard = new Set(deaf);
    const made = new EntryBatch(this.peers.map((peer) => this.#groupOf(peer, own, !unheard.has(peer))));
    this.#batches.set(key, made);
    return made;
  }

  /** What a node says of its own blocks: an address that no pod has is nobody's (not for single addresses). */
  ownRoutes(node: string): readonly (Route | Route6)[] {
    const own = this.peer(node);
    return (own?.blocks ?? []).flatMap(({ cidr, origin }) => {
      const pool = poolOf(this.network, cidr.ip);
      const isSingle = cidr.length === bitsOf(this.family);
      if (pool === undefined || isSingle || this.network.backend === "none") return [];
      const protocol = this.#isFelix(pool) ? FELIX : BIRD;
      return [this.#route({ type: "blackhole", dst: this.#prefix(cidr), protocol, nextHops: [], origin })];
    });
  }

  /** Felix makes the routes of pools that it wraps in VXLAN, BIRD the others. */
  #isFelix(pool: CalicoPool): boolean {
    return pool.vxlan !== "Never" || this.network.backend === "vxlan";
  }

  #groupOf(peer: CalicoPeer, wires: readonly IpNet[], heard: boolean): EntryGroup {
    const isNear = wires.some((wire) => containsIp(wire, peer.address));
    const made = peer.blocks.flatMap((block) => this.#routeTo(peer, block, isNear, heard) ?? []);
    const group = this.#group(made);
    const { vxlanAddress } = peer;
    const [first] = peer.blocks;
    // Felix keeps the other ends of the tunnel whether or not a route uses them.
    if (vxlanAddress === null || first === undefined) return group;
    const mac = vtepMac(peer.node, this.family);
    const { origin } = first;
    const dev = vxlanDevice(this.family);
    const dst = toAddress(vxlanAddress);
    const neighbour = { dst, dev, lladdr: mac, state: "permanent", proxy: false, origin };
    return {
      ...group,
      ...(this.family === 4
        ? { neighbours: [neighbour as Neighbour] }
        : { neighbours6: [neighbour as Neighbour6] }),
      fdb: [{ mac, dev, master: null, state: "permanent", dst: toAddress(peer.address), vlan: null, origin }],
    };
  }

  #group(routes: readonly (Route | Route6)[]): EntryGroup {
    const none = { neighbours: [], fdb: [], routes: [] };
    return this.family === 4
      ? { ...none, routes: routes as readonly Route[] }
      : { ...none, routes6: routes as readonly Route6[] };
  }

  #routeTo(
    { address, vxlanAddress }: CalicoPeer,
    { cidr, origin }: CalicoBlock,
    isNear: boolean,
    heard: boolean,
  ): Route | Route6 | undefined {
    const pool = poolOf(this.network, cidr.ip);
    const { backend } = this.network;
    if (pool === undefined || backend === "none") return undefined;
    const wraps = (mode: CalicoPool["ipip"]) => mode === "Always" || (mode === "CrossSubnet" && !isNear);
    const to = (gateway: Ip, dev: string, protocol: string | null, onlink: boolean) =>
      this.#route({
        ...{ type: "unicast", dst: this.#prefix(cidr), protocol, origin },
        nextHops: [{ dev, gateway: toAddress(gateway), weight: 1, onlink, dead: false }],
      });
    if (this.#isFelix(pool)) {
      if (wraps(pool.vxlan)) {
        return vxlanAddress === null ? undefined : to(vxlanAddress, vxlanDevice(this.family), null, true);
      }
      return isNear ? to(address, EXTERNAL, FELIX, true) : undefined;
    }
    // Nobody told this node of the block.
    if (!heard || pool.hidden) return undefined;
    if (wraps(pool.ipip)) return to(address, IPIP_DEVICE, BIRD, true);
    // BIRD leaves out what the kernel refuses: a next hop on no wire of its own.
    return isNear ? to(address, EXTERNAL, BIRD, false) : undefined;
  }

  #prefix(cidr: IpNet): { readonly address: IpAddress; readonly length: number } {
    return { address: toAddress(networkOf(cidr).ip), length: cidr.length };
  }

  #route(
    given: Pick<RouteOf<IpAddress>, "type" | "protocol" | "nextHops" | "origin"> & {
      readonly dst: { readonly address: IpAddress; readonly length: number };
    },
  ): Route | Route6 {
    const metric = this.family === 6 ? USUAL_METRIC6 : 0;
    return { ...PLAIN, metric, ...given } as Route | Route6;
  }
}

const PLAIN = { table: "main", scope: "global", prefsrc: null, tos: 0, mtu: 0 } as const;
