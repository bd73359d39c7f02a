import { addressItself, mistakeNeighbour } from "./random-faults.ts";
import type { Aim } from "./random-queries.ts";
import { putFirst } from "./rule-text.ts";
import { datagram, forwarded, received, sceneOf, sent } from "./scene.ts";
import { rules, type Showcase, setting } from "./showcase.ts";
import { NFT_VERDICTS } from "./showcases-nft.ts";

/** RETURN, where ACCEPT would be the end of the table. */
const RETURNS = rules("raw", sent, (asked) => [
  `-A OUTPUT ${asked} -j SHOWN-RETURN`,
  `-A OUTPUT ${asked} -j DROP`,
  `-A SHOWN-RETURN ${asked} -j RETURN`,
  `-A SHOWN-RETURN ${asked} -j ACCEPT`,
]);

const REJECTS = rules("filter", forwarded, (asked, _scene, { plan: { words } }) => [
  `-A FORWARD ${asked} -j REJECT --reject-with ${words.rejects[0]}`,
]);

const MASQUERADES = rules("nat", forwarded, (asked) => [`-A POSTROUTING -o eth0 ${asked} -j MASQUERADE`]);

const HOP_COUNT = rules(
  "mangle",
  forwarded,
  (
    asked,
    _scene,
    {
      plan: {
        words: { hopCount },
      },
    },
  ) => [`-A FORWARD ${asked} -j ${hopCount.target} --${hopCount.option}-set 1`],
);

const POLICY_RULES = setting((_dice, { plan: { family, nowhere } }, { node, pod }, port) => {
  const [dst] = nowhere as [string];
  node.rules[family].splice(1, 0, { priority: 50, src: "all", dst, action: "unreachable" });
  return [node.name, pod.name].map((from): Aim => ({ from, dst, ...datagram(port) }));
});

const VERDICTS: readonly Showcase[] = [
  RETURNS,
  REJECTS,
  // Back from where it went to, the packet is at the chain's end.
  rules("raw", sent, (asked) => [
    `-A OUTPUT ${asked} -g SHOWN-GOTO`,
    `-A OUTPUT ${asked} -j DROP`,
    `-A SHOWN-GOTO ${asked} -m mark --mark 0x77 -j ACCEPT`,
  ]),
  // A policy that only these packets come to.
  (port) => (dice, ground) => {
    const { family } = ground.plan;
    const scene = sceneOf(dice, ground);
    const asked = `-p udp -m udp --dport ${port}`;
    putFirst(scene.node, family, "filter", [
      `-A OUTPUT ${asked} -g SHOWN-POLICY`,
      `-A SHOWN-POLICY ${asked} -m mark --mark 0x77 -j ACCEPT`,
    ]);
    scene.node.iptablesSave[family] = withPolicyDrop(scene.node.iptablesSave[family]);
    return sent(scene, datagram(port));
  },
  rules("raw", sent, (asked) => [`-A OUTPUT ${asked} -m mark --mark 0x1/0x1 -j DROP`], { mark: 3 }),
  rules("raw", sent, (asked) => [`-A OUTPUT ${asked} -m statistic --mode nth --every 2 --packet 0 -j DROP`]),
  rules("raw", sent, (asked) => [
    `-A OUTPUT ${asked} -m limit --limit 1/hour --limit-burst 1 -j ACCEPT`,
    `-A OUTPUT ${asked} -j DROP`,
  ]),
  rules("mangle", sent, (asked) => [`-A OUTPUT ${asked} -m conntrack --ctstate NEW -j DROP`]),
  rules("raw", sent, (asked, scene, { plan: { fabric, words, single } }) => {
    scene.node.ipsetSave += [
      `create shown hash:net family ${words.ipset} hashsize 64 maxelem 64 bucketsize 12 initval 0x77`,
      `add shown ${fabric}`,
      `add shown ${scene.away[0]}/${single} nomatch`,
      "",
    ]
      .join("\n")
      .replaceAll(`/${single} `, " ");
    return [`-A OUTPUT ${asked} -m set --match-set shown dst -j DROP`];
  }),
];

/** Packets that no rule before the policy is for go on to a rule that accepts all. */
function withPolicyDrop(saved: string): string {
  return saved.replace(/\*filter\n[\s\S]*?COMMIT\n/, (table) =>
    table.replace(":OUTPUT ACCEPT", ":OUTPUT DROP").replace("COMMIT\n", "-A OUTPUT -j ACCEPT\nCOMMIT\n"),
  );
}

const CHANGES: readonly Showcase[] = [
  HOP_COUNT,
  MASQUERADES,
  rules(
    "mangle",
    sent,
    (asked) => [
      `-A OUTPUT ${asked} -j MARK --set-xmark 0x1/0x1`,
      `-A OUTPUT ${asked} -m mark --mark 0x2/0x2 -j DROP`,
    ],
    { mark: 2 },
  ),
  (port) => (dice, ground) => {
    const scene = sceneOf(dice, ground);
    const { family, virtual } = ground.plan;
    const [dst] = virtual as [string];
    const to = `${family === 6 ? `[${scene.away[0]}]` : scene.away[0]}:8080`;
    putFirst(
      scene.node,
      family,
      "nat",
      ["OUTPUT", "PREROUTING"].map(
        (hook) =>
          `-A ${hook} -d ${dst}/${ground.plan.single} -p tcp -m tcp --dport ${port} -j DNAT --to-destination ${to}`,
      ),
    );
    return [scene.node, scene.pod].map(({ name }): Aim => ({ from: name, dst, proto: "tcp", dport: port }));
  },
  rules("raw", sent, (asked) => [`-A OUTPUT ${asked} -j CT --notrack`]),
];

const PATHS: readonly Showcase[] = [
  // Seen by the rules of IP as a bridge's only where bridged packets pass them.
  rules("mangle", received, (asked, { node }) => {
    for (const family of ["iptables", "ip6tables"]) node.sysctl[`net.bridge.bridge-nf-call-${family}`] = "1";
    return [`-A PREROUTING ${asked} -m physdev --physdev-in veth+ -j DROP`];
  }),
  POLICY_RULES,
  setting((_dice, { plan: { family, nowhere } }, { node, pod }, port) => {
    const dst = nowhere[1] as string;
    const isKnown = node.routes[family].some((route) => (route as { readonly dst: string }).dst === dst);
    if (!isKnown) node.routes[family].push({ type: "blackhole", dst });
    return [pod.name, node.name].map((from): Aim => ({ from, dst, ...datagram(port) }));
  }),
  setting((_dice, _ground, { node, pod, away }, port) => {
    for (const place of ["all", "default", "cni0"])
      if (place !== "cni0") node.sysctl[`net.ipv4.conf.${place}.rp_filter`] = "1";
    const src = away[1] as string;
    const forged = { raw: true, listens: true, ttl: 64, src, ...datagram(port) };
    return away.slice(0, 1).map((dst): Aim => ({ from: pod.name, dst, ...forged }));
  }),
  setting((_dice, _ground, { node, away }, port) =>
    away.map((dst): Aim => ({ from: node.name, dst, ...datagram(port, { size: 2000, df: true }) })),
  ),
  () => addressItself,
  () => mistakeNeighbour,
  // Whatever goes from one node to another.
  (port) =>
    (_dice, { draft: { hosts }, plan }) => {
      const all = [...hosts.values()];
      const ends = all.filter(({ fdb }) => fdb.length > 0);
      const to = all.filter(({ kind }) => kind === "pod");
      return ends.flatMap((end) =>
        to.flatMap(({ addresses }) =>
          addresses
            .filter(({ dev, address }) => dev === "eth0" && address.includes(":") === (plan.family === 6))
            .filter(({ address }) => !address.startsWith("fe80:"))
            .map(({ address }): Aim => ({ from: end.name, dst: address, ...datagram(port) })),
        ),
      );
    },
  setting((_dice, _ground, scene, port) => sent(scene, datagram(port))),
];

const OF_IPV6: readonly Showcase[] = [
  RETURNS,
  REJECTS,
  HOP_COUNT,
  MASQUERADES,
  POLICY_RULES,
  setting((_dice, _ground, scene, port) => {
    for (const place of ["default", "lo"]) scene.node.sysctl[`net.ipv6.conf.${place}.hop_limit`] = "17";
    return sent(scene, datagram(port));
  }),
];

/**
 * Worlds to look for mistakes in: what chance shows once in a hundred packets is put there together with packets that are
 * aimed at it. Each group goes into one world, whose recording serves all its mistakes.
 */
export const SHOWCASES: Readonly<Record<string, readonly Showcase[]>> = {
  verdicts: VERDICTS,
  changes: CHANGES,
  paths: PATHS,
  IPv6: OF_IPV6,
  nftables: NFT_VERDICTS,
};
