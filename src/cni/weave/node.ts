import { formatIpv4, type Ipv4 } from "../../address/ipv4.ts";
import { formatPrefix4, networkOf, type Prefix4 } from "../../address/prefix.ts";
import { NEW_BRIDGE } from "../../kernel/device/device.ts";
import { parseIpsetSave } from "../../kernel/ipset/save.ts";
import { OFPP_LOCAL, type OvsPort } from "../../kernel/ovs/open-vswitch.ts";
import type { Wire } from "../../world/world.ts";
import { fromIpv4 } from "../ip.ts";
import { IptablesTable } from "../iptables.ts";
import { HASHED_NAMES } from "../names.ts";
import type { Netns } from "../netns.ts";
import {
  NO_MASQ_LOCAL_SET,
  WEAVE_BRIDGE,
  WEAVE_BRIDGE_PORT,
  WEAVE_DATAPATH,
  WEAVE_DATAPATH_PORT,
  WEAVE_MTU,
  WEAVE_TUNNEL,
  WEAVE_TUNNEL_PORT,
  weaveAddressOf,
  weaveKey,
} from "./network.ts";

/** Another node, or this one, as the routers know each other. */
export interface WeavePeer {
  readonly node: string;
  /** The address that tunnels lead to. */
  readonly address: Ipv4;
  /** Short id, from 1. */
  readonly id: number;
}

/**
 * What Weave makes on a node: the bridge with the node's address in the whole network, and the fast datapath behind it. The
 * router tells the datapath who is behind which peer as it hears of it, and hands nothing from peer to peer: that is a switch
 * which learns, with its tunnels as ports that are protected from one another.
 *
 * @returns the cable between the bridge and the datapath
 */
export function addWeave(
  node: Netns,
  network: Prefix4,
  slice: Prefix4,
  self: WeavePeer,
  peers: readonly WeavePeer[],
): Wire[] {
  const mac = (role: string) => HASHED_NAMES.mac(`weave ${node.name} ${role}`);
  const veth = { kind: "veth" } as const;
  const mtu = WEAVE_MTU;
  node.addDevice({ name: WEAVE_DATAPATH, mac: mac("datapath"), mtu, detail: { kind: "openvswitch" } });
  node.addDevice({
    ...{ name: WEAVE_BRIDGE, mac: mac("bridge"), mtu },
    detail: NEW_BRIDGE,
  });
  node.addAddress(WEAVE_BRIDGE, { ip: fromIpv4(weaveAddressOf(slice)), length: network.length });
  node.addDevice({ name: WEAVE_DATAPATH_PORT, mac: mac("datapath port"), mtu, detail: veth });
  node.addDevice({
    ...{ name: WEAVE_BRIDGE_PORT, mac: mac("bridge port"), mtu, detail: veth, master: WEAVE_BRIDGE },
  });
  node.addDevice({
    ...{ name: WEAVE_TUNNEL, mac: mac("tunnel"), mtu: 65_535 },
    detail: { kind: "external", type: "vxlan", port: WEAVE_TUNNEL_PORT },
  });
  const others = peers.filter((peer) => peer !== self);
  node.do({
    kind: "ovs",
    ovs: {
      ...{ uuid: null, managers: [], version: null },
      bridges: [
        {
          ...{ name: WEAVE_DATAPATH, controllers: [], failMode: null, datapath: null, groups: [] },
          ports: [
            { ...PORT, name: WEAVE_DATAPATH, number: OFPP_LOCAL, type: "internal" },
            { ...PORT, name: WEAVE_DATAPATH_PORT, number: 1 },
            ...others.map((peer, i) => tunnelTo(self, peer, i + 2)),
          ],
          // Nothing but to learn and to forward.
          flows: null,
          origin: node.origin,
        },
      ],
    },
  });
  addNat(node, network);
  return [
    {
      a: { host: node.name, device: WEAVE_DATAPATH_PORT },
      b: { host: node.name, device: WEAVE_BRIDGE_PORT },
    },
  ];
}

const PORT: Omit<OvsPort, "name" | "number"> = {
  ...{ type: "", options: new Map(), tag: null, trunks: [], protected: false, error: null, flood: true },
};

function tunnelTo(self: WeavePeer, peer: WeavePeer, number: number): OvsPort {
  return {
    ...PORT,
    ...{ name: `peer-${peer.node}`, number, type: "vxlan", protected: true },
    options: new Map([
      ["dst_port", String(WEAVE_TUNNEL_PORT)],
      ["in_key", String(weaveKey(peer.id, self.id))],
      ["out_key", String(weaveKey(self.id, peer.id))],
      ["remote_ip", formatIpv4(peer.address)],
    ]),
  };
}

/** `weave expose`: who leaves the network, or comes into it from elsewhere, takes the node's address. */
function addNat(node: Netns, network: Prefix4): void {
  const empty = parseIpsetSave(
    `create ${NO_MASQ_LOCAL_SET} hash:ip family inet hashsize 1024 maxelem 65536 comment\n`,
  );
  if (empty.kind === "ok") node.do({ kind: "ipset-restore", sets: empty.sets });
  const all = formatPrefix4(networkOf(network));
  const nat = new IptablesTable(node, "nat");
  nat.setChain("WEAVE", [
    `-m set --match-set ${NO_MASQ_LOCAL_SET} dst -m comment --comment "Prevent SNAT to locally running containers" -j RETURN`,
    `-s ${all} -d 224.0.0.0/4 -j RETURN`,
    `! -s ${all} -d ${all} -j MASQUERADE`,
    `-s ${all} ! -d ${all} -j MASQUERADE`,
  ]);
  nat.appendUnique("POSTROUTING", "-j WEAVE");
}
