import type { Rarity } from "./random-faults.ts";
import type { Aim } from "./random-queries.ts";
import { datagram, forwarded, received, type Scene, sceneOf, sent } from "./scene.ts";
import type { Showcase, Way } from "./showcase.ts";
import { table } from "./showcases-nft.ts";

/**
 * For each thing that rules of nftables read, do or are hooked at a rule that decides on packets which are aimed at it: chance
 * has many of them decide once in some thousand packets.
 */

export interface Place {
  readonly family: string;
  /** Behind `type`, up to the priority; `PORT` is the node's port to the pod. */
  readonly base: string;
  readonly way: Way;
}

export const OUTPUT: Place = { family: "ip", base: "filter hook output priority -150", way: sent };
export const FORWARD: Place = { family: "ip", base: "filter hook forward priority -150", way: forwarded };
export const PREROUTING: Place = {
  family: "ip",
  base: "filter hook prerouting priority -150",
  way: received,
};
export const INPUT: Place = { family: "ip", base: "filter hook input priority -150", way: received };
export const NETDEV: Place = {
  family: "netdev",
  base: 'filter hook ingress device "PORT" priority 0',
  way: received,
};

const EGRESS: Place = {
  family: "netdev",
  base: 'filter hook egress device "PORT" priority 0',
  way: toPod,
};

/** Which packets are meant: by their destination's port, or where nft would join that with what is asked besides, by their mark; of packets
 * that others send because of them nothing is known. */
type By = "port" | "mark" | "nothing";

/** Statements, of several rules with a semicolon between them. */
export type Text = string | ((scene: Scene, port: number) => string);

export interface Shown {
  readonly by?: By;
  readonly more?: Partial<Aim>;
  /** What the table declares. */
  readonly declared?: readonly string[];
}

export function rule(
  { family, base, way }: Place,
  text: Text,
  { by = "port", more = {}, declared = [] }: Shown = {},
): Showcase {
  return (port) => (dice, ground) => {
    const scene = sceneOf(dice, ground);
    // The bits below are those that other rules ask for.
    const mark = (port - 7000) << 4;
    const asked = {
      port: `${more.proto ?? "udp"} dport ${port} `,
      mark: `meta mark 0x${mark.toString(16)} `,
      nothing: "",
    }[by];
    const lines = (typeof text === "string" ? text : text(scene, port))
      .split("; ")
      .map((each) => `${asked}${each}`);
    const head = `type ${base.replace("PORT", scene.port)}; policy accept;`;
    scene.node.nftRuleset += table(family, port, { base: [head, ...lines] }, declared);
    return way(scene, { ...datagram(port, more), ...(by === "mark" ? { mark } : {}) });
  };
}

/** Conditions that hold, and a verdict behind them. */
export const holds = (place: Place, text: Text, shown?: Shown): Showcase =>
  rule(
    place,
    typeof text === "string" ? `${text} counter drop` : (scene, port) => `${text(scene, port)} counter drop`,
    shown,
  );

export const MARKED: Shown = { by: "mark" };
export const SEGMENT: Shown = { by: "mark", more: { proto: "tcp" } };
export const ECHO: Shown = { by: "mark", more: { proto: "icmp" } };

const READS: readonly Showcase[] = [
  ...[
    "meta l4proto udp ct original proto-dst 7000-7999",
    "meta l4proto udp ct original proto-src 20000-21000",
    "meta l4proto udp th sport 20000-21000",
    "udp sport 20000-21000",
    "udp length > 8",
    "meta length < 100",
    "meta skuid 0",
    "meta oifgroup default",
    "meta rtclassid != 7",
    "rt classid != 7",
    "ct label set 1 ct label 1",
    "ct packets > 0",
    "ct original bytes > 0",
    "ct avgpkt > 0",
    "ct protocol udp",
    "ct direction original",
    "ct state new",
    "ct zone 0",
    "ct l3proto ipv4",
    "ct mark 0x0",
    "ip version 4",
    "ip hdrlength 5",
    "ip dscp cs0",
    "ip ecn not-ect",
    "ip frag-off & 0x1fff 0x0",
    "ip ttl 64",
    "ip length < 100",
    "ip option rr missing",
    "jhash ip daddr mod 1 0",
    "jhash ip saddr mod 1 seed 0x7 0",
    "numgen inc mod 1 0",
    "numgen random mod 1 0",
    "symhash mod 1 0",
    "@nh,64,8 64",
    "meta l4proto udp @th,32,16 > 8",
    "fib daddr type { local, unicast }",
    "meta cgroup 0",
    "ip protocol udp",
    "meta l4proto . th dport { udp . 7000-7999 }",
    "rt ipsec missing",
    "rt mtu > 100",
    "ip id > 0",
    "ip checksum > 0",
    "ct id != 7",
    "meta cpu < 8192",
    "meta random > 0",
    'meta time > "2020-01-01 00:00:00"',
    "meta day 0-6",
    'meta hour "00:00"-"23:59"',
    "meta priority none",
    "meta skgid 0",
    "meta l4proto udp udp checksum > 0",
    "meta l4proto udp @ih,0,32 0x70707070",
    "ip daddr vmap { 240.0.0.0/4 : accept, * : continue }",
  ].map((text) => holds(OUTPUT, text, MARKED)),
  ...[
    "tcp urgptr 0",
    "tcp sport 20000-21000",
    "tcp dport 7000-7999",
    "tcp ackseq 0",
    "tcp doff > 5",
    "tcp reserved 0",
    "tcp sequence > 0",
    "tcp window > 0",
    "tcp checksum > 0",
    "tcp flags syn",
    "tcp option maxseg size > 500",
    "tcp option sack-perm exists",
    "tcp option timestamp exists",
    "tcp option window exists",
  ].map((text) => holds(OUTPUT, text, SEGMENT)),
  ...["icmp type echo-request", "icmp code 0", "icmp id > 0", "icmp sequence > 0", "icmp checksum > 0"].map(
    (text) => holds(OUTPUT, text, ECHO),
  ),
  holds(OUTPUT, ({ gateway }) => `ip daddr != ${gateway}`, MARKED),
  holds(OUTPUT, ({ gateway }) => `ct original ip daddr != ${gateway}`, MARKED),
  holds(OUTPUT, ({ away }) => `ct original ip saddr != ${away[1]}`, MARKED),
  ...["oif", "oifname"].map((key) => holds(FORWARD, `${key} "eth0"`)),
  holds(FORWARD, "oiftype ether"),
  holds(FORWARD, 'meta oifkind "veth"'),
  holds(FORWARD, ({ away }) => `rt nexthop != ${away[1]}`),
  // Before its confirmation nothing has a time; what ends it comes back.
  rule(FORWARD, (_, port) => `tcp sport ${port} ct expiration > 1s counter drop`, {
    by: "nothing",
    more: { proto: "tcp" },
  }),
  holds(FORWARD, "ct status != assured"),
  ...['meta sdif != "eth0"', 'meta sdifname != "eth0"'].map((text) => holds(INPUT, text)),
  ...["iif", "iifname"].map((key) => holds(PREROUTING, `${key} "cni0"`)),
  ...["iiftype ether", 'meta iifkind "bridge"', "iifgroup default", "meta ipsec missing"].map((text) =>
    holds(PREROUTING, text),
  ),
  ...[
    "meta pkttype host",
    "meta protocol ip",
    'fib saddr . mark oifname "cni0"',
    "fib saddr . iif oif exists",
  ].map((text) => holds(PREROUTING, text)),
  holds({ ...PREROUTING, family: "inet" }, "meta nfproto ipv4"),
  // One of the two is true of the socket that the packets are for.
  ...["socket wildcard 0 counter drop; socket wildcard 1 counter drop", "socket mark 0x0 counter drop"].map(
    (text) =>
      rule(PREROUTING, ({ node }, port) => {
        node.sockets.push(`udp UNCONN 0 0 0.0.0.0:${port} 0.0.0.0:*`);
        return text;
      }),
  ),
  // The node's answer to what nobody listens for.
  rule({ ...OUTPUT, way: received }, "icmp mtu 0 counter drop", { by: "nothing" }),
  askForGateway,
  holds(NETDEV, ({ pod }) => `ether saddr ${pod.links.find(({ ifname }) => ifname === "eth0")?.address}`),
  holds(NETDEV, ({ node }) => `ether daddr ${node.links.find(({ ifname }) => ifname === "cni0")?.address}`),
];

const DYNAMIC = "set own {\n\t\ttype ipv4_addr\n\t\tsize 64\n\t\tflags dynamic\n\t}";

const HELD = "set own {\n\t\ttype inet_proto\n\t\telements = { udp }\n\t}";

const DOES: readonly Showcase[] = [
  rule(OUTPUT, "meta l4proto @own counter drop", { by: "mark", declared: [HELD] }),
  rule(OUTPUT, "meta mark set meta l4proto map { udp : 0x7000 } counter; meta mark 0x7000 counter drop"),
  rule(OUTPUT, 'counter log prefix "shown"', MARKED),
  rule(OUTPUT, "counter continue", MARKED),
  rule(OUTPUT, "counter accept; counter drop", MARKED),
  rule(
    { ...OUTPUT, base: "nat hook output priority -110" },
    ({ gateway }) => `counter dnat to ${gateway}:53`,
  ),
  rule(FORWARD, ({ siblings, podAddress }) => `counter dup to ${siblings[0] ?? podAddress}`),
  rule(PREROUTING, 'ct helper set "own" counter', {
    more: { proto: "tcp" },
    declared: ['ct helper own {\n\t\ttype "ftp" protocol tcp\n\t\tl3proto ip\n\t}'],
  }),
  rule(PREROUTING, 'ct timeout set "own" counter', {
    more: { proto: "tcp" },
    declared: [
      "ct timeout own {\n\t\tprotocol tcp\n\t\tl3proto ip\n\t\tpolicy = { established : 3600, close : 4 }\n\t}",
    ],
  }),
  rule(PREROUTING, 'ct expectation set "own" counter', {
    more: { proto: "tcp" },
    declared: [
      "ct expectation own {\n\t\tprotocol tcp\n\t\tdport 9876\n\t\ttimeout 1m\n\t\tsize 12\n\t\tl3proto ip\n\t}",
    ],
  }),
  rule(NETDEV, 'counter fwd to "eth0"'),
  // Out by where it goes out: round and round, until the kernel has enough of it.
  rule(EGRESS, ({ port }) => `counter fwd to "${port}"`),
  // Nobody misses what is stripped or lowered until somebody asks.
  rule(FORWARD, "counter reset tcp option sack-perm; tcp option sack-perm missing counter drop", {
    more: { proto: "tcp" },
  }),
  rule(
    FORWARD,
    "tcp flags syn counter tcp option maxseg size set 700; tcp option maxseg size 700 counter drop",
    { more: { proto: "tcp" } },
  ),
  rule(FORWARD, "counter ip dscp set ef"),
  rule(OUTPUT, "limit rate 1/day burst 1 packets counter drop", MARKED),
  rule(OUTPUT, 'limit name "own" counter drop', {
    by: "mark",
    declared: ["limit own {\n\t\trate 1/day burst 1 packets\n\t}"],
  }),
  rule(OUTPUT, 'counter name "own" counter drop', {
    by: "mark",
    declared: ["counter own {\n\t\tpackets 0 bytes 0\n\t}"],
  }),
  rule(OUTPUT, 'quota name "own" counter drop', {
    by: "mark",
    declared: ["quota own {\n\t\tover 1 bytes\n\t}"],
  }),
  rule(OUTPUT, "quota over 1 bytes counter drop", MARKED),
  rule(OUTPUT, "ct count over 0 counter drop", MARKED),
  rule(OUTPUT, "add @own { ip daddr } counter drop", { by: "mark", declared: [DYNAMIC] }),
  rule(OUTPUT, "update @own { ip daddr } counter drop", { by: "mark", declared: [DYNAMIC] }),
  rule(OUTPUT, "delete @own { ip daddr } counter drop", { by: "mark", declared: [DYNAMIC] }),
  rule(
    { ...FORWARD, base: "nat hook postrouting priority 90" },
    ({ gateway }) => `counter snat to ${gateway}`,
  ),
  rule({ ...FORWARD, base: "nat hook postrouting priority 90" }, "counter masquerade"),
  rule({ ...PREROUTING, base: "nat hook prerouting priority -110" }, "counter redirect to :53"),
  rule(
    { ...PREROUTING, base: "filter hook prerouting priority -310" },
    "counter notrack; ct state untracked counter drop",
  ),
  rule({ ...FORWARD, base: "filter hook forward priority -10" }, "counter reject with icmp host-unreachable"),
];

const AT: readonly Showcase[] = [
  ...["prerouting", "input"].map((hook) =>
    holds({ ...INPUT, family: "bridge", base: `filter hook ${hook} priority -200` }, "meta mark 0"),
  ),
  ...["output", "postrouting"].map((hook) =>
    holds({ family: "bridge", base: `filter hook ${hook} priority -200`, way: toPod }, "meta mark 0"),
  ),
  holds({ family: "bridge", base: "filter hook forward priority -200", way: besides }, "meta mark 0"),
  holds(EGRESS, "meta mark 0"),
  ...["ether type ip", "@ll,96,16 & 0xff00 0x0800", "@ll,48,32 != 0x7"].map((text) =>
    holds({ ...INPUT, family: "bridge", base: "filter hook prerouting priority -200" }, text),
  ),
  ...["ip", "inet"].flatMap((family) => [
    holds({ ...OUTPUT, family, base: "route hook output priority -150" }, "meta mark 0"),
    ...[OUTPUT, FORWARD, PREROUTING, INPUT].map((place) => holds({ ...place, family }, "ct state new")),
    holds({ ...FORWARD, family, base: "filter hook postrouting priority -150" }, "ct state new"),
  ]),
  holds({ ...NETDEV, family: "inet" }, "meta mark 0"),
];

export const SELDOM_NFT: readonly Showcase[] = [...READS, ...DOES, ...AT];

/** Packets from the node to its pod. */
function toPod({ node, podAddress }: Scene, made: Partial<Aim>): Aim[] {
  return [{ from: node.name, dst: podAddress, ...made }];
}

/** Packets from a pod to those beside it. */
function besides({ pod, siblings }: Scene, made: Partial<Aim>): Aim[] {
  return siblings.map((dst) => ({ from: pod.name, dst, ...made }));
}

/** The router knows a better way, back into the switch, and says so. */
function askForGateway(port: number): Rarity {
  return (dice, ground) => {
    const { node } = sceneOf(dice, ground);
    const { nowhere, nobody, fabric, family } = ground.plan;
    const router = ground.draft.hosts.get("router");
    const dst = nowhere[2] as string;
    const isKnown = router?.routes[family].some((route) => (route as { readonly dst: string }).dst === dst);
    if (router === undefined || isKnown === true) return [];
    router.sysctl["net.ipv4.conf.all.send_redirects"] = "1";
    router.routes[family].push({ dst, gateway: nobody(fabric), dev: "eth0" });
    const base = "type filter hook output priority -150; policy accept;";
    router.nftRuleset += table("ip", port, { base: [base, "icmp gateway != 0 counter drop"] });
    return [{ from: node.name, dst, ...datagram(port) }];
  };
}
