import type { AddressFamily, PrefixOf } from "../../address/family.ts";
import type { IpAddress } from "../../address/ip.ts";
import type { Mac } from "../../address/mac.ts";
import type { Neighbour, Neighbour6 } from "../../kernel/device/device.ts";
import { EntryBatch, type EntryGroup } from "../../kernel/entry-batch.ts";
import type { Origin } from "../../kernel/origin.ts";
import type { Route, Route6, RouteOf } from "../../kernel/route/route.ts";
import { containsIp, formatIpNet, fromAddress, type IpNet, networkOf as netOf } from "../ip.ts";
import { USUAL_METRIC6 } from "../ipv6-state.ts";
import { HASHED_NAMES } from "../names.ts";
import { EXTERNAL, type FlannelNetwork, flannelDevice } from "./network.ts";

/** A node as the others know it by its lease. */
export interface FlannelPeer<Address> {
  readonly node: string;
  readonly subnet: PrefixOf<Address>;
  readonly publicIp: Address;
  readonly vtepMac?: Mac | null;
  /** Of what leads to it. */
  readonly origin: Origin;
}

/**
 * What each node of a flannel network says of all the others in one family, by the wires that it is on: a neighbour, a
 * forwarding entry and a route for each. Nodes of the same wires say the same of every peer, so it is made once for all.
 */
export class FlannelMesh<Address extends IpAddress = IpAddress> {
  readonly network: FlannelNetwork;
  readonly peers: readonly FlannelPeer<Address>[];
  readonly family: AddressFamily<Address>;
  readonly #places = new Map<string, number>();
  readonly #batches = new Map<string, EntryBatch>();

  constructor(
    network: FlannelNetwork,
    peers: readonly FlannelPeer<Address>[],
    family: AddressFamily<Address>,
  ) {
    this.network = network;
    this.peers = peers;
    this.family = family;
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

  #groupOf(peer: FlannelPeer<Address>, wires: readonly IpNet[]): EntryGroup {
    // Its daemon alone knows the others: all of the network is one route.
    if (this.network.backend === "udp") return this.#group([]);
    const isNear = wires.some((wire) => containsIp(wire, fromAddress(peer.publicIp)));
    if (isNear) return this.#group([this.#routeTo(peer, peer.publicIp, EXTERNAL, false)]);
    // The kernel refuses a gateway that is on no wire of the device: flanneld logs it and goes on.
    if (this.network.backend === "host-gw") return this.#group([]);
    const dev = flannelDevice(this.network, this.family.number);
    if (this.network.backend === "ipip") {
      // IPIP carries IPv4 alone.
      return this.#group(this.family.number === 4 ? [this.#routeTo(peer, peer.publicIp, dev, true)] : []);
    }
    const gateway = this.family.networkOf(peer.subnet).address;
    const mac = peer.vtepMac ?? vtepMacOf(peer.node, dev);
    const { origin } = peer;
    const neighbour = { dst: gateway, dev, lladdr: mac, state: "permanent", proxy: false, origin };
    return {
      ...this.#group([this.#routeTo(peer, gateway, dev, true)]),
      ...(this.family.number === 4
        ? { neighbours: [neighbour as Neighbour] }
        : { neighbours6: [neighbour as unknown as Neighbour6] }),
      fdb: [{ mac, dev, master: null, state: "permanent", dst: peer.publicIp, vlan: null, origin }],
    };
  }

  #group(routes: readonly RouteOf<Address>[]): EntryGroup {
    const none = { neighbours: [], fdb: [], routes: [] };
    return this.family.number === 4
      ? { ...none, routes: routes as readonly Route[] }
      : { ...none, routes6: routes as unknown as readonly Route6[] };
  }

  #routeTo(
    { subnet, origin }: FlannelPeer<Address>,
    gateway: Address,
    dev: string,
    onlink: boolean,
  ): RouteOf<Address> {
    const { networkOf, number } = this.family;
    return {
      ...{ type: "unicast", dst: networkOf(subnet), table: "main", protocol: null, scope: "global" },
      ...{ prefsrc: null, metric: number === 6 ? USUAL_METRIC6 : 0, tos: 0, mtu: 0 },
      nextHops: [{ dev, gateway, weight: 1, onlink, dead: false }],
      origin,
    };
  }
}

/** A tunnel end's link address where no annotation tells it. */
export function vtepMacOf(node: string, device: string): Mac {
  return HASHED_NAMES.mac(`${node} ${device}`);
}
