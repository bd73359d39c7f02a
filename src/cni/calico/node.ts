import { MAC_ZERO } from "../../address/mac.ts";
import { bitsOf, type Ip, toAddress } from "../ip.ts";
import type { Netns } from "../netns.ts";
import { type CalicoMesh, EXTERNAL } from "./mesh.ts";
import { vtepMac } from "./names.ts";
import {
  IPIP_DEVICE,
  ipipMtu,
  usesIpip,
  usesVxlan,
  VXLAN_PORT,
  VXLAN_VNI,
  vxlanDevice,
  vxlanMtu,
} from "./network.ts";

/** Of a node in one family: its ends of the tunnels, null where it has none. */
export interface CalicoNode {
  readonly address: Ip;
  readonly ipipAddress: Ip | null;
  readonly vxlanAddress: Ip | null;
}

/** What calico-node makes on a node when it starts: the tunnels' devices, and where its own blocks end. */
export function addCalico(node: Netns, mesh: CalicoMesh, self: CalicoNode): void {
  const { network, family } = mesh;
  const card = node.device(EXTERNAL)?.mtu ?? 1500;
  if (family === 4 && usesIpip(network)) {
    node.addDevice({
      name: IPIP_DEVICE,
      ...{ mac: MAC_ZERO, mtu: ipipMtu(network, card), noArp: true },
      detail: { kind: "ipip", link: null, local: null, remote: null, ttl: 0, tos: 1, pmtudisc: true },
    });
    addEnd(node, IPIP_DEVICE, self.ipipAddress);
  }
  if (usesVxlan(network, family)) {
    const name = vxlanDevice(family);
    const local = toAddress(self.address);
    node.addDevice({
      ...{ name, mac: vtepMac(node.name, family), mtu: vxlanMtu(network, card, family) },
      detail: {
        ...{ kind: "vxlan", vni: VXLAN_VNI, link: EXTERNAL, local, remote: null },
        ...{ port: VXLAN_PORT, learning: false, ttl: 0, df: "unset" },
      },
    });
    addEnd(node, name, self.vxlanAddress);
  }
  node.do(...mesh.ownRoutes(node.name).map((route) => ({ kind: "route-add", route }) as const));
}

function addEnd(node: Netns, device: string, ip: Ip | null): void {
  if (ip !== null) node.addAddress(device, { ip, length: bitsOf(ip.family) });
}

/** What it adds as it hears of the others. */
export function addCalicoPeers(node: Netns, mesh: CalicoMesh): void {
  const batch = mesh.batchFor(node.name, node.netsOf(EXTERNAL));
  if (batch.groups.length > 0) node.do({ kind: "batch-add", batch, without: mesh.placeOf(node.name) });
}
