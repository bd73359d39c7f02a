import { describe, expect, it } from "vitest";
import { IPV4 } from "../../../src/address/family.ts";
import { internMac } from "../../../src/address/mac.ts";
import { type Prefix4, parsePrefix4 } from "../../../src/address/prefix.ts";
import { addDocker0 } from "../../../src/cni/docker0.ts";
import { readLease } from "../../../src/cni/flannel/lease.ts";
import { FlannelMesh, type FlannelPeer } from "../../../src/cni/flannel/mesh.ts";
import { readFlannelNetwork } from "../../../src/cni/flannel/network.ts";
import { addFlannel, addPeers, type FlannelNode } from "../../../src/cni/flannel/node.ts";
import { FlannelRules } from "../../../src/cni/flannel/rules.ts";
import { formatSubnetEnv, parseSubnetEnv } from "../../../src/cni/flannel/subnet-env.ts";
import { parseIp, parseIpNet, toIpv4 } from "../../../src/cni/ip.ts";
import { newNetns } from "../../../src/cni/machine.ts";
import { HASHED_NAMES } from "../../../src/cni/names.ts";
import { Netns } from "../../../src/cni/netns.ts";
import type { Json } from "../../../src/kernel/json-fields.ts";
import { formatIptablesSave } from "../../../src/kernel/netfilter/save/format.ts";
import { operationText } from "../../../src/kernel/operation-text.ts";

function prefix(text: string) {
  const found = parsePrefix4(text);
  if (found === undefined) throw new Error(text);
  return found;
}

function address(text: string) {
  const ip = parseIp(text);
  if (ip === undefined) throw new Error(text);
  return toIpv4(ip);
}

function newNode(): Netns {
  const node = new Netns(newNetns("node1", "node"));
  node.addDevice({ name: "eth0", mac: internMac("52:54:00:00:32:0b"), mtu: 1500, detail: { kind: "ether" } });
  const net = parseIpNet("192.168.50.11/24");
  if (net !== undefined) node.addAddress("eth0", net);
  return node;
}

const LEASE: FlannelNode<number> = {
  subnet: prefix("10.244.1.0/24"),
  publicIp: address("192.168.50.11"),
  vtepMac: internMac("3e:85:1f:fc:43:52"),
};
const PEERS: readonly FlannelPeer<number>[] = [
  {
    ...{ node: "node2", subnet: prefix("10.244.0.0/24"), publicIp: address("192.168.50.10") },
    ...{ vtepMac: internMac("aa:bb:cc:00:00:02"), origin: 2 },
  },
  { ...{ node: "node1", subnet: LEASE.subnet, publicIp: LEASE.publicIp, vtepMac: LEASE.vtepMac }, origin: 1 },
  {
    ...{ node: "node3", subnet: prefix("10.244.2.0/24"), publicIp: address("192.168.60.12") },
    ...{ vtepMac: internMac("aa:bb:cc:00:00:03"), origin: 3 },
  },
];

function withFlannel(node: Netns, backend: Json = {}): void {
  const network = readFlannelNetwork({ Network: "10.244.0.0/16", Backend: backend }, prefix("10.0.0.0/8"));
  const mesh = new FlannelMesh(network, PEERS, IPV4);
  addFlannel(node, mesh, new FlannelRules(network.network as Prefix4, 0), LEASE);
  addPeers(node, mesh);
}

/** The commands but those of iptables. */
function commands(backend: Json): string[] {
  const node = newNode();
  const before = node.operations.length;
  withFlannel(node, backend);
  return node.operations
    .slice(before)
    .filter(({ kind }) => !kind.startsWith("iptables"))
    .flatMap(operationText);
}

const peer = (n: number, node: string, mac: string) => [
  `ip neigh replace 10.244.${n}.0 lladdr ${mac} dev flannel.1 nud permanent`,
  `bridge fdb append ${mac} dev flannel.1 dst ${node} self permanent`,
  `ip route add 10.244.${n}.0/24 via 10.244.${n}.0 dev flannel.1 onlink scope global`,
];
const VXLAN = [
  "ip link add flannel.1 index 3 address 3e:85:1f:fc:43:52 mtu 1450 type vxlan id 1 local 192.168.50.11 dev eth0 dstport 8472 nolearning",
  "ip link set flannel.1 up",
  "ip addr add 10.244.1.0/32 dev flannel.1",
  "ip route add local 10.244.1.0 dev flannel.1 table local proto kernel scope host src 10.244.1.0",
];

describe("flannel's node", () => {
  it("vxlan: neighbour, forwarding entry and route of every peer", () => {
    expect(commands({ Type: "vxlan" })).toEqual([
      ...VXLAN,
      ...peer(0, "192.168.50.10", "aa:bb:cc:00:00:02"),
      ...peer(2, "192.168.60.12", "aa:bb:cc:00:00:03"),
    ]);
  });

  it("vxlan with DirectRouting: a peer on the same wire by itself", () => {
    expect(commands({ Type: "vxlan", DirectRouting: true })).toEqual([
      ...VXLAN,
      "ip route add 10.244.0.0/24 via 192.168.50.10 dev eth0 scope global",
      ...peer(2, "192.168.60.12", "aa:bb:cc:00:00:03"),
    ]);
  });

  // The kernel refuses a gateway that no network of the card holds: "Nexthop has invalid gateway".
  it("host-gw: routes alone, and none to a peer that is not on the wire", () => {
    expect(commands({ Type: "host-gw" })).toEqual([
      "ip route add 10.244.0.0/24 via 192.168.50.10 dev eth0 scope global",
    ]);
  });

  it("VNI, port, learning and MTU of net-conf.json", () => {
    const [tunnel, ...rest] = commands({ Type: "vxlan", VNI: 4096, Port: 4789, Learning: true, MTU: 9000 });
    expect(tunnel).toBe(
      "ip link add flannel.4096 index 3 address 3e:85:1f:fc:43:52 mtu 8950 type vxlan id 4096 local 192.168.50.11 dev eth0 dstport 4789 learning",
    );
    expect(rest.filter((line) => line.includes("flannel.1 "))).toEqual([]);
    expect(rest).toContain("ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.4096 onlink scope global");
  });

  it("nodes of the same wires share every entry for a peer, which has the peer's origin", () => {
    const network = readFlannelNetwork({}, prefix("10.244.0.0/16"));
    const mesh = new FlannelMesh(network, PEERS, IPV4);
    const rules = new FlannelRules(network.network as Prefix4, 0);
    const one = newNode();
    addFlannel(one, mesh, rules, LEASE);
    addPeers(one, mesh);
    const two = new Netns({ ...newNode().host, name: "node2" });
    addFlannel(two, mesh, rules, { ...LEASE, subnet: prefix("10.244.0.0/24") });
    addPeers(two, mesh);
    const to3 = (node: Netns) => node.host.routes.find(({ dst }) => dst.address === address("10.244.2.0"));
    expect(to3(one)?.origin).toBe(3);
    expect(to3(two)).toBe(to3(one));
    expect(two.host.iptables?.tables.get("filter")?.chains.get("FLANNEL-FWD")).toBe(
      one.host.iptables?.tables.get("filter")?.chains.get("FLANNEL-FWD"),
    );
    expect(
      one.host.routes.some(({ dst }) => dst.address === address("10.244.1.0") && dst.length === 24),
    ).toBe(false);
  });

  it("its rules, in the order of a real node", () => {
    const node = newNode();
    withFlannel(node);
    const { iptables } = node.host;
    const rules = iptables === null ? "" : formatIptablesSave(iptables);
    expect(rules.split("\n").filter((line) => line.startsWith("-A"))).toEqual([
      '-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
      '-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN',
      '-A FLANNEL-POSTRTG -s 10.244.1.0/24 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j RETURN',
      '-A FLANNEL-POSTRTG -s 10.244.0.0/16 -d 10.244.1.0/24 -m comment --comment "flanneld masq" -j RETURN',
      '-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.1.0/24 -m comment --comment "flanneld masq" -j RETURN',
      '-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully',
      '-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully',
      '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
      '-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
      '-A FLANNEL-FWD -d 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
    ]);
  });
});

describe("a lease from a Node's annotations", () => {
  const read = (more: Record<string, string>) =>
    readLease(
      "10.244.1.0/24",
      Object.fromEntries(
        Object.entries(more).map(([key, value]) => [`flannel.alpha.coreos.com/${key}`, value]),
      ),
    );
  const vxlan = {
    "backend-type": "vxlan",
    "backend-data": '{"VNI":1,"VtepMAC":"3e:85:1f:fc:43:52"}',
    "public-ip": "192.168.50.11",
  };

  it("of vxlan and host-gw", () => {
    const lease = { subnet: prefix("10.244.1.0/24"), publicIp: address("192.168.50.11"), vni: 1 };
    const mac = internMac("3e:85:1f:fc:43:52");
    expect(read(vxlan)).toEqual({ kind: "ok", value: { ...lease, backend: "vxlan", vtepMac: mac } });
    expect(read({ ...vxlan, "backend-type": "host-gw", "backend-data": "null" })).toEqual({
      kind: "ok",
      value: { ...lease, backend: "host-gw", vtepMac: null },
    });
  });

  it("public-ip-overwrite goes first", () => {
    const lease = read({ ...vxlan, "public-ip-overwrite": "203.0.113.7" });
    expect(lease).toMatchObject({ value: { publicIp: address("203.0.113.7") } });
  });

  it.each([
    [{}, { kind: "none" }],
    [
      { ...vxlan, "public-ip": "somewhere" },
      { kind: "invalid", message: '"somewhere" is no IPv4 address' },
    ],
    [{ ...vxlan, "backend-data": "{" }, { kind: "invalid" }],
    [{ ...vxlan, "backend-data": '{"VtepMAC":"zz"}' }, { kind: "invalid" }],
  ])("%j", (annotations, expected) => {
    expect(read(annotations as Record<string, string>)).toMatchObject(expected);
  });
});

it("subnet.env is read back as it is written, and what is missing is named", () => {
  const text =
    "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
  const read = parseSubnetEnv(text);
  expect(read.kind === "ok" ? formatSubnetEnv(read.value) : read).toBe(text);
  expect(parseSubnetEnv("FLANNEL_MTU=x\n")).toMatchObject({
    missing: ["FLANNEL_NETWORK", "FLANNEL_SUBNET", "FLANNEL_MTU", "FLANNEL_IPMASQ"],
  });
});

it("docker0: filter's chains as on a real node", () => {
  const node = newNode();
  addDocker0(node, prefix("172.17.0.1/16"), HASHED_NAMES);
  const { iptables } = node.host;
  const rules = iptables === null ? [] : formatIptablesSave(iptables).split("\n");
  const forward = rules.filter((line) => line.startsWith("-A FORWARD"));
  expect(forward).toEqual([
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -j DOCKER-ISOLATION-STAGE-1",
    "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A FORWARD -o docker0 -j DOCKER",
    "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "-A FORWARD -i docker0 -o docker0 -j ACCEPT",
  ]);
  expect(rules).toContain("-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE");
});
