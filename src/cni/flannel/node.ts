import type { Ipv4 } from "../../address/ipv4.ts";
import { MAC_ZERO, type Mac } from "../../address/mac.ts";
import { networkOf, type Prefix4 } from "../../address/prefix.ts";
import { fromIpv4 } from "../ip.ts";
import type { Netns } from "../netns.ts";
import { type FlannelMesh, vtepMacOf } from "./mesh.ts";
import { EXTERNAL, flannelDevice, flannelMtu } from "./network.ts";
import type { FlannelRules } from "./rules.ts";

/** A node of a flannel network. */
export interface FlannelNode {
  /** The node's own subnet, which is its lease. */
  readonly subnet: Prefix4;
  /** Address of the node that the others send to. */
  readonly publicIp: Ipv4;
  /** Link address of the tunnel's end; null: one made from the node's name. */
  readonly vtepMac: Mac | null;
}

/** What flanneld makes on a node when it starts: the tunnel device, and its masquerade and forward rules. */
export function addFlannel(node: Netns, mesh: FlannelMesh, rules: FlannelRules, lease: FlannelNode): void {
  if (mesh.network.backend !== "host-gw") addTunnel(node, mesh, lease);
  rules.add(node, lease.subnet, node.origin);
}

/** What it adds as it hears of the others: a route to every node's subnet, with what the tunnel needs to reach it. */
export function addPeers(node: Netns, mesh: FlannelMesh): void {
  const batch = mesh.batchFor(node.netsOf(EXTERNAL));
  if (batch.groups.length > 0) node.do({ kind: "batch-add", batch, without: mesh.placeOf(node.name) });
}

function addTunnel(node: Netns, { network }: FlannelMesh, { subnet, publicIp, vtepMac }: FlannelNode): void {
  const name = flannelDevice(network);
  const mtu = flannelMtu(network, node.device(EXTERNAL)?.mtu ?? 1500);
  if (network.backend === "ipip") {
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
  node.addAddress(name, { ip: fromIpv4(networkOf(subnet).address), length: 32 });
}
