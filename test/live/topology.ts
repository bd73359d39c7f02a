import type { Dice } from "./dice.ts";
import {
  addAddress,
  addBridge,
  addLink,
  type Draft,
  type DraftHost,
  newHost,
  randomMac,
  wire,
} from "./draft.ts";

/** What a world has that rules and packets can be aimed at. */
export interface Ground {
  readonly draft: Draft;
  /** Hosts that send. */
  readonly clients: string[];
  /** Hosts that get rules. */
  readonly ruled: string[];
  /** Addresses that some host has. */
  readonly addresses: string[];
  /** Addresses that only rules know. */
  readonly virtual: string[];
  readonly networks: string[];
  /** Devices by host. */
  readonly devices: Map<string, string[]>;
}

/** Ports that servers listen on, and ports that rules translate. */
export const PORTS = [53, 80, 443, 8080, 5432] as const;
/** Networks that lead nowhere, or where a route says so. */
export const NOWHERE = ["192.0.2.80", "198.51.100.9", "10.99.0.7", "10.98.1.2"] as const;

const OUTSIDE = "203.0.113.10";

interface Plan {
  readonly ground: Ground;
  readonly dice: Dice;
}

/** Nodes with pods on bridges behind a switch, a router to the outside, cables across, odd routes, rules and settings. */
export function randomTopology(dice: Dice): Ground {
  const ground: Ground = {
    draft: { hosts: new Map(), wires: [] },
    clients: [],
    ruled: [],
    addresses: [],
    virtual: ["10.96.0.10", "10.96.0.11", "198.18.0.77"],
    networks: ["172.18.0.0/24", "10.244.0.0/16", "203.0.113.0/24"],
    devices: new Map(),
  };
  const plan: Plan = { ground, dice };
  const nodes = dice.weighted([
    [3, 1],
    [4, 2],
    [1, 3],
  ]);
  const fabric = newHost(ground.draft, "fabric", "switch");
  addBridge(fabric, dice, "br0");
  fabric.sysctl["net.bridge.bridge-nf-call-iptables"] = "0";
  const router = newHost(ground.draft, "router", "router");
  plug(plan, router, "eth0", "172.18.0.254");
  addOutside(plan, router);
  const overlay = nodes > 1 && dice.chance(0.5);
  const built = Array.from({ length: nodes }, (_, i) => addNode(plan, i + 1, overlay));
  joinPods(plan, built, overlay, router);
  if (built.length > 1 && dice.chance(0.3)) addCable(plan, built);
  if (dice.chance(0.4)) addOddRoutes(plan, [...built.map(({ host }) => host), router]);
  if (dice.chance(0.35)) addPolicy(plan, [...built.map(({ host }) => host), router]);
  settle(plan, [...built.map(({ host }) => host), router]);
  for (const host of ground.draft.hosts.values()) {
    ground.devices.set(
      host.name,
      host.links.map((link) => (link as { readonly ifname: string }).ifname),
    );
  }
  return ground;
}

function listen(dice: Dice, host: DraftHost): void {
  for (const port of PORTS) {
    if (dice.chance(0.8)) host.sockets.push(`tcp LISTEN 0 128 0.0.0.0:${port} 0.0.0.0:*`);
    if (dice.chance(0.8)) host.sockets.push(`udp UNCONN 0 0 0.0.0.0:${port} 0.0.0.0:*`);
  }
}

/** Puts a card of a host into the switch. */
function plug({ ground, dice }: Plan, host: DraftHost, dev: string, address: string, mtu = 1500): void {
  const fabric = ground.draft.hosts.get("fabric") as DraftHost;
  const port = `p${fabric.links.length}`;
  addLink(fabric, dice, port, { master: "br0", mtu });
  addLink(host, dice, dev, { mtu });
  addAddress(host, dev, address, 24);
  wire(ground.draft, "fabric", port, host.name, dev);
  ground.addresses.push(address);
}

function addOutside({ ground, dice }: Plan, router: DraftHost): void {
  const outside = newHost(ground.draft, "internet", "external");
  const mtu = dice.chance(0.2) ? 1400 : 1500;
  addLink(outside, dice, "eth0", { mtu });
  addAddress(outside, "eth0", OUTSIDE, 24);
  outside.routes.push({ dst: "default", gateway: "203.0.113.254", dev: "eth0" });
  addLink(router, dice, "eth1", { mtu });
  addAddress(router, "eth1", "203.0.113.254", 24);
  wire(ground.draft, "router", "eth1", "internet", "eth0");
  router.sysctl["net.ipv4.ip_forward"] = "1";
  listen(dice, outside);
  listen(dice, router);
  ground.addresses.push(OUTSIDE, "203.0.113.254");
  ground.clients.push("internet", "router");
  if (dice.chance(0.4)) ground.ruled.push("router");
  if (dice.chance(0.2)) ground.ruled.push("internet");
}

interface BuiltNode {
  readonly host: DraftHost;
  readonly address: string;
  /** Third octet of its pods' network. */
  readonly octet: number;
  readonly vtepMac: string;
}

const OVERLAY_MTU = 1450;

function addNode(plan: Plan, number: number, overlay: boolean): BuiltNode {
  const { ground, dice } = plan;
  const name = `node${number}`;
  const host = newHost(ground.draft, name, "node");
  const address = `172.18.0.${10 + number}`;
  plug(plan, host, "eth0", address);
  if (dice.chance(0.25)) {
    const other = `172.18.0.${100 + number}`;
    addAddress(host, "eth0", other, 24);
    ground.addresses.push(other);
  }
  if (dice.chance(0.2)) {
    addAddress(host, "lo", `10.200.0.${number}`, 32);
    ground.addresses.push(`10.200.0.${number}`);
  }
  host.routes.push({ dst: "default", gateway: "172.18.0.254", dev: "eth0" });
  host.sysctl["net.ipv4.ip_forward"] = dice.chance(0.95) ? "1" : "0";
  host.sysctl["net.bridge.bridge-nf-call-iptables"] = dice.chance(0.6) ? "1" : "0";
  const octet = dice.between(1, 60) + number * 64;
  const mtu = overlay ? OVERLAY_MTU : dice.chance(0.15) ? 1400 : 1500;
  addBridge(host, dice, "cni0", mtu);
  addAddress(host, "cni0", `10.244.${octet}.1`, 24);
  ground.addresses.push(`10.244.${octet}.1`);
  ground.networks.push(`10.244.${octet}.0/24`);
  const hairpin = dice.chance(0.5);
  const pods = dice.between(1, 3);
  for (let i = 0; i < pods; i++) addPod(plan, host, `pod${number}-${i}`, octet, 45 + i, mtu, hairpin);
  listen(dice, host);
  ground.clients.push(name);
  ground.ruled.push(name);
  return { host, address, octet, vtepMac: randomMac(dice) };
}

function addPod(
  { ground, dice }: Plan,
  node: DraftHost,
  name: string,
  octet: number,
  last: number,
  mtu: number,
  hairpin: boolean,
): void {
  const pod = newHost(ground.draft, name, "pod");
  const dev = `veth${dice.word().toString(16).padStart(8, "0")}`;
  addLink(node, dice, dev, {
    mtu,
    master: "cni0",
    port: { hairpin, ...(dice.chance(0.1) ? { isolated: true } : {}) },
  });
  addLink(pod, dice, "eth0", { mtu });
  const address = `10.244.${octet}.${last}`;
  addAddress(pod, "eth0", address, 24);
  pod.routes.push({ dst: "default", gateway: `10.244.${octet}.1`, dev: "eth0" });
  wire(ground.draft, node.name, dev, name, "eth0");
  listen(dice, pod);
  ground.addresses.push(address);
  ground.clients.push(name);
  if (dice.chance(0.15)) ground.ruled.push(name);
}

/** Every node learns the others' pods: by a gateway in the same network, or through a tunnel. */
function joinPods(
  { ground, dice }: Plan,
  nodes: readonly BuiltNode[],
  overlay: boolean,
  router: DraftHost,
): void {
  const fault = dice.chance(0.08);
  for (const { host, address, octet, vtepMac } of nodes) {
    if (overlay) {
      const info_data = {
        id: 1,
        local: address,
        link: "eth0",
        port: 8472,
        learning: false,
        ttl: 0,
        df: "unset",
      };
      addLink(host, dice, "flannel.1", {
        mtu: OVERLAY_MTU,
        mac: vtepMac,
        linkinfo: { info_kind: "vxlan", info_data },
      });
      addAddress(host, "flannel.1", `10.244.${octet}.0`, 32);
    }
    for (const other of nodes) {
      if (other.host === host || (fault && dice.chance(0.3))) continue;
      const dst = `10.244.${other.octet}.0/24`;
      if (!overlay) host.routes.push({ dst, gateway: other.address, dev: "eth0" });
      else {
        const gateway = `10.244.${other.octet}.0`;
        host.routes.push({ dst, gateway, dev: "flannel.1", flags: ["onlink"] });
        host.neigh.push({ dst: gateway, dev: "flannel.1", lladdr: other.vtepMac, state: ["PERMANENT"] });
        host.fdb.push({
          mac: other.vtepMac,
          ifname: "flannel.1",
          dst: other.address,
          flags: ["self"],
          state: "permanent",
        });
      }
    }
    if (dice.chance(0.9)) router.routes.push({ dst: `10.244.${octet}.0/24`, gateway: address, dev: "eth0" });
    ground.networks.push(`${address}/32`);
  }
}

/** A second way between two nodes, that only one of them may use: the way back is another. */
function addCable({ ground, dice }: Plan, [a, b]: readonly BuiltNode[]): void {
  if (a === undefined || b === undefined) return;
  const mtu = dice.pick([1500, 1500, 1300]);
  addLink(a.host, dice, "eth1", { mtu });
  addLink(b.host, dice, "eth1", { mtu });
  addAddress(a.host, "eth1", "10.9.0.1", 30);
  addAddress(b.host, "eth1", "10.9.0.2", 30);
  wire(ground.draft, a.host.name, "eth1", b.host.name, "eth1");
  ground.addresses.push("10.9.0.1", "10.9.0.2");
  a.host.routes.push({ dst: `10.244.${b.octet}.46`, gateway: "10.9.0.2", dev: "eth1" });
  if (dice.chance(0.4))
    b.host.routes.push({ dst: `10.244.${a.octet}.0/25`, gateway: "10.9.0.1", dev: "eth1" });
}

function addOddRoutes({ ground, dice }: Plan, hosts: readonly DraftHost[]): void {
  for (const host of hosts) {
    for (const dst of dice.some([...NOWHERE, ...NOWHERE, ...ground.addresses], dice.between(1, 2))) {
      const own = host.addresses.some(({ address }) => address === dst);
      const known = host.routes.some((route) => (route as { readonly dst: string }).dst === dst);
      if (own || known) continue;
      host.routes.push({ type: dice.pick(["blackhole", "unreachable", "prohibit", "throw"]), dst });
    }
  }
}

function addPolicy({ ground, dice }: Plan, hosts: readonly DraftHost[]): void {
  for (const host of hosts) {
    if (!dice.chance(0.5)) continue;
    const table = String(dice.between(100, 102));
    const [gateway, dev] = host.name === "router" ? ["172.18.0.11", "eth0"] : ["172.18.0.254", "eth0"];
    host.routes.push(
      dice.weighted<object>([
        [3, { dst: "default", gateway, dev, table }],
        [1, { type: "unreachable", dst: "default", table }],
        [1, { type: "blackhole", dst: dice.pick(NOWHERE), table }],
        [1, { type: "throw", dst: "default", table }],
        [1, { type: "prohibit", dst: dice.pick(ground.addresses), table }],
      ]),
    );
    for (let i = dice.between(1, 2); i > 0; i--) {
      const selector = dice.pick<object>([
        { src: dice.pick(ground.addresses) },
        { src: "10.244.0.0", srclen: 16 },
        { src: "all", dst: dice.pick([...ground.addresses, ...NOWHERE]) },
        { src: "all", fwmark: `0x${dice.between(1, 3).toString(16)}` },
        { src: "all", fwmark: "0x1", fwmask: "0x1" },
        { src: "all", iif: "eth0" },
        { src: "all", iif: "lo" },
        { src: "all", ipproto: dice.pick(["tcp", "udp", "icmp"]) },
        { src: "all", ipproto: "tcp", dport: dice.pick(PORTS) },
        { not: null, src: dice.pick(ground.addresses) },
      ]);
      const action = dice.weighted<object>([
        [6, { table }],
        [1, { action: dice.pick(["blackhole", "unreachable", "prohibit"]) }],
      ]);
      host.rules.splice(1, 0, { priority: dice.between(100, 30_000), ...selector, ...action });
    }
    host.rules.sort((x, y) => priorityOf(x) - priorityOf(y));
  }
}

function priorityOf(rule: object): number {
  return (rule as { readonly priority: number }).priority;
}

function settle({ dice }: Plan, hosts: readonly DraftHost[]): void {
  for (const { sysctl } of hosts) {
    const strictness = dice.weighted([
      [5, "0"],
      [3, "1"],
      [2, "2"],
    ]);
    sysctl["net.ipv4.conf.all.rp_filter"] = strictness;
    sysctl["net.ipv4.conf.default.rp_filter"] = dice.chance(0.7) ? "0" : strictness;
    if (dice.chance(0.2)) sysctl["net.ipv4.conf.all.route_localnet"] = "1";
    if (dice.chance(0.1)) sysctl["net.ipv4.conf.all.accept_local"] = "1";
    if (dice.chance(0.1)) sysctl["net.ipv4.conf.all.src_valid_mark"] = "1";
    if (dice.chance(0.5)) {
      sysctl["net.ipv4.conf.all.send_redirects"] = "0";
      sysctl["net.ipv4.conf.default.send_redirects"] = "0";
    }
    if (dice.chance(0.06)) sysctl["net.ipv4.icmp_echo_ignore_all"] = "1";
    if (dice.chance(0.1)) sysctl["net.ipv4.ip_default_ttl"] = String(dice.pick([3, 17, 128]));
    if (dice.chance(0.1)) sysctl["net.ipv4.icmp_errors_use_inbound_ifaddr"] = "1";
    if (dice.chance(0.1)) sysctl["net.netfilter.nf_conntrack_tcp_loose"] = "0";
  }
}
