import type { Ipv4 } from "../../address/ipv4.ts";
import { formatMac, type Mac } from "../../address/mac.ts";
import { formatPrefix4, networkOf, type Prefix4 } from "../../address/prefix.ts";
import type { Operation } from "../../kernel/operation.ts";
import { containsIp, fromIpv4, type IpNet } from "../ip.ts";
import { IptablesTable } from "../iptables.ts";
import { HASHED_NAMES } from "../names.ts";
import type { Netns } from "../netns.ts";

/**
 * What flanneld leaves on a node: the tunnel device, a route to every other node's subnet with what the tunnel needs to
 * reach it, and its masquerade and forward rules.
 */
export interface FlannelNode {
  readonly backend: "vxlan" | "host-gw";
  /** `Network` of net-conf.json. */
  readonly network: Prefix4;
  /** The node's own subnet, which is its lease. */
  readonly subnet: Prefix4;
  /** Address of the node that the others send to. */
  readonly publicIp: Ipv4;
  /** Link address of flannel.1; null: one made from the node's name. */
  readonly vtepMac?: Mac | null;
  readonly peers: readonly FlannelPeer[];
  /** VXLAN only: peers on the node's own wire are reached without the tunnel. */
  readonly directRouting?: boolean;
}

export interface FlannelPeer {
  readonly node: string;
  readonly subnet: Prefix4;
  readonly publicIp: Ipv4;
  readonly vtepMac?: Mac | null;
}

const VNI = 1;
/** Linux's old VXLAN port, which flannel keeps. */
const VXLAN_PORT = 8472;
/** The device carries this much less than the card below it. */
const VXLAN_OVERHEAD = 50;

const DEVICE = `flannel.${VNI}`;

/** The card that the nodes reach each other by. */
const EXTERNAL = "eth0";

export function addFlannel(node: Netns, flannel: FlannelNode): void {
  if (flannel.backend === "vxlan") addVxlan(node, flannel);
  else for (const peer of flannel.peers) node.do(directRoute(node, peer));
  addRules(node, flannel);
}

/** By the peer itself. A node has hundreds of peers, and no route to them before: none is looked for. */
function directRoute(node: Netns, { subnet, publicIp }: FlannelPeer): Operation {
  const route = node.routeOf({ dst: netOf(subnet), gw: fromIpv4(publicIp), dev: EXTERNAL });
  return { kind: "route-add", route };
}

function addVxlan(node: Netns, { subnet, publicIp, vtepMac, peers, directRouting }: FlannelNode): void {
  const wires = directRouting === true ? node.netsOf(EXTERNAL) : [];
  const mtu = (node.device(EXTERNAL)?.mtu ?? 1500) - VXLAN_OVERHEAD;
  node.addDevice({
    name: DEVICE,
    mac: vtepMac ?? macOf(node.name),
    mtu,
    detail: {
      kind: "vxlan",
      vni: VNI,
      link: EXTERNAL,
      local: publicIp,
      remote: null,
      port: VXLAN_PORT,
      learning: false,
      ttl: 0,
      df: "unset",
    },
  });
  node.addAddress(DEVICE, { ip: fromIpv4(networkOf(subnet).address), length: 32 });
  for (const peer of peers) {
    if (wires.some((net) => containsIp(net, fromIpv4(peer.publicIp)))) {
      node.do(directRoute(node, peer));
      continue;
    }
    const gateway = networkOf(peer.subnet).address;
    const mac = peer.vtepMac ?? macOf(peer.node);
    const origin = node.origin;
    node.do(
      {
        kind: "neighbour-replace",
        neighbour: { dst: gateway, dev: DEVICE, lladdr: mac, state: "permanent", proxy: false, origin },
      } satisfies Operation,
      {
        kind: "fdb-append",
        entry: { mac, dev: DEVICE, master: null, state: "permanent", dst: peer.publicIp, vlan: null, origin },
      } satisfies Operation,
    );
    const route = node.routeOf({
      dst: netOf(peer.subnet),
      gw: fromIpv4(gateway),
      dev: DEVICE,
      onlink: true,
    });
    node.do({ kind: "route-add", route });
  }
}

/** Every node asks for the address of every other one: each is hashed once. */
const macs = new Map<string, Mac>();

/** A tunnel end's link address where no annotation tells it. */
export function macOf(node: string): Mac {
  const known = macs.get(node);
  if (known !== undefined) return known;
  const mac = HASHED_NAMES.mac(`${node} ${DEVICE}`);
  macs.set(node, mac);
  return mac;
}

/** `--ip-masq` and `--iptables-forward-rules`, in the order of current releases. */
function addRules(node: Netns, { network, subnet }: FlannelNode): void {
  const cluster = formatPrefix4(networkOf(network));
  const own = formatPrefix4(networkOf(subnet));
  const masq = '-m comment --comment "flanneld masq"';
  const nat = new IptablesTable(node, "nat");
  nat.ensureChain("FLANNEL-POSTRTG");
  nat.appendUnique("POSTROUTING", `${masq} -j FLANNEL-POSTRTG`);
  for (const rule of [
    `-m mark --mark 0x4000/0x4000 ${masq} -j RETURN`,
    `-s ${own} -d ${cluster} ${masq} -j RETURN`,
    `-s ${cluster} -d ${own} ${masq} -j RETURN`,
    `! -s ${cluster} -d ${own} ${masq} -j RETURN`,
    `-s ${cluster} ! -d 224.0.0.0/4 ${masq} -j MASQUERADE --random-fully`,
    `! -s ${cluster} -d ${cluster} ${masq} -j MASQUERADE --random-fully`,
  ]) {
    nat.appendUnique("FLANNEL-POSTRTG", rule);
  }
  const forward = '-m comment --comment "flanneld forward"';
  const filter = new IptablesTable(node, "filter");
  filter.ensureChain("FLANNEL-FWD");
  filter.appendUnique("FORWARD", `${forward} -j FLANNEL-FWD`);
  filter.appendUnique("FLANNEL-FWD", `-s ${cluster} ${forward} -j ACCEPT`);
  filter.appendUnique("FLANNEL-FWD", `-d ${cluster} ${forward} -j ACCEPT`);
}

function netOf(prefix: Prefix4): IpNet {
  return { ip: fromIpv4(networkOf(prefix).address), length: prefix.length };
}

/** The annotation by which a node tells the others of its tunnel end (`flannel.alpha.coreos.com/backend-data`). */
export function backendData(mac: Mac): string {
  return JSON.stringify({ VNI, VtepMAC: formatMac(mac) });
}
