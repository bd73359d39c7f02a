import type { Ipv4 } from "../../address/ipv4.ts";
import { MAC_ZERO } from "../../address/mac.ts";
import { fromIpv4 } from "../ip.ts";
import type { Netns } from "../netns.ts";
import { type CalicoMesh, EXTERNAL } from "./mesh.ts";
import { vtepMac } from "./names.ts";
import {
  IPIP_DEVICE,
  ipipMtu,
  usesIpip,
  usesVxlan,
  VXLAN_DEVICE,
  VXLAN_PORT,
  VXLAN_VNI,
  vxlanMtu,
} from "./network.ts";

/** Of a node: its ends of the tunnels, null where it has none. */
export interface CalicoNode {
  readonly address: Ipv4;
  readonly ipipAddress: Ipv4 | null;
  readonly vxlanAddress: Ipv4 | null;
}

/** What calico-node makes on a node when it starts: the tunnels' devices, and where its own blocks end. */
export function addCalico(node: Netns, mesh: CalicoMesh, self: CalicoNode): void {
  const { network } = mesh;
  const card = node.device(EXTERNAL)?.mtu ?? 1500;
  if (usesIpip(network)) {
    node.addDevice({
      name: IPIP_DEVICE,
      ...{ mac: MAC_ZERO, mtu: ipipMtu(card), noArp: true },
      detail: { kind: "ipip", link: null, local: null, remote: null, ttl: 0, tos: 1, pmtudisc: true },
    });
    if (self.ipipAddress !== null) {
      node.addAddress(IPIP_DEVICE, { ip: fromIpv4(self.ipipAddress), length: 32 });
    }
  }
  if (usesVxlan(network)) {
    node.addDevice({
      name: VXLAN_DEVICE,
      mac: vtepMac(node.name),
      mtu: vxlanMtu(card),
      detail: {
        ...{ kind: "vxlan", vni: VXLAN_VNI, link: EXTERNAL, local: self.address, remote: null },
        ...{ port: VXLAN_PORT, learning: false, ttl: 0, df: "unset" },
      },
    });
    if (self.vxlanAddress !== null) {
      node.addAddress(VXLAN_DEVICE, { ip: fromIpv4(self.vxlanAddress), length: 32 });
    }
  }
  node.do(...mesh.ownRoutes(node.name).map((route) => ({ kind: "route-add", route }) as const));
}

/** What it adds as it hears of the others. */
export function addCalicoPeers(node: Netns, mesh: CalicoMesh): void {
  const batch = mesh.batchFor(node.name, node.netsOf(EXTERNAL));
  if (batch.groups.length > 0) node.do({ kind: "batch-add", batch, without: mesh.placeOf(node.name) });
}
