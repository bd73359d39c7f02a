import type { Dice } from "./dice.ts";
import { addLink, type DraftHost } from "./draft.ts";
import type { RarityEntry } from "./random-faults.ts";
import type { Aim } from "./random-queries.ts";
import { type Ground, PORTS } from "./topology.ts";

/**
 * Traffic control, as `tc` prints it: token buckets, filters that drop, copy and send frames elsewhere. All by u32 and mirred:
 * the usual machine's kernel has no matchall, no flower and no gact.
 */
export const trafficControl: readonly RarityEntry[] = [
  [1, "small burst", smallBurst],
  [1, "filters: drop", (dice, ground) => filtered(dice, ground, "drop")],
  [1, "filters: redirect", (dice, ground) => filtered(dice, ground, "redirect")],
  [1, "filters: mirror", (dice, ground) => filtered(dice, ground, "mirror")],
  [1, "filters: loop", (dice, ground) => filtered(dice, ground, "loop")],
  [0.7, "filters: into what is down", (dice, ground) => filtered(dice, ground, "down")],
  [1, "route into ifb", routeIntoIfb],
];

const tbf = (dev: string) => `qdisc tbf 1: dev ${dev} root refcnt 2 rate 80Mbit burst 1200b lat 25ms \n`;
const clsact = (dev: string) => `qdisc clsact ffff: dev ${dev} parent ffff:fff1 \n`;

function nodeWithCard(dice: Dice, ground: Ground): DraftHost {
  const nodes = [...ground.draft.hosts.values()].filter(({ kind }) => kind === "node");
  return dice.pick(nodes.filter(({ qdiscs }) => qdiscs === "").concat(nodes.slice(0, 1)));
}

/** Packets out by a node's device, or in by it. */
function across(
  { clients, addresses, draft: { hosts, wires } }: Ground,
  { name }: DraftHost,
  dev: string,
  hook: "ingress" | "egress",
): Aim[] {
  const addressesOf = (host: string): string[] =>
    addresses.filter((dst) =>
      hosts.get(host)?.addresses.some(({ dev: on, address }) => on !== "lo" && address === dst),
    );
  const pods = wires.flatMap(([node, port, pod]) =>
    node === name && (port === dev || (dev === "cni0" && hosts.get(pod)?.kind === "pod")) ? [pod] : [],
  );
  const inside = pods.flatMap(addressesOf);
  const others = addresses.filter(
    (address) => !inside.includes(address) && !addressesOf(name).includes(address),
  );
  const beyond = dev === "eth0" ? others : inside;
  const senders =
    dev === "eth0" ? clients.filter((client) => client !== name && hosts.get(client)?.kind !== "pod") : pods;
  return hook === "egress"
    ? beyond.map((dst) => ({ from: name, dst }))
    : senders.flatMap((from) => [...addressesOf(name), ...others].map((dst) => ({ from, dst })));
}

/** A token bucket whose burst is less than a frame can be. */
function smallBurst(dice: Dice, ground: Ground): Aim[] {
  const node = nodeWithCard(dice, ground);
  if (node.qdiscs !== "") return [];
  const ports = node.links.map(({ ifname }) => ifname).filter((name) => /^(eth0|veth)/.test(name));
  const dev = dice.pick(ports);
  node.qdiscs += tbf(dev);
  return dice
    .some(across(ground, node, dev, "egress"), 8)
    .map((aim) => ({ ...aim, proto: dice.pick(["udp", "icmp"]), size: dice.pick([1100, 1300, 1372]) }));
}

/** What a filter looks for, in words of u32, and packets that it finds. */
interface Sought {
  readonly lines: readonly string[];
  readonly aim: Partial<Aim>;
}

function sought(dice: Dice): Sought {
  const protocol = (number: string) => `match ${`00${number}0000`}/00ff0000 at 8`;
  const port = dice.pick(PORTS);
  const to = `match 0000${port.toString(16).padStart(4, "0")}/0000ffff at 20`;
  return dice.pick([
    { lines: [protocol("11")], aim: { proto: "udp" } },
    { lines: [protocol("01")], aim: { proto: "icmp" } },
    { lines: [protocol("06"), to], aim: { proto: "tcp", dport: port } },
    { lines: [protocol("11"), to], aim: { proto: "udp", dport: port } },
    { lines: ["match 00000000/00000000 at 0"], aim: {} },
  ]);
}

function u32(pref: number, lines: readonly string[], action: string): string {
  const handle = (0x7ff + pref).toString(16);
  return [
    `filter protocol ip pref ${pref} u32 chain 0 `,
    `filter protocol ip pref ${pref} u32 chain 0 fh ${handle}: ht divisor 1 `,
    `filter protocol ip pref ${pref} u32 chain 0 fh ${handle}::800 order 2048 key ht ${handle} bkt 0 terminal flowid not_in_hw `,
    ...lines.map((line) => `  ${line}`),
    `\taction order 1: ${action}`,
    "",
  ].join("\n");
}

/** A filter at a port or the card of a node; where it sends frames to another device, that one is an ifb, or itself. */
function filtered(dice: Dice, ground: Ground, kind: "drop" | "redirect" | "mirror" | "loop" | "down"): Aim[] {
  const node = nodeWithCard(dice, ground);
  if (node.qdiscs !== "") return [];
  const ports = node.links.map(({ ifname }) => ifname).filter((name) => /^(eth0|veth|cni0)/.test(name));
  const dev = dice.pick(ports);
  const hook = kind === "loop" ? "egress" : dice.pick(["ingress", "egress"] as const);
  node.qdiscs += clsact(dev);
  const { lines, aim } = sought(dice);
  const filters: string[] = [];
  switch (kind) {
    case "drop": {
      addIfb(node, dice);
      const first = dice.pick(["drop", "drop", "pass", "continue"]);
      filters.push(u32(1, lines, `mirred (Egress Mirror to device ifb0) ${first}`));
      // What the first lets go on meets another one, or none.
      if (first !== "drop" || dice.chance(0.3))
        filters.push(u32(2, sought(dice).lines, "mirred (Egress Mirror to device ifb0) drop"));
      break;
    }
    case "loop":
      filters.push(u32(1, lines, `mirred (Egress Redirect to device ${dev}) stolen`));
      break;
    case "down":
      addLink(node, dice, "ifb9", { linkinfo: { info_kind: "ifb" }, isDown: true });
      filters.push(u32(1, lines, "mirred (Egress Redirect to device ifb9) stolen"));
      break;
    default: {
      addIfb(node, dice);
      if (kind === "redirect" && dice.chance(0.5)) node.qdiscs += tbf("ifb0");
      const action =
        kind === "redirect"
          ? "mirred (Egress Redirect to device ifb0) stolen"
          : "mirred (Egress Mirror to device ifb0) pipe";
      filters.push(u32(1, lines, action));
    }
  }
  node.tcFilters[`${dev} ${hook}`] = filters.join("");
  return dice.some(across(ground, node, dev, hook), 10).map((each) => ({ ...each, ...aim }));
}

function addIfb(node: DraftHost, dice: Dice): void {
  if (node.links.some(({ ifname }) => ifname === "ifb0")) return;
  addLink(node, dice, "ifb0", { linkinfo: { info_kind: "ifb" }, noArp: true });
}

/** A route leads into an ifb, which takes only what is redirected to it. */
function routeIntoIfb(dice: Dice, ground: Ground): Aim[] {
  const node = nodeWithCard(dice, ground);
  addIfb(node, dice);
  const dst = "192.0.2.99";
  if (node.routes[4].some((route) => (route as { readonly dst: string }).dst === dst)) return [];
  node.routes[4].push({ dst, dev: "ifb0", scope: "link" });
  return [{ from: node.name, dst }];
}
