import type { PrefixOf } from "../../address/family.ts";
import type { IpAddress } from "../../address/ip.ts";
import { MAC_ZERO, type Mac } from "../../address/mac.ts";
import { bitsOf, fromAddress } from "../ip.ts";
import type { Netns } from "../netns.ts";
import { type FlannelMesh, vtepMacOf } from "./mesh.ts";
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
  if (backend === "vxlan" || (backend === "ipip" && mesh.family.number === 4)) addTunnel(node, mesh, lease);
  rules.add(node, lease.subnet, node.origin);
}

/** What it adds as it hears of the others: a route to every node's subnet, with what the tunnel needs to reach it. */
export function addPeers<Address extends IpAddress>(node: Netns, mesh: FlannelMesh<Address>): void {
  const batch = mesh.batchFor(node.netsOf(EXTERNAL));
  if (batch.groups.length > 0) node.do({ kind: "batch-add", batch, without: mesh.placeOf(node.name) });
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
