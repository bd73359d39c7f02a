import type { Family } from "../../src/address/ip.ts";
import type { DraftHost } from "./draft.ts";
import type { Aim } from "./random-queries.ts";
import { putFirst } from "./rule-text.ts";
import { datagram, forwarded } from "./scene.ts";
import { type Showcase, setting } from "./showcase.ts";
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
