import type { Family } from "../../src/address/ip.ts";
import type { Dice } from "./dice.ts";
import { type DraftHost, randomMac } from "./draft.ts";
import { rareDevices } from "./random-devices.ts";
import type { Aim } from "./random-queries.ts";
import { trafficControl } from "./random-traffic-control.ts";
import { tunnelFaults } from "./random-tunnels.ts";
import { putFirst } from "./rule-text.ts";
import { type Ground, PORTS } from "./topology.ts";

/**
 * What goes wrong below IP, and what is rare above it: each comes with packets that are aimed at it, since few others would
 * ever meet it.
 */

/** Something rare put into a world: the packets that meet it, none where the world has no place for it. */
export type Rarity = (dice: Dice, ground: Ground) => readonly Aim[];

/** How often, what a mutation calls it that would be found by it, and what it is. */
export type RarityEntry = readonly [weight: number, name: string, rarity: Rarity];

const RARITIES: readonly RarityEntry[] = [
  [1, "mistaken neighbour", mistakeNeighbour],
  [1, "mistaken neighbour, no flood", mistakeWithoutFlood],
  [1, "short cable", shorten],
  [1, "isolated ports", isolate],
  [1, "ports out of use", block],
  [1, "own MAC", addressItself],
  [1, "lost tunnel", forgetTunnel],
  [1, "black hole", makeBlackHole],
  [1, "loopback", translateToLoopback],
  [2, "groups", askGroups],
  [0.7, "nobody's source", sendFromNobody],
  ...trafficControl,
  ...rareDevices,
  ...tunnelFaults,
  [0.5, "lost pieces", losePieces],
  [0.3, "servers that answer each other", answerEachOther],
];
const OF_IPV6: readonly RarityEntry[] = [
  [1, "no IPv6", disableIpv6],
  [1, "scope", sendBeyondScope],
  [1, "fragments", askForFragments],
  [1, "own MAC asked for", askForOwnMac],
  [1, "stale sum", spoilSums],
];

/** Every fourth world that has its turn has tunnels, and something wrong with them. */
const TUNNELS_IN_TURN = 4;

/** Is it a round of tunnels? */
export function isOfTunnels(round: number): boolean {
  return round % TUNNELS_IN_TURN === TUNNELS_IN_TURN - 2;
}

/** Which rarity is the first in a world of a round: each has its turn. */
export function rarityOf(round: number, family: Family): RarityEntry {
  if (family === 6) return OF_IPV6[Math.floor(round / 3) % OF_IPV6.length] as RarityEntry;
  const tunnels = Math.floor((round + 1) / TUNNELS_IN_TURN);
  if (isOfTunnels(round)) return tunnelFaults[tunnels % tunnelFaults.length] as RarityEntry;
  const others = RARITIES.filter((entry) => !tunnelFaults.includes(entry));
  return others[(round - tunnels) % others.length] as RarityEntry;
}

/** What meets the rarities of a world. */
export interface Met {
  readonly aims: readonly Aim[];
  /** Of the one whose turn it is: sent in any case. */
  readonly first: readonly Aim[];
}

/**
 * Puts a few rarities into a world, rules and all.
 *
 * @param round whose turn it is to be the first of them; by chance where it is not said
 */
export function addFaults(dice: Dice, grounds: readonly Ground[], round?: number): Met {
  const shown: Aim[] = [];
  const all = grounds.flatMap((ground) => {
    const left = [...(ground.plan.family === 6 ? OF_IPV6 : RARITIES)];
    const aims: Aim[] = [];
    const favoured = left.find(([, name]) => dice.favours(name));
    const first = round === undefined ? undefined : rarityOf(round, ground.plan.family);
    const most = ground.plan.family === 6 || favoured !== undefined ? 1 : 4;
    for (let i = dice.between(1, most); i > 0; i--) {
      const taken =
        favoured ??
        left.find((entry) => entry === first) ??
        dice.weighted(left.map((entry): readonly [number, RarityEntry] => [entry[0], entry]));
      left.splice(left.indexOf(taken), 1);
      // Each as often, however many packets it names.
      const named = taken[2](dice, ground);
      for (let k = 0; named.length > 0 && k < AIMS_EACH; k++) aims.push(dice.pick(named));
      const usual = named.filter(({ isLast }) => isLast !== true);
      if (taken === first)
        for (let k = 0; usual.length > 0 && k < AIMS_FIRST; k++) shown.push(dice.pick(usual));
    }
    return aims;
  });
  return { aims: all, first: shown };
}

const AIMS_FIRST = 4;

const AIMS_EACH = 6;

interface Port {
  readonly node: DraftHost;
  readonly dev: string;
  readonly pod: DraftHost;
  /** The pod's. */
  readonly address: string;
}

interface Link {
  readonly ifname: string;
  readonly address: string;
  mtu: number;
  readonly linkinfo: {
    readonly info_slave_data: { flood: boolean; hairpin: boolean; isolated?: boolean; state: string };
  };
}

function podPorts({ draft: { hosts, wires }, plan }: Ground): Port[] {
  return wires.flatMap(([nodeName, dev, podName]) => {
    const [node, pod] = [hosts.get(nodeName), hosts.get(podName)];
    if (node === undefined || pod?.kind !== "pod") return [];
    const own = pod.addresses.find(
      ({ dev: on, address }) =>
        on === "eth0" && !address.startsWith("fe80:") && address.includes(":") === (plan.family === 6),
    );
    return own === undefined ? [] : [{ node, dev, pod, address: own.address }];
  });
}

/** A node believes in a pod's MAC that nobody has. */
export function mistakeNeighbour(dice: Dice, ground: Ground): Aim[] {
  const { node, address } = mistaken(dice, ground);
  return [...ground.clients, node.name, node.name].map((from) => ({ from, dst: address }));
}

function mistaken(dice: Dice, ground: Ground): Port {
  const port = dice.pick(podPorts(ground));
  port.node.neigh.push({ dst: port.address, dev: "cni0", lladdr: randomMac(dice), state: ["PERMANENT"] });
  return port;
}

/** The same, where nobody is asked who it is that a frame is for, and no port is told what is for nobody known. */
function mistakeWithoutFlood(dice: Dice, ground: Ground): Aim[] {
  const { node, address } = mistaken(dice, ground);
  for (const port of podPorts(ground)) if (port.node === node) settingsOf(port).flood = false;
  return [{ from: node.name, dst: address }];
}

/** A pod's end of its cable takes less than the node's. */
function shorten(dice: Dice, ground: Ground): Aim[] {
  const { node, pod, address } = dice.pick(podPorts(ground));
  const mtu = dice.pick([1000, 1280]);
  // A shorter cable has no IPv6 (`IPV6_MIN_MTU`).
  linkOf(pod, "eth0").mtu = pod.addresses.some(({ address: own }) => own.includes(":")) ? 1280 : mtu;
  return [node.name, dice.pick(ground.clients)].map((from) => ({
    ...{ from, dst: address, proto: dice.pick(["udp", "icmp"]), size: dice.pick([1300, 1390]) },
  }));
}

/** The pods of a node may not speak to each other. */
function isolate(dice: Dice, ground: Ground): Aim[] {
  const ports = podPorts(ground);
  const { node } = dice.pick(ports);
  const own = ports.filter((port) => port.node === node);
  for (const port of own) settingsOf(port).isolated = true;
  // Who knows a sibling's MAC does not ask for it.
  for (const { pod } of own) {
    if (dice.chance(0.5)) continue;
    for (const to of own)
      if (to.pod !== pod)
        pod.neigh.push({
          ...{ dst: to.address, dev: "eth0", lladdr: linkOf(to.pod, "eth0").address, state: ["PERMANENT"] },
        });
  }
  return [...siblings(own), ...own.map(({ address }) => ({ from: node.name, dst: address }))];
}

function siblings(own: readonly Port[]): Aim[] {
  return own.flatMap(({ pod }) =>
    own.flatMap((to) => (to.pod === pod ? [] : [{ from: pod.name, dst: to.address }])),
  );
}

/** Somebody has put a port out of use; both ends know whom they would speak to. Another port keeps the bridge's carrier. */
function block(dice: Dice, ground: Ground): Aim[] {
  const ports = podPorts(ground);
  const { node, pod, dev, address } = dice.pick(ports);
  const own = ports.filter((port) => port.node === node);
  if (own.length < 2) return [];
  // Without spanning tree a port that blocks forwards again at once (`br_make_forwarding`).
  const state = dice.pick(["listening", "learning", "disabled"]);
  settingsOf({ node, dev }).state = state;
  const [bridge, card] = [linkOf(node, "cni0"), linkOf(pod, "eth0")];
  const gateway = node.addresses.find((each) => each.dev === "cni0" && !each.address.includes(":"));
  node.neigh.push({ dst: address, dev: "cni0", lladdr: card.address, state: ["PERMANENT"] });
  pod.neigh.push({ dst: gateway?.address, dev: "eth0", lladdr: bridge.address, state: ["PERMANENT"] });
  const said = { from: pod.name, dst: dice.pick(ground.addresses) };
  // Who is behind a port that learns may have said something when it came up (IPv6's own), and is known then, or not.
  return state === "learning" ? [said] : [{ from: node.name, dst: address }, said];
}

/** A pod takes itself for a neighbour: its frames come back to the port that they left by. */
export function addressItself(dice: Dice, ground: Ground): Aim[] {
  const ports = podPorts(ground);
  const { node, pod, dev } = dice.pick(ports);
  const lladdr = linkOf(pod, "eth0").address;
  if (dice.favours("own MAC")) settingsOf({ node, dev }).hairpin = false;
  const gateway = node.addresses.find(({ dev: on, address }) => on === "cni0" && !address.includes(":"));
  const beside = ports.filter((port) => port.node === node && port.pod !== pod);
  const dst = beside.length > 0 ? dice.pick(beside).address : gateway?.address;
  if (dst === undefined) return [];
  pod.neigh.push({ dst, dev: "eth0", lladdr, state: ["PERMANENT"] });
  return [{ from: pod.name, dst }];
}

/** A tunnel's forwarding database has lost an end. */
function forgetTunnel(dice: Dice, ground: Ground): Aim[] {
  const nodes = [...ground.draft.hosts.values()].filter(({ fdb }) => fdb.length > 0);
  if (nodes.length === 0) return [];
  const node = dice.pick(nodes);
  node.fdb.pop();
  const ports = podPorts(ground);
  const from = [node.name, ...ports.flatMap((port) => (port.node === node ? [port.pod.name] : []))];
  return ports.flatMap((port) => (port.node === node ? [] : [{ from: dice.pick(from), dst: port.address }]));
}

/** The router's second cable takes less, and its errors that say so do not get out. */
function makeBlackHole(_dice: Dice, ground: Ground): Aim[] {
  const { hosts } = ground.draft;
  const [router, outside] = [hosts.get("router"), hosts.get("internet")];
  if (router === undefined || outside === undefined) return [];
  linkOf(router, "eth1").mtu = 1400;
  linkOf(outside, "eth0").mtu = 1400;
  router.iptablesSave[4] =
    "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p icmp -m icmp --icmp-type 3/4 -j DROP\nCOMMIT\n";
  router.nftRuleset = "";
  return ["udp", "icmp"].flatMap((proto) =>
    [...hosts.values()]
      .filter(({ kind }) => kind === "node")
      .map(({ name }) => ({
        ...{ from: name, dst: ground.plan.outsideHost(10), proto, size: 1428, df: true },
      })),
  );
}

/** Services that listen on the loopback alone are meant for others: most settings do not have it. */
function translateToLoopback(dice: Dice, ground: Ground): Aim[] {
  const host = dice.pick(ground.ruled.map((name) => ground.draft.hosts.get(name) as DraftHost));
  const to = dice.pick(ground.plan.virtual);
  const proto = dice.pick(["tcp", "udp"]);
  const port = dice.pick(PORTS);
  putFirst(host, 4, "nat", [
    `-A PREROUTING -d ${to}/32 -p ${proto} -m ${proto} --dport ${port} -j DNAT --to-destination 127.0.0.1:${dice.pick(PORTS)}`,
  ]);
  return ground.clients.map((from) => ({ from, dst: to, proto, dport: port }));
}

/** The first piece of a datagram, which waits for the others in vain: longer than its world stands. */
function losePieces(dice: Dice, ground: Ground): Aim[] {
  const to = dice.pick(podPorts(ground));
  const from = dice.pick(podPorts(ground));
  for (const { sysctl } of ground.draft.hosts.values()) sysctl["net.ipv4.ipfrag_time"] = "600";
  const made = { proto: "udp", raw: true, listens: true, ttl: 64, size: 16, mf: true } as const;
  const all = [to.address, ground.plan.fabricHost(254)].filter((dst) => dst !== from.address);
  return all.map((dst) => ({ from: from.pod.name, src: from.address, dst, ...made }));
}

/** A datagram from one server's port to another's: what the one says the other answers. */
function answerEachOther(dice: Dice, ground: Ground): Aim[] {
  const own = podPorts(ground).filter(({ pod }) => pod.sockets.some(isDns));
  const [one, other] = dice.some(own, 2);
  if (one === undefined || other === undefined) return [];
  const ends = { src: one.address, sport: 53, dst: other.address, dport: 53 };
  const made = { proto: "udp", raw: true, listens: true, ttl: 64, size: 16 } as const;
  return [{ from: one.pod.name, ...ends, ...made, isLast: true }];
}

function isDns(socket: string): boolean {
  return /^udp \S+ \S+ \S+ (0\.0\.0\.0|\*):53 /.test(socket);
}

/** Who is everybody on a link, and who is a group. */
function askGroups(dice: Dice, ground: Ground): Aim[] {
  const broadcasts = [
    "172.18.0.255",
    "203.0.113.255",
    "255.255.255.255",
    "224.0.0.1",
    "224.0.0.251",
    "239.1.2.3",
  ];
  const ofPods = podPorts(ground).map(({ address }) => address.replace(/\d+$/, "255"));
  const { clients } = ground;
  return Array.from({ length: 6 }, () => ({
    from: dice.pick(clients),
    dst: dice.pick([...broadcasts, dice.pick(ofPods)]),
  }));
}

/** A socket is told to send from an address that the host does not have. */
function sendFromNobody(dice: Dice, { clients, plan, addresses }: Ground): Aim[] {
  return [{ from: dice.pick(clients), dst: dice.pick(addresses), src: dice.pick(plan.nowhere) }];
}

/** A pod has no IPv6 any more, and its node does not know yet. */
function disableIpv6(dice: Dice, ground: Ground): Aim[] {
  const { node, pod, address } = dice.pick(podPorts(ground));
  const lladdr = linkOf(pod, "eth0").address;
  // Its loopback goes on.
  pod.sysctl["net.ipv6.conf.all.disable_ipv6"] = "0";
  for (const place of ["default", "eth0"]) pod.sysctl[`net.ipv6.conf.${place}.disable_ipv6`] = "1";
  pod.sysctl["net.ipv6.conf.lo.disable_ipv6"] = "0";
  const kept = pod.addresses.filter((own) => own.dev !== "eth0" || !own.address.includes(":"));
  pod.addresses.splice(0, pod.addresses.length, ...kept);
  pod.routes[6].splice(0);
  node.neigh.push({ dst: address, dev: "cni0", lladdr, state: ["PERMANENT"] });
  const others = ground.clients.filter((name) => name !== pod.name);
  return [node.name, dice.pick(others)].map((from) => ({ from, dst: address }));
}

/** An address of a link is the source of a packet for elsewhere. */
function sendBeyondScope(dice: Dice, ground: Ground): Aim[] {
  const { pod } = dice.pick(podPorts(ground));
  const own = pod.addresses.find(({ dev, address }) => dev === "eth0" && address.startsWith("fe80:"));
  if (own === undefined) return [];
  const dst = ground.plan.outsideHost(10);
  return [{ from: pod.name, dst, src: own.address, raw: true, listens: true, ttl: 64, proto: "udp" }];
}

/** Only who does not track connections sees the pieces of a datagram: the others put it together first (`nf_defrag_ipv6`). */
function askForFragments(dice: Dice, ground: Ground): Aim[] {
  const { hosts } = ground.draft;
  const router = hosts.get("router");
  if (router === undefined) return [];
  const asked = dice.pick(["--fragfirst", "--fragmore", "--fraglast"]);
  router.iptablesSave[6] = `*mangle\n${CHAINS}-A PREROUTING -m frag ${asked} -j DROP\nCOMMIT\n`;
  router.iptablesSave[4] = "";
  router.nftRuleset = "";
  return ["udp", "icmp"].flatMap((proto) =>
    ground.clients.map((from) => ({ from, dst: ground.plan.outsideHost(10), proto, size: 2000 })),
  );
}

const CHAINS = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]
  .map((chain) => `:${chain} ACCEPT [0:0]\n`)
  .join("");

/** An address of a link is made of its owner's MAC, which a rule asks for. */
/** A node changes the headers of datagrams that its conntrack had to sum up itself: who cuts one computes its sum. */
function spoilSums(dice: Dice, ground: Ground): Aim[] {
  const { node, pod } = dice.pick(podPorts(ground));
  const change = dice.pick(["TOS --set-tos 0x10/0xff", "DSCP --set-dscp 0x0a", "HL --hl-set 77"]);
  putFirst(node, 6, "mangle", [`-A INPUT -p udp -j ${change}`]);
  putFirst(node, 6, "filter", ["-A INPUT -m conntrack --ctstate INVALID"]);
  const to = node.addresses.find(
    ({ dev, address }) => dev === "cni0" && !address.startsWith("fe80:") && address.includes(":"),
  );
  if (to === undefined) return [];
  return ["udp", "icmp"].flatMap((proto) =>
    [1400, 2000].map((size) => ({ from: pod.name, dst: to.address, dport: dice.pick(PORTS), proto, size })),
  );
}

function askForOwnMac(dice: Dice, ground: Ground): Aim[] {
  const { node, pod } = dice.pick(podPorts(ground));
  const own = (host: DraftHost, on: string) =>
    host.addresses.find(({ dev, address }) => dev === on && address.startsWith("fe80:"))?.address;
  const [there, here] = [own(node, "cni0"), own(pod, "eth0")];
  node.iptablesSave[6] = `*mangle\n${CHAINS}-A INPUT -p udp -m eui64 -j DROP\nCOMMIT\n`;
  return [
    { from: pod.name, dst: `${there}%eth0`, proto: "udp" },
    { from: node.name, dst: `${here}%cni0`, proto: "udp" },
  ];
}

function linkOf({ links }: DraftHost, name: string): Link {
  return links.find(({ ifname }) => ifname === name) as unknown as Link;
}

function settingsOf({ node, dev }: Pick<Port, "node" | "dev">): Link["linkinfo"]["info_slave_data"] {
  return linkOf(node, dev).linkinfo.info_slave_data;
}
