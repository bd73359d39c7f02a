import type { Ipv4 } from "../../address/ipv4.ts";
import type { Mac } from "../../address/mac.ts";
import { networkOf, type Prefix4 } from "../../address/prefix.ts";
import { EntryBatch, type EntryGroup } from "../../kernel/entry-batch.ts";
import type { Origin } from "../../kernel/origin.ts";
import type { Route } from "../../kernel/route/route.ts";
import { containsIp, formatIpNet, fromIpv4, type IpNet, networkOf as netOf } from "../ip.ts";
import { HASHED_NAMES } from "../names.ts";
import { EXTERNAL, type FlannelNetwork, flannelDevice } from "./network.ts";

/** A node as the others know it by its lease. */
export interface FlannelPeer {
  readonly node: string;
  readonly subnet: Prefix4;
  readonly publicIp: Ipv4;
  readonly vtepMac?: Mac | null;
  /** Of what leads to it. */
  readonly origin: Origin;
}

/**
 * What each node of a flannel network says of all the others, by the wires that it is on: a neighbour, a forwarding entry and
 * a route for each. Nodes of the same wires say the same of every peer, so it is made once for all of them.
 */
export class FlannelMesh {
  readonly network: FlannelNetwork;
  readonly peers: readonly FlannelPeer[];
  readonly #places = new Map<string, number>();
  readonly #batches = new Map<string, EntryBatch>();

  constructor(network: FlannelNetwork, peers: readonly FlannelPeer[]) {
    this.network = network;
    this.peers = peers;
    for (const [i, { node }] of peers.entries()) this.#places.set(node, i);
  }

  /** A node's place in the batch, null when it is none of the peers. */
  placeOf(node: string): number | null {
    return this.#places.get(node) ?? null;
  }

  /** What leads to every peer from a node whose card has these addresses. */
  batchFor(wires: readonly IpNet[]): EntryBatch {
    // Only where a peer on the wire is treated in another way does it matter which wire that is.
    const { backend, directRouting } = this.network;
    const matter = backend === "host-gw" || directRouting ? wires : [];
    const key = matter.map((wire) => formatIpNet(netOf(wire))).join(" ");
    const known = this.#batches.get(key);
    if (known !== undefined) return known;
    const made = new EntryBatch(this.peers.map((peer) => this.#groupOf(peer, matter)));
    this.#batches.set(key, made);
    return made;
  }

  #groupOf(peer: FlannelPeer, wires: readonly IpNet[]): EntryGroup {
    const isNear = wires.some((wire) => containsIp(wire, fromIpv4(peer.publicIp)));
    if (isNear) return { neighbours: [], fdb: [], routes: [routeTo(peer, peer.publicIp, EXTERNAL, false)] };
    // The kernel refuses a gateway that is on no wire of the device: flanneld logs it and goes on.
    if (this.network.backend === "host-gw") return { neighbours: [], fdb: [], routes: [] };
    const dev = flannelDevice(this.network);
    if (this.network.backend === "ipip") {
      return { neighbours: [], fdb: [], routes: [routeTo(peer, peer.publicIp, dev, true)] };
    }
    const gateway = networkOf(peer.subnet).address;
    const mac = peer.vtepMac ?? vtepMacOf(peer.node, dev);
    const { origin } = peer;
    return {
      neighbours: [{ dst: gateway, dev, lladdr: mac, state: "permanent", proxy: false, origin }],
      fdb: [{ mac, dev, master: null, state: "permanent", dst: peer.publicIp, vlan: null, origin }],
      routes: [routeTo(peer, gateway, dev, true)],
    };
  }
}

function routeTo({ subnet, origin }: FlannelPeer, gateway: Ipv4, dev: string, onlink: boolean): Route {
  return {
    ...{ type: "unicast", dst: networkOf(subnet), table: "main", protocol: null, scope: "global" },
    ...{ prefsrc: null, metric: 0, tos: 0, mtu: 0 },
    nextHops: [{ dev, gateway, weight: 1, onlink, dead: false }],
    origin,
  };
}

/** A tunnel end's link address where no annotation tells it. */
export function vtepMacOf(node: string, device: string): Mac {
  return HASHED_NAMES.mac(`${node} ${device}`);
}
