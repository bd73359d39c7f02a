import type { Family } from "../../src/address/ip.ts";
import { type AddressPlan, PLANS } from "./address-plan.ts";
import type { Dice } from "./dice.ts";
import {
  addAddress,
  addBridge,
  addLink,
  addLinkLocal,
  type Draft,
  type DraftHost,
  newHost,
  randomMac,
  wire,
} from "./draft.ts";

/** What a world has of a family that rules and packets can be aimed at; what is no address its families share. */
export interface Ground {
  readonly plan: AddressPlan;
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
interface Plan {
  /** One a family. */
  readonly grounds: readonly Ground[];
  /** The first of them, for what the families share. */
  readonly ground: Ground;
  readonly dice: Dice;
}

/**
 * Nodes with pods on bridges behind a switch, a router to the outside, cables across, odd routes, rules and settings.
 *
 * @param tunnels between nodes, surely; else by chance
 * @returns one ground for each of the families
 */
export function randomTopology(
  dice: Dice,
  families: readonly Family[] = [4],
  // Where paths are looked at there are tunnels.
  tunnels: boolean = dice.favours("paths"),
): [Ground, ...Ground[]] {
  const shared = {
    draft: { hosts: new Map<string, DraftHost>(), wires: [] },
    clients: [],
    ruled: [],
    devices: new Map<string, string[]>(),
  };
  const grounds = families.map((family): Ground => {
    const plan = PLANS[family];
    const networks = [plan.fabric, plan.pods, plan.outside];
    return { ...shared, plan, addresses: [], virtual: [...plan.virtual], networks };
  }) as [Ground, ...Ground[]];
  const [ground] = grounds;
  const plan: Plan = { grounds, ground, dice };
  const nodes = dice.weighted([
    [tunnels ? 0 : 3, 1],
    [4, 2],
    [1, 3],
  ]);
  const fabric = newHost(ground.draft, "fabric", "switch");
  addBridge(fabric, dice, "br0");
  bridgeRules(fabric, "0");
  const router = newHost(ground.draft, "router", "router");
  plug(plan, router, "eth0", ROUTER);
  addOutside(plan, router);
  const overlay = nodes > 1 && (tunnels || dice.chance(0.5));
  const built = Array.from({ length: nodes }, (_, i) => addNode(plan, i + 1, overlay));
  joinPods(plan, built, overlay, router);
  if (built.length > 1 && dice.chance(0.3)) addCable(plan, built);
  const routers = [...built.map(({ host }) => host), router];
  for (const each of grounds) {
    if (dice.chance(0.4)) addOddRoutes(dice, each, routers);
    if (dice.chance(0.35)) addPolicy(dice, each, routers);
  }
  settle(plan, routers);
  for (const host of ground.draft.hosts.values()) {
    const names = host.links.map(({ ifname }) => ifname);
    if (families.includes(6) && host !== fabric) addLinkLocals(host);
    ground.devices.set(host.name, names);
  }
  return grounds;
}

/** Every device that has an address of IPv6 has one of its link too, made first. */
function addLinkLocals(host: DraftHost): void {
  const devices = new Set(
    host.addresses.filter(({ address }) => address.includes(":")).map(({ dev }) => dev),
  );
  for (const dev of devices) if (dev !== "lo") addLinkLocal(host, dev);
  host.addresses.push({ dev: "lo", address: "::1", length: 128 });
}

/** The router's number in the switch, and outside. */
const ROUTER = 254;
const OUTSIDE = 10;

function listen({ dice, grounds }: Plan, host: DraftHost): void {
  const isOfBoth = grounds.length > 1;
  for (const port of PORTS) {
    for (const [proto, state] of [
      ["tcp", "LISTEN 0 128"],
      ["udp", "UNCONN 0 0"],
    ] as const) {
      if (!dice.chance(0.8)) continue;
      const bound =
        isOfBoth && dice.chance(0.7)
          ? ["*"]
          : grounds.map(({ plan }) => plan.listening).filter(() => !isOfBoth || dice.chance(0.7));
      for (const address of bound) host.sockets.push(`${proto} ${state} ${address}:${port} ${address}:*`);
    }
  }
}

/** Do bridged packets pass the rules of IP? */
function bridgeRules({ sysctl }: DraftHost, value: string): void {
  sysctl["net.bridge.bridge-nf-call-iptables"] = value;
  sysctl["net.bridge.bridge-nf-call-ip6tables"] = value;
}

/** Gives a device an address of each family, that others may be sent to. */
function give(
  { grounds }: Plan,
  host: DraftHost,
  dev: string,
  address: (plan: AddressPlan) => string,
  length: "lan" | "single" | "cable",
): void {
  for (const { plan, addresses } of grounds) {
    addAddress(host, dev, address(plan), plan[length]);
    addresses.push(address(plan));
  }
}

/** Adds a route of each family. */
function route({ grounds }: Plan, host: DraftHost, made: (plan: AddressPlan) => object): void {
  for (const { plan } of grounds) host.routes[plan.family].push(made(plan));
}

function forward({ sysctl }: DraftHost, value: string): void {
  sysctl["net.ipv4.ip_forward"] = value;
  sysctl["net.ipv6.conf.all.forwarding"] = value;
}

/** Puts a card of a host into the switch. */
function plug(plan: Plan, host: DraftHost, dev: string, number: number, mtu = 1500): void {
  const { ground, dice } = plan;
  const fabric = ground.draft.hosts.get("fabric") as DraftHost;
  const port = `p${fabric.links.length}`;
  addLink(fabric, dice, port, { master: "br0", mtu });
  addLink(host, dice, dev, { mtu });
  give(plan, host, dev, ({ fabricHost }) => fabricHost(number), "lan");
  wire(ground.draft, "fabric", port, host.name, dev);
}

function addOutside(plan: Plan, router: DraftHost): void {
  const { ground, dice } = plan;
  const outside = newHost(ground.draft, "internet", "external");
  const mtu = dice.chance(0.2) ? 1400 : 1500;
  addLink(outside, dice, "eth0", { mtu });
  give(plan, outside, "eth0", ({ outsideHost }) => outsideHost(OUTSIDE), "lan");
  route(plan, outside, ({ outsideHost }) => ({ dst: "default", gateway: outsideHost(ROUTER), dev: "eth0" }));
  addLink(router, dice, "eth1", { mtu });
  give(plan, router, "eth1", ({ outsideHost }) => outsideHost(ROUTER), "lan");
  wire(ground.draft, "router", "eth1", "internet", "eth0");
  forward(router, "1");
  listen(plan, outside);
  listen(plan, router);
  ground.clients.push("internet", "router");
  if (dice.chance(0.4)) ground.ruled.push("router");
  if (dice.chance(0.2)) ground.ruled.push("internet");
}

interface BuiltNode {
  readonly host: DraftHost;
  readonly number: number;
  /** Third octet of its pods' network. */
  readonly octet: number;
  readonly vtepMac: string;
}

/** What a tunnel leaves: its outer header is always of the first family. */
const OVERLAY_MTU = { 4: 1450, 6: 1430 } as const;

/** A node's number in the switch. */
const inSwitch = (number: number): number => 10 + number;

function addNode(plan: Plan, number: number, overlay: boolean): BuiltNode {
  const { ground, dice } = plan;
  const name = `node${number}`;
  const host = newHost(ground.draft, name, "node");
  plug(plan, host, "eth0", inSwitch(number));
  if (dice.chance(0.25)) give(plan, host, "eth0", ({ fabricHost }) => fabricHost(100 + number), "lan");
  if (dice.chance(0.2)) give(plan, host, "lo", ({ loneHost }) => loneHost(number), "single");
  route(plan, host, ({ fabricHost }) => ({ dst: "default", gateway: fabricHost(ROUTER), dev: "eth0" }));
  forward(host, dice.chance(0.95) ? "1" : "0");
  bridgeRules(host, dice.chance(0.6) ? "1" : "0");
  const octet = dice.between(1, 60) + number * 64;
  const mtu = overlay ? OVERLAY_MTU[ground.plan.family] : dice.chance(0.15) ? 1400 : 1500;
  addBridge(host, dice, "cni0", mtu);
  give(plan, host, "cni0", ({ podHost }) => podHost(octet, 1), "lan");
  for (const { plan: own, networks } of plan.grounds) networks.push(own.nodePods(octet));
  const hairpin = dice.chance(0.5);
  const pods = dice.between(1, 3);
  for (let i = 0; i < pods; i++) addPod(plan, host, `pod${number}-${i}`, octet, 45 + i, mtu, hairpin);
  listen(plan, host);
  ground.clients.push(name);
  ground.ruled.push(name);
  return { host, number, octet, vtepMac: randomMac(dice) };
}

function addPod(
  plan: Plan,
  node: DraftHost,
  name: string,
  octet: number,
  last: number,
  mtu: number,
  hairpin: boolean,
): void {
  const { ground, dice } = plan;
  const pod = newHost(ground.draft, name, "pod");
  const dev = `veth${dice.word().toString(16).padStart(8, "0")}`;
  addLink(node, dice, dev, {
    mtu,
    master: "cni0",
    port: { hairpin, ...(dice.chance(0.1) ? { isolated: true } : {}) },
  });
  addLink(pod, dice, "eth0", { mtu });
  give(plan, pod, "eth0", ({ podHost }) => podHost(octet, last), "lan");
  route(plan, pod, ({ podHost }) => ({ dst: "default", gateway: podHost(octet, 1), dev: "eth0" }));
  wire(ground.draft, node.name, dev, name, "eth0");
  listen(plan, pod);
  ground.clients.push(name);
  if (dice.chance(0.15)) ground.ruled.push(name);
}

/** Every node learns the others' pods: by a gateway in the same network, or through a tunnel. */
function joinPods(plan: Plan, nodes: readonly BuiltNode[], overlay: boolean, router: DraftHost): void {
  const { grounds, ground, dice } = plan;
  const fault = dice.chance(0.08);
  for (const { host, number, octet, vtepMac } of nodes) {
    if (overlay) {
      const info_data = {
        id: 1,
        [ground.plan.family === 6 ? "local6" : "local"]: ground.plan.fabricHost(inSwitch(number)),
        link: "eth0",
        port: 8472,
        learning: false,
        ttl: 0,
        df: "unset",
      };
      addLink(host, dice, "flannel.1", {
        mtu: OVERLAY_MTU[ground.plan.family],
        mac: vtepMac,
        linkinfo: { info_kind: "vxlan", info_data },
      });
      for (const { plan: own } of grounds) addAddress(host, "flannel.1", own.podHost(octet, 0), own.single);
    }
    for (const other of nodes) {
      if (other.host === host || (fault && dice.chance(0.3))) continue;
      if (overlay) {
        host.fdb.push({
          mac: other.vtepMac,
          ifname: "flannel.1",
          dst: ground.plan.fabricHost(inSwitch(other.number)),
          flags: ["self"],
          state: "permanent",
        });
      }
      for (const { plan: own } of grounds) {
        const dst = own.nodePods(other.octet);
        const gateway = overlay ? own.podHost(other.octet, 0) : own.fabricHost(inSwitch(other.number));
        host.routes[own.family].push(
          overlay ? { dst, gateway, dev: "flannel.1", flags: ["onlink"] } : { dst, gateway, dev: "eth0" },
        );
        if (overlay)
          host.neigh.push({ dst: gateway, dev: "flannel.1", lladdr: other.vtepMac, state: ["PERMANENT"] });
      }
    }
    if (dice.chance(0.9)) {
      route(plan, router, (own) => ({
        dst: own.nodePods(octet),
        gateway: own.fabricHost(inSwitch(number)),
        dev: "eth0",
      }));
    }
    for (const { plan: own, networks } of grounds)
      networks.push(`${own.fabricHost(inSwitch(number))}/${own.single}`);
  }
}

/** A second way between two nodes, that only one of them may use: the way back is another. */
function addCable(plan: Plan, [a, b]: readonly BuiltNode[]): void {
  if (a === undefined || b === undefined) return;
  const { ground, dice } = plan;
  const mtu = dice.pick([1500, 1500, 1300]);
  addLink(a.host, dice, "eth1", { mtu });
  addLink(b.host, dice, "eth1", { mtu });
  give(plan, a.host, "eth1", ({ cableEnd }) => cableEnd(1), "cable");
  give(plan, b.host, "eth1", ({ cableEnd }) => cableEnd(2), "cable");
  wire(ground.draft, a.host.name, "eth1", b.host.name, "eth1");
  route(plan, a.host, ({ podHost, cableEnd }) => ({
    dst: podHost(b.octet, 46),
    gateway: cableEnd(2),
    dev: "eth1",
  }));
  if (dice.chance(0.4)) {
    route(plan, b.host, ({ halfPods, cableEnd }) => ({
      dst: halfPods(a.octet),
      gateway: cableEnd(1),
      dev: "eth1",
    }));
  }
}

function addOddRoutes(dice: Dice, { plan, addresses }: Ground, hosts: readonly DraftHost[]): void {
  const { nowhere, family } = plan;
  for (const host of hosts) {
    for (const dst of dice.some([...nowhere, ...nowhere, ...addresses], dice.between(1, 2))) {
      const own = host.addresses.some(({ address }) => address === dst);
      const known = host.routes[family].some((other) => (other as { readonly dst: string }).dst === dst);
      if (own || known) continue;
      const type = dice.pick(["blackhole", "unreachable", "prohibit", "throw"]);
      host.routes[family].push({ type, dst, ...errorDevice(plan) });
    }
  }
}

/** A route of IPv6 that leads nowhere leads there by the loopback (`fib6_nh_init`). */
function errorDevice({ family }: AddressPlan): object {
  return family === 6 ? { dev: "lo", metric: 1024 } : {};
}

function addPolicy(dice: Dice, { plan, addresses }: Ground, hosts: readonly DraftHost[]): void {
  const { family, fabricHost, nowhere, pods, words } = plan;
  for (const host of hosts) {
    if (!dice.chance(0.5)) continue;
    const table = String(dice.between(100, 102));
    const gateway = fabricHost(host.name === "router" ? inSwitch(1) : ROUTER);
    const lost = errorDevice(plan);
    host.routes[family].push(
      dice.weighted<object>([
        [3, { dst: "default", gateway, dev: "eth0", table }],
        [1, { type: "unreachable", dst: "default", table, ...lost }],
        [1, { type: "blackhole", dst: dice.pick(nowhere), table, ...lost }],
        [1, { type: "throw", dst: "default", table, ...lost }],
        [1, { type: "prohibit", dst: dice.pick(addresses), table, ...lost }],
      ]),
    );
    const [podNetwork, podLength] = pods.split("/");
    for (let i = dice.between(1, 2); i > 0; i--) {
      const selector = dice.pick<object>([
        { src: dice.pick(addresses) },
        { src: podNetwork, srclen: Number(podLength) },
        { src: "all", dst: dice.pick([...addresses, ...nowhere]) },
        { src: "all", fwmark: `0x${dice.between(1, 3).toString(16)}` },
        { src: "all", fwmark: "0x1", fwmask: "0x1" },
        { src: "all", iif: "eth0" },
        { src: "all", iif: "lo" },
        { src: "all", ipproto: dice.pick(["tcp", "udp", words.icmp]) },
        { src: "all", ipproto: "tcp", dport: dice.pick(PORTS) },
        { not: null, src: dice.pick(addresses) },
      ]);
      const action = dice.weighted<object>([
        [6, { table }],
        [1, { action: dice.pick(["blackhole", "unreachable", "prohibit"]) }],
      ]);
      host.rules[family].splice(1, 0, { priority: dice.between(100, 30_000), ...selector, ...action });
    }
    host.rules[family].sort((x, y) => priorityOf(x) - priorityOf(y));
  }
}

function priorityOf(rule: object): number {
  return (rule as { readonly priority: number }).priority;
}

function settle({ dice, grounds }: Plan, hosts: readonly DraftHost[]): void {
  for (const { sysctl } of hosts) {
    if (grounds.some(({ plan }) => plan.family === 6)) settle6(dice, sysctl);
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

function settle6(dice: Dice, sysctl: Record<string, string>): void {
  if (dice.chance(0.06)) sysctl["net.ipv6.icmp.echo_ignore_all"] = "1";
  if (dice.chance(0.1)) sysctl["net.ipv6.icmp.echo_ignore_multicast"] = "1";
  if (dice.chance(0.1)) {
    const limit = String(dice.pick([3, 17, 128]));
    // The loopback is there before `default` is set.
    for (const place of ["default", "lo"]) sysctl[`net.ipv6.conf.${place}.hop_limit`] = limit;
  }
  if (dice.chance(0.3)) sysctl["net.ipv6.conf.default.accept_redirects"] = "0";
}
