import type { Family } from "../../src/address/ip.ts";
import type { DraftHost } from "./draft.ts";
import type { Aim } from "./random-queries.ts";
import { putFirst } from "./rule-text.ts";
import { datagram, forwarded, received } from "./scene.ts";
import { type Showcase, setting } from "./showcase.ts";
import { table } from "./showcases-nft.ts";
import type { Ground } from "./topology.ts";

/** Nodes that stand between two ends: TPROXY with its socket and its route, or without one of them, and SYNPROXY. */

const anyOf = ({ plan }: Ground): string => (plan.family === 6 ? "::" : "0.0.0.0");

/** The rule, whose mark no other rule has. */
function giveToProxy(node: DraftHost, ground: Ground, port: number): void {
  putFirst(node, ground.plan.family, "mangle", [
    `-A PREROUTING -p udp -m udp --dport ${port} -j TPROXY --on-port ${port} --on-ip ${anyOf(ground)} --tproxy-mark 0x100/0x100`,
  ]);
}

function listen(node: DraftHost, { plan }: Ground, port: number, options: string): void {
  node.sockets.push(
    `udp UNCONN 0 0 ${plan.listening}:${port} ${plan.listening}:* inet-sockopt: (${options})`,
  );
}

const TABLE = "198";

/** Whatever bears the mark is for the node itself. */
function routeToItself({ routes, rules }: DraftHost, family: Family): void {
  const isThere = routes[family].some((route) => (route as { readonly table?: string }).table === TABLE);
  if (isThere) return;
  const metric = family === 6 ? { metric: 1024 } : {};
  routes[family].push({ type: "local", dst: "default", dev: "lo", table: TABLE, ...metric });
  rules[family].splice(1, 0, { priority: 40, src: "all", fwmark: "0x100", fwmask: "0x100", table: TABLE });
}

const tproxy = (put: (node: DraftHost, ground: Ground, port: number) => void): Showcase =>
  setting((_dice, ground, scene, port) => {
    giveToProxy(scene.node, ground, port);
    put(scene.node, ground, port);
    return forwarded(scene, datagram(port));
  });

/** `iptables` wants a handshake's beginning untracked, and what is none of a connection's known as that. */
const synproxy = (more: Partial<Aim>): Showcase =>
  setting((_dice, ground, scene, port) => {
    const { family } = ground.plan;
    // Of IPv6, whose segments have no number of their own, none could be told from another once their sequences move.
    if (family === 6) return [];
    const { node } = scene;
    const asked = `-p tcp -m tcp --dport ${port}`;
    node.sysctl["net.netfilter.nf_conntrack_tcp_loose"] = "0";
    putFirst(node, family, "raw", [`-A PREROUTING ${asked} --tcp-flags FIN,SYN,RST,ACK SYN -j CT --notrack`]);
    putFirst(node, family, "filter", [
      `-A FORWARD ${asked} -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460`,
    ]);
    const src = scene.podAddress;
    return forwarded(scene, { proto: "tcp", dport: port, ...(more.raw === true ? { src } : {}), ...more });
  });

export const PROXIES: readonly Showcase[] = [
  tproxy((node, { plan }) => routeToItself(node, plan.family)),
  tproxy((node, ground, port) => listen(node, ground, port, " transparent")),
  tproxy((node, ground, port) => {
    listen(node, ground, port, " transparent");
    routeToItself(node, ground.plan.family);
  }),
  synproxy({}),
  synproxy({ raw: true, listens: true, ttl: 64, flags: "A" }),
];

/** The same by rules of nftables. */
const nftTproxy = (put: (node: DraftHost, ground: Ground, port: number) => void): Showcase =>
  setting((_dice, ground, scene, port) => {
    const base = "type filter hook prerouting priority -150; policy accept;";
    const given = `udp dport ${port} counter tproxy to :${port} meta mark set 0x100`;
    scene.node.nftRuleset += table(ground.plan.family === 6 ? "ip6" : "ip", port, { base: [base, given] });
    put(scene.node, ground, port);
    return forwarded(scene, datagram(port));
  });

const nftSynproxy = (more: Partial<Aim>): Showcase =>
  setting((_dice, ground, scene, port) => {
    if (ground.plan.family === 6) return [];
    const { node } = scene;
    node.sysctl["net.netfilter.nf_conntrack_tcp_loose"] = "0";
    const asked = `tcp dport ${port}`;
    node.nftRuleset += table("ip", port, {
      early: [
        "type filter hook prerouting priority -300; policy accept;",
        `${asked} tcp flags & (fin | syn | rst | ack) == syn counter notrack`,
      ],
      base: [
        "type filter hook forward priority -10; policy accept;",
        `${asked} ct state invalid,untracked counter synproxy mss 1460 wscale 7 timestamp sack-perm`,
      ],
    });
    const src = scene.podAddress;
    return forwarded(scene, { proto: "tcp", dport: port, ...(more.raw === true ? { src } : {}), ...more });
  });

/** A socket that may speak for others is asked for by its looks. */
const nftSocket: Showcase = setting((_dice, ground, scene, port) => {
  const base = "type filter hook input priority -150; policy accept;";
  scene.node.nftRuleset += table(ground.plan.family === 6 ? "ip6" : "ip", port, {
    base: [base, `udp dport ${port} socket transparent 1 counter drop`],
  });
  listen(scene.node, ground, port, " transparent");
  return received(scene, datagram(port));
});

export const NFT_PROXIES: readonly Showcase[] = [
  nftTproxy((node, ground, port) => listen(node, ground, port, " transparent")),
  nftTproxy((node, ground, port) => {
    listen(node, ground, port, " transparent");
    routeToItself(node, ground.plan.family);
  }),
  nftTproxy((node, { plan }) => routeToItself(node, plan.family)),
  nftSynproxy({}),
  nftSynproxy({ raw: true, listens: true, ttl: 64, flags: "A" }),
  nftSocket,
];
