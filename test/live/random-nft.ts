import type { Dice } from "./dice.ts";
import type { DraftHost } from "./draft.ts";
import { idleNeighbours } from "./idle-neighbours.ts";
import { NFT_WORDS, type NftHookName, type NftSide, type NftSpot } from "./nft-spot.ts";
import { randomNftSets } from "./random-nft-sets.ts";
import { randomNftRule } from "./random-nft-statements.ts";
import type { Ground } from "./topology.ts";

type Family = NftSpot["family"];

/** Priorities beside, before and behind those of iptables' tables and of the kernel's own functions. */
const PRIORITIES: Readonly<Record<NftSpot["type"], readonly number[]>> = {
  filter: [
    -450, -310, -300, -290, -225, -199, -175, -150, -110, -100, -90, -10, -1, 0, 0, 1, 10, 50, 100, 110, 225,
    300, 400,
  ],
  nat: [-110, -100, -90, 90, 100, 110, 0],
  route: [-310, -175, -150, -100, 0, 50],
};
const HOOKS: Readonly<Record<NftSpot["type"], readonly NftHookName[]>> = {
  filter: ["prerouting", "input", "forward", "output", "postrouting"],
  nat: ["prerouting", "input", "output", "postrouting"],
  route: ["output"],
};

/** Gives a host tables of nftables, of one family of addresses or of both. */
export function addRandomNft(dice: Dice, grounds: readonly [Ground, ...Ground[]], host: DraftHost): void {
  const [{ devices: byHost }] = grounds;
  const devices = byHost.get(host.name) ?? [];
  const bridged = devices.some((name) => name === "cni0" || name === "br0");
  const sides = grounds.map(
    (ground): NftSide => ({
      ...{ ground, words: NFT_WORDS[ground.plan.family], idle: idleNeighbours(ground, host) },
      ...{ sets: [], objects: new Map() },
    }),
  );
  const own = sides.map(({ words }) => words.ip);
  const families = dice.some<Family>(
    [
      ...[...own, own[0] as Family, "inet" as const, "inet" as const, "netdev" as const],
      ...(own.includes("ip") ? (["arp"] as const) : []),
      ...(bridged ? (["bridge"] as const) : []),
    ],
    dice.between(1, 3),
  );
  host.nftRuleset = families
    .map((family, i) => {
      const only = family === "arp" ? "ip" : family;
      const met = own.some((ip) => ip === only) ? sides.filter(({ words }) => words.ip === only) : sides;
      return tableText({ dice, devices, family, sides: met as [NftSide, ...NftSide[]] }, `t${i}`);
    })
    .join("");
}

/** A place for rules of one family of addresses, or of both. */
type Place = Omit<NftSpot, keyof NftSide> & { readonly sides: readonly [NftSide, ...NftSide[]] };
type TableSpot = Omit<Place, keyof Hooked>;

function tableText(own: TableSpot, name: string): string {
  const { dice, family, devices } = own;
  const isIp = family === "ip" || family === "ip6" || family === "inet";
  const places = placesOf(dice, family, devices);
  // Verdict maps go to chains of their own, whose rules hold what is allowed everywhere.
  const common = isIp && dice.chance(0.5) ? ["common0", "common1"] : [];
  const lines: string[] = [];
  const declare = (side: NftSide, i: number): NftSide => {
    if (!isIp) return side;
    const suffix = i === 0 ? "" : `-${side.words.ip}`;
    const made = randomNftSets(dice, side, { chains: common, suffix });
    lines.push(...made.lines);
    return { ...side, ...made };
  };
  const [first, ...others] = own.sides;
  const sides = [declare(first, 0), ...others.map((side, i) => declare(side, i + 1))] as const;
  const chains: string[] = [];
  for (const [i, chain] of common.entries()) {
    const place: Place = { ...own, type: "filter", hook: "ingress", priority: -400 };
    chains.push(
      chainText(chain, null, rulesOf(place, common.slice(i + 1), dice.between(1, 3), { tame: true })),
    );
  }
  for (const [i, hooked] of places.entries()) {
    const place: Place = { ...own, ...hooked, sides };
    const users = dice.chance(0.5) ? Array.from({ length: dice.between(1, 2) }, (_, k) => `c${i}-u${k}`) : [];
    for (const [k, user] of users.entries()) {
      const deeper = users.slice(k + 1);
      chains.push(chainText(user, null, rulesOf(place, deeper, dice.between(1, 3))));
    }
    const count = dice.weighted([
      [1, 1],
      [3, 3],
      [3, 5],
      [1, 8],
    ]);
    const policy = hooked.type === "filter" && dice.chance(0.04) ? "drop" : "accept";
    const device = hooked.device === null ? "" : ` device "${hooked.device}"`;
    const base = `type ${hooked.type} hook ${hooked.hook}${device} priority ${hooked.priority}; policy ${policy};`;
    chains.push(chainText(`c${i}`, base, [...guard(place), ...rulesOf(place, users, count, { base: true })]));
  }
  return [`table ${family} ${name} {`, ...lines, ...chains, "}", ""].join("\n");
}

interface Hooked {
  readonly type: NftSpot["type"];
  readonly hook: NftHookName;
  readonly priority: number;
  readonly device: string | null;
}

function placesOf(dice: Dice, family: Family, devices: readonly string[]): Hooked[] {
  const device = () => dice.pick(devices.filter((name) => name !== "lo"));
  const place = (hook: NftHookName, priority: number, on: string | null = null): Hooked => ({
    type: "filter",
    hook,
    priority,
    device: on,
  });
  switch (family) {
    case "netdev":
      return Array.from({ length: dice.between(1, 3) }, () =>
        place(dice.pick(["ingress", "ingress", "egress"]), dice.pick([-10, 0, 0, 5]), device()),
      );
    case "arp":
      return [place(dice.pick(["input", "output"]), 0)];
    case "bridge":
      return dice
        .some<NftHookName>(["prerouting", "input", "forward", "output", "postrouting"], dice.between(1, 3))
        .map((hook) => place(hook, dice.pick([-300, -200, 0, 100])));
    default:
      return Array.from({ length: dice.between(2, 5) }, () => {
        if (family === "inet" && dice.chance(0.08)) return place("ingress", dice.pick([-10, 0]), device());
        const type = dice.weighted<NftSpot["type"]>([
          [6, "filter"],
          [3, "nat"],
          [1, "route"],
        ]);
        return { type, hook: dice.pick(HOOKS[type]), priority: dice.pick(PRIORITIES[type]), device: null };
      });
  }
}

function chainText(name: string, base: string | null, rules: readonly string[]): string {
  const lines = [...(base === null ? [] : [base]), ...rules].map((line) => `\t\t${line}`);
  return [`\tchain ${name} {`, ...lines, "\t}", ""].join("\n");
}

/** What is kept from a chain's rules: frames of ARP, whose number nobody knows, and what the kernel spoils. */
function guard({ type, family, dice, sides }: Place): string[] {
  // Where a rule translates a tunnel's packet whose inner checksum is left to the card, the kernel spoils the outer one.
  if (type === "nat") return ["udp dport 8472 accept"];
  // Else few worlds of IPv6 would have a neighbour.
  const isOf6 = sides.some(({ words }) => words.ip === "ip6") && type === "filter";
  const letsDiscover = isOf6 && dice.chance(0.6);
  return [
    ...(family === "netdev" || family === "bridge"
      ? [dice.pick(["ether type arp accept", "meta protocol arp accept"])]
      : []),
    // What hosts say of themselves when they like, between the packets that are sent: rules that count would.
    ...(isOf6 ? ["icmpv6 type { 131, 132, 133, 143 } accept"] : []),
    ...(letsDiscover ? ["icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"] : []),
  ];
}

function rulesOf(
  { sides, ...place }: Place,
  targets: readonly string[],
  count: number,
  { base = false, tame = false }: { readonly base?: boolean; readonly tame?: boolean } = {},
): string[] {
  const rules: string[] = [];
  for (let tries = count * 4; rules.length < count && tries > 0; tries--) {
    const side = sides.length === 1 ? sides[0] : place.dice.pick(sides);
    const rule = randomNftRule({ ...place, ...side }, targets);
    if (tame && /\b(accept|drop|return|fwd|dup)\b.*$/.test(rule) && place.dice.chance(0.5)) continue;
    // A packet that comes to a list twice within a tick is counted twice (`__nf_conncount_add`), which is not modelled.
    const mayComeTwice = base === false && rule.includes("ct count");
    if (!contradicts(rule) && !mayComeTwice) rules.push(rule);
  }
  return rules;
}

const UNKNOWN =
  /checksum|flowlabel|frag id|window|sequence|meta cpu|random|symhash|meta priority [^s]|skgid|osf|ct id|ip id|meta time|meta day|meta hour|jhash [^{]* mod \d+ (?!seed)/g;
const REMEMBERING = /numgen inc|limit|quota|ct count|(add|update|delete) @|name "|mark set|label|dup|numgen/;

/** nft refuses what cannot be: two protocols in one rule. */
function contradicts(rule: string): boolean {
  const protocols = new Set<string>();
  for (const [, name = ""] of rule.matchAll(
    /(?:^| )(tcp|udp|icmp|icmpv6) (?=[sd]port|flags|type|code|id|sequence|mtu|max-delay|gateway|length|ackseq|doff|window|urgptr|reserved|checksum|option)/g,
  ))
    protocols.add(name);
  for (const [, name = ""] of rule.matchAll(
    /(?:meta l4proto|ip protocol|ip6 nexthdr|ct protocol) (?:== )?(tcp|udp|icmp|ipv6-icmp|[{!1])/g,
  ))
    protocols.add(name.replace("ipv6-icmp", "icmpv6"));
  if (/[io]iftype/.test(rule) && /\b(ip|ip6|tcp|udp|icmp|icmpv6) /.test(rule)) return true;
  // nft 1.0.6 takes a comparison of times and one behind it for a range.
  if (/meta time/.test(rule) && /(mark|ttl|length|sport) [<>]/.test(rule)) return true;
  const isOfIp = /\b(ip6?|icmp(v6)?) |ether type|\b(exthdr|frag|hbh|dst|rt0?|mh) /;
  if (/vlan id/.test(rule) && isOfIp.test(rule)) return true;
  // Each of these is of messages of its own.
  const own = [/icmp(v6)? mtu/, /icmpv6 max-delay/, /icmp gateway/, /icmp(v6)? (id|sequence|type)/];
  if (own.filter((field) => field.test(rule)).length > 1) return true;
  // Where nobody knows what a packet holds, nothing may be remembered of it, not in another chain either.
  const unknown = [...rule.matchAll(UNKNOWN)].length;
  if (unknown > 1 || (unknown === 1 && (REMEMBERING.test(rule) || /\b(jump|goto)\b/.test(rule)))) return true;
  return protocols.size > 1;
}
