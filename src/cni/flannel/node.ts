import { IPV4, type PrefixOf } from "../../address/family.ts";
import type { IpAddress } from "../../address/ip.ts";
import { MAC_ZERO, type Mac } from "../../address/mac.ts";
import { bitsOf, fromAddress } from "../ip.ts";
import type { Netns } from "../netns.ts";
import { type FlannelMesh, type FlannelPeer, vtepMacOf } from "./mesh.ts";
import { EXTERNAL, flannelDevice, tunnelMtu } from "./network.ts";
import type { FlannelRules } from "./rules.ts";

/** A node of a flannel network. */
export interface FlannelNode<Address> {
  /** The node's own subnet, which is its lease. */
  readonly subnet: PrefixOf<Address>;
  /** Address of the node that the others send to. */
  readonly publicIp: Address;
  /** Link address of the tunnel's end; null: one made from the node's name. */
  readonly vtepMac: Mac | null;
}

/** What flanneld makes on a node when it starts: the tunnel device, and its masquerade and forward rules. */
export function addFlannel<Address extends IpAddress>(
  node: Netns,
  mesh: FlannelMesh<Address>,
  rules: FlannelRules,
  lease: FlannelNode<Address>,
): void {
  const { backend } = mesh.network;
  if (backend === "udp") addTun(node, mesh, lease);
  if (backend === "vxlan" || (backend === "ipip" && mesh.family.number === 4)) addTunnel(node, mesh, lease);
  rules.add(node, lease.subnet, node.origin);
}

/**
 * What it adds as it hears of the others: a route to every node's subnet, with what the tunnel needs to reach it. The backend
 * `udp` tells its daemon instead.
 */
export function addPeers<Address extends IpAddress>(node: Netns, mesh: FlannelMesh<Address>): void {
  if (mesh.network.backend === "udp") openDaemon(node, mesh);
  const batch = mesh.batchFor(node.netsOf(EXTERNAL));
  if (batch.groups.length > 0) node.do({ kind: "batch-add", batch, without: mesh.placeOf(node.name) });
}

/** `udp` (backend/udp): a TUN with the subnet's first address in the whole network. It carries IPv4 alone. */
function addTun<Address extends IpAddress>(
  node: Netns,
  { network, family }: FlannelMesh<Address>,
  { subnet }: FlannelNode<Address>,
): void {
  if (network.network === null || family.number !== 4) return;
  const name = flannelDevice(network);
  const mtu = tunnelMtu(network, node.device(EXTERNAL)?.mtu ?? 1500, 4);
  node.addDevice({ name, mac: MAC_ZERO, mtu, noArp: true, detail: { kind: "tun", mode: "tun" } });
  const ip = fromAddress(family.networkOf(subnet).address);
  node.addAddress(name, { ip, length: network.network.length });
}

/** The daemon behind it, which sends to every other node's. */
function openDaemon<Address extends IpAddress>(
  node: Netns,
  { network, family, peers }: FlannelMesh<Address>,
): void {
  const own = peers.find((peer) => peer.node === node.name);
  if (network.network === null || family.number !== 4 || own === undefined) return;
  const { port } = network;
  const others = peers.filter((peer) => peer !== own) as unknown as readonly FlannelPeer<number>[];
  node.do({
    kind: "socket-open",
    socket: {
      ...{ proto: "udp", families: [4], address: own.publicIp, dev: null, port, origin: node.origin },
      app: {
        kind: "tun",
        device: flannelDevice(network),
        peers: others.map((peer) => ({
          subnet: IPV4.networkOf(peer.subnet),
          address: peer.publicIp,
          port,
          origin: peer.origin,
        })),
      },
    },
  });
}

function addTunnel<Address extends IpAddress>(
  node: Netns,
  { network, family }: FlannelMesh<Address>,
  { subnet, publicIp, vtepMac }: FlannelNode<Address>,
): void {
  const name = flannelDevice(network, family.number);
  const mtu = tunnelMtu(network, node.device(EXTERNAL)?.mtu ?? 1500, family.number);
  if (network.backend === "ipip" && typeof publicIp === "number") {
    node.addDevice({
      ...{ name, mac: MAC_ZERO, mtu, noArp: true },
      detail: { kind: "ipip", link: null, local: publicIp, remote: null, ttl: 0, tos: 1, pmtudisc: true },
    });
  } else {
    const { vni, port, learning } = network;
    node.addDevice({
      ...{ name, mac: vtepMac ?? vtepMacOf(node.name, name), mtu },
      detail: {
        ...{ kind: "vxlan", vni, link: EXTERNAL, local: publicIp, remote: null, port, learning },
        ...{ ttl: 0, df: "unset" },
      },
    });
  }
  const ip = fromAddress(family.networkOf(subnet).address);
  node.addAddress(name, { ip, length: bitsOf(ip.family) });
}
