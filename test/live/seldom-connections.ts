import type { Aim } from "./random-queries.ts";
import { putFirst } from "./rule-text.ts";
import { datagram, forwarded } from "./scene.ts";
import { type Showcase, setting } from "./showcase.ts";

/** Translations that a second packet finds in its way: it comes while what the first one left behind is still there. */

const TABLE = "197";

/** One port to be translated to, and two who want it. */
const oneForTwo: Showcase = setting((_dice, { plan: { family } }, scene, port) => {
  const { gateway, node } = scene;
  const address = family === 6 ? `[${gateway}]` : gateway;
  putFirst(node, family, "nat", [
    `-A POSTROUTING -p udp -m udp --dport ${port} -j SNAT --to-source ${address}:5000`,
  ]);
  return forwarded(scene, datagram(port)).map((aim): Aim => ({ ...aim, next: { ...aim, sport: 19_000 } }));
});

/** A connection that was masqueraded for one device leaves by another, as its sender's mark says. */
const moved: Showcase = setting((_dice, { plan: { family } }, { node, away }, port) => {
  const [dst] = away as [string];
  const src = node.addresses.find(
    ({ dev, address }) =>
      dev === "eth0" && address.includes(":") === (family === 6) && !address.startsWith("fe80:"),
  )?.address;
  if (src === undefined) return [];
  putFirst(node, family, "nat", [`-A POSTROUTING -p udp -m udp --dport ${port} -j MASQUERADE`]);
  const isThere = node.routes[family].some((route) => (route as { readonly table?: string }).table === TABLE);
  if (!isThere) {
    const metric = family === 6 ? { metric: 1024 } : {};
    node.routes[family].push({ dst: "default", dev: "cni0", scope: "link", table: TABLE, ...metric });
    node.rules[family].splice(1, 0, {
      ...{ priority: 41, src: "all", fwmark: "0x300", fwmask: "0x300", table: TABLE },
    });
  }
  const made = { from: node.name, dst, src, sport: 19_500, ...datagram(port) };
  return [{ ...made, next: { ...made, mark: 0x300 } }];
});

/** The same connection twice, told apart where it begins alone: what comes back could be either's, which nothing translates. */
const twice = (proto: "tcp" | "udp"): Showcase =>
  setting((_dice, { draft: { hosts }, plan }, { pod, podAddress: src, away }, port) => {
    const { family, listening } = plan;
    const [dst] = away as [string];
    // Of what is refused at once conntrack keeps nothing.
    const state = proto === "tcp" ? "LISTEN 0 128" : "UNCONN 0 0";
    hosts.get("router")?.sockets.push(`${proto} ${state} ${listening}:${port} ${listening}:*`);
    const asked = `-A OUTPUT -p ${proto} -m ${proto} --dport ${port} -m mark --mark`;
    putFirst(pod, family, "raw", [
      `${asked} 0x500/0xf00 -j CT --zone-orig 1`,
      `${asked} 0x600/0xf00 -j CT --zone-orig 2`,
    ]);
    const made = { from: pod.name, dst, src, proto, sport: 19_600, dport: port };
    return [{ ...made, mark: 0x500, next: { ...made, mark: 0x600 } }];
  });

export const SELDOM_CONNECTIONS: readonly Showcase[] = [oneForTwo, moved, twice("tcp"), twice("udp")];
