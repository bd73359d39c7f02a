import { idleNeighbours } from "./idle-neighbours.ts";
import type { Aim } from "./random-queries.ts";
import { putFirst } from "./rule-text.ts";
import { datagram, forwarded, received, type Scene, sent } from "./scene.ts";
import { PROXIES } from "./seldom-proxies.ts";
import { rules, type Showcase, setting, type Way } from "./showcase.ts";
import type { Ground } from "./topology.ts";

/**
 * For each match and target of iptables a rule that decides on packets which are aimed at it: chance has many of them decide
 * once in some thousand packets.
 */

type Text = string | ((scene: Scene, ground: Ground, port: number) => string);

/** Matches that let a DROP have the packets. */
function match(hook: "PREROUTING" | "FORWARD" | "OUTPUT", text: Text, more: Partial<Aim> = {}): Showcase {
  const way: Way = { PREROUTING: received, FORWARD: forwarded, OUTPUT: sent }[hook];
  return rules(
    hook === "FORWARD" ? "mangle" : "raw",
    way,
    (asked, scene, ground, port) => [`-A ${hook} ${asked} ${textOf(text, scene, ground, port)} -j DROP`],
    more,
  );
}

function target(table: string, hook: string, way: Way, text: Text, more: Partial<Aim> = {}): Showcase {
  return rules(
    table,
    way,
    (asked, scene, ground, port) => [`-A ${hook} ${asked} -j ${textOf(text, scene, ground, port)}`],
    more,
  );
}

function textOf(text: Text, scene: Scene, ground: Ground, port: number): string {
  return typeof text === "string" ? text : text(scene, ground, port);
}

const TCP = { proto: "tcp" } as const;
const isOf4 = ({ plan }: Ground): boolean => plan.family === 4;

/** Echoes have no ports: a mark tells them from others'. */
const ECHOES: Showcase = setting((_dice, { plan }, scene, port) => {
  const mark = 0x10000 * (port % 100);
  putFirst(scene.node, plan.family, "raw", [
    `-A OUTPUT -p ${plan.words.icmp} ${plan.words.icmpMatch} ${plan.family === 6 ? 128 : 8} -m mark --mark 0x${mark.toString(16)}/0xff0000 -j DROP`,
  ]);
  return sent(scene, { proto: "icmp", size: 16, mark });
});

/** Bridged packets that pass the rules of IP know the port they came in by. */
const BY_PORT = rules("mangle", received, (asked, { node }) => {
  for (const family of ["iptables", "ip6tables"]) node.sysctl[`net.bridge.bridge-nf-call-${family}`] = "1";
  return [`-A PREROUTING ${asked} -m physdev --physdev-in veth+ -j DROP`];
});

const OF_BOTH: readonly Showcase[] = [
  match("OUTPUT", (_, ground) => `-m u32 --u32 "${isOf4(ground) ? "0x6" : "0x3"}&0xff=0x11"`),
  match("OUTPUT", '-m string --string "pppppppp" --algo bm --from 20 --to 90'),
  match("OUTPUT", '-m string --string "pppppppp" --algo kmp --from 20 --to 90'),
  match("PREROUTING", "-m devgroup --src-group default"),
  match("OUTPUT", "-m ecn --ecn-ip-ect 0"),
  match("FORWARD", "-m connlabel --label 5 --set"),
  match("FORWARD", "-m connbytes ! --connbytes 1: --connbytes-mode packets --connbytes-dir reply"),
  match("OUTPUT", (_, ground) => {
    const version = isOf4(ground) ? 0x40 : 0x60;
    return `-m bpf --bytecode "5,48 0 0 0,84 0 0 240,21 0 1 ${version},6 0 0 1,6 0 0 0"`;
  }),
  match("FORWARD", "-m connmark --mark 0x0/0xff"),
  match("FORWARD", "-m connlimit --connlimit-upto 2 --connlimit-mask 32 --connlimit-saddr"),
  match("FORWARD", "-m conntrack --ctstate NEW"),
  match("FORWARD", "-m state --state NEW"),
  match("FORWARD", "-m helper ! --helper ftp"),
  match("OUTPUT", "-m dscp --dscp 0x00"),
  match("OUTPUT", "-m tos --tos 0x00/0xff"),
  match("FORWARD", "-m cluster --cluster-local-node 1 --cluster-total-nodes 2 --cluster-hash-seed 0x77"),
  match("FORWARD", "-m cluster --cluster-local-node 2 --cluster-total-nodes 2 --cluster-hash-seed 0x77"),
  match(
    "OUTPUT",
    "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-name shown",
  ),
  match("OUTPUT", ({ gateway }) => `-m iprange ! --dst-range ${gateway}-${gateway}`),
  match("OUTPUT", "-m length --length 20:200"),
  match("OUTPUT", "-m limit --limit 1/hour --limit-burst 1"),
  match("PREROUTING", ({ pod }) => {
    const card = pod.links.find(({ ifname }) => ifname === "eth0");
    return `-m mac --mac-source ${card?.address.toUpperCase()}`;
  }),
  match("OUTPUT", "-m multiport --sports 20000:21000"),
  match("OUTPUT", "-m owner --uid-owner 0-500"),
  match("OUTPUT", "-m comment --comment shown"),
  match("PREROUTING", "-m pkttype --pkt-type unicast"),
  match("FORWARD", "-m policy --dir in --pol none"),
  match("OUTPUT", "-m quota --quota 1000"),
  match("OUTPUT", (_, { plan }) => `-m recent --set --name shown --mask ${plan.words.wholeMask} --rdest`),
  match("OUTPUT", "-m statistic --mode nth --every 2 --packet 0"),
  match("PREROUTING", "-m rpfilter --loose"),
  match("OUTPUT", ({ node, away }, { plan }) => {
    const head = `hash:ip family ${plan.words.ipset} hashsize 64 maxelem 64 bucketsize 12 initval 0x78`;
    node.ipsetSave += `create seldom ${head}\nadd seldom ${away[0]}\n`;
    return "-m set ! --match-set seldom dst";
  }),
  match("PREROUTING", ({ node }, { plan }, port) => {
    node.sockets.push(`udp UNCONN 0 0 ${plan.listening}:${port} ${plan.listening}:*`);
    return "-m socket --nowildcard";
  }),
  match("OUTPUT", "-m tcpmss --mss 500:65535", TCP),
  match("OUTPUT", (_, { plan: { words } }) => `-m ${words.hopCount.match} --${words.hopCount.option}-gt 1`),
  match("OUTPUT", "-m addrtype --src-type LOCAL"),
  match("OUTPUT", "-m mark --mark 0x70/0xf0", { mark: 0x70 }),
  match("OUTPUT", "-m cgroup --path /"),
  match("OUTPUT", "-m cpu ! --cpu 8192"),
  match("OUTPUT", "-m time --datestart 2020-01-01T00:00:00 --datestop 2038-01-19T03:14:07"),
  // What was over before it would have let the packets through.
  rules("raw", sent, (asked) => [
    `-A OUTPUT ${asked} -m time --datestop 2020-01-01T00:00:00 -j ACCEPT`,
    `-A OUTPUT ${asked} -m time --timestart 10:00:00 --timestop 09:59:59 --datestop 2038-01-19T03:14:07 -j DROP`,
  ]),
  target("mangle", "FORWARD", forwarded, "NFQUEUE --queue-num 7"),
  target("raw", "OUTPUT", sent, "NFQUEUE --queue-balance 7:9"),
  // On to the next table, past the rule behind it.
  rules("raw", sent, (asked) => [
    `-A OUTPUT ${asked} -j NFQUEUE --queue-num 7 --queue-bypass`,
    `-A OUTPUT ${asked} -j DROP`,
  ]),
  ...PROXIES,
  ECHOES,
  BY_PORT,
  // What changes nothing is counted.
  target("mangle", "OUTPUT", sent, "AUDIT --type accept"),
  target("mangle", "OUTPUT", sent, (_, __, port) => `IDLETIMER --timeout 600 --label shown${port}`),
  target("mangle", "POSTROUTING", forwarded, "CHECKSUM --checksum-fill"),
  target("mangle", "POSTROUTING", forwarded, "CLASSIFY --set-class 0001:0002"),
  target("mangle", "OUTPUT", sent, "LOG"),
  target("mangle", "OUTPUT", sent, "NFLOG --nflog-group 7"),
  target("raw", "OUTPUT", sent, "TRACE"),
  target(
    "mangle",
    "OUTPUT",
    sent,
    (_, __, port) =>
      `RATEEST --rateest-name shown${port} --rateest-interval 250.0ms --rateest-ewmalog 500.0ms`,
  ),
  rules("mangle", forwarded, (asked) => [
    `-A FORWARD ${asked} -j MARK --set-xmark 0x60/0xff`,
    `-A FORWARD ${asked} -m mark --mark 0x60/0xff -j DROP`,
  ]),
  target("nat", "PREROUTING", received, ({ away }, ground, port) => {
    const to = isOf4(ground) ? away[0] : `[${away[0]}]`;
    return `DNAT --to-destination ${to}:${port + 2000}`;
  }),
  // Nobody misses what is stripped, or a set's new entry, until somebody asks.
  rules(
    "mangle",
    forwarded,
    (asked) => [
      `-A FORWARD ${asked} -j TCPOPTSTRIP --strip-options 2`,
      `-A FORWARD ${asked} ! --tcp-option 2 -j DROP`,
    ],
    TCP,
  ),
  rules(
    "mangle",
    forwarded,
    (asked) => [
      `-A FORWARD ${asked} --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 700`,
      `-A FORWARD ${asked} -m tcpmss --mss 700 -j DROP`,
    ],
    TCP,
  ),
  rules("mangle", forwarded, (asked, { node }, { plan }) => {
    const head = `hash:ip family ${plan.words.ipset} hashsize 64 maxelem 64 bucketsize 12 initval 0x79`;
    node.ipsetSave += `create grown ${head}\n`;
    return [
      `-A FORWARD ${asked} -j SET --add-set grown dst`,
      `-A FORWARD ${asked} -m set --match-set grown dst -j DROP`,
    ];
  }),
  rules("mangle", forwarded, (asked) => [
    `-A FORWARD ${asked} -j HMARK --hmark-tuple src,dst --hmark-mod 4 --hmark-offset 64 --hmark-rnd 0x7`,
    `-A FORWARD ${asked} -m mark --mark 0x40/0xf0 -j DROP`,
  ]),
  rules("mangle", forwarded, (asked) => [
    `-A FORWARD ${asked} -j CONNMARK --set-xmark 0x50/0xffffffff`,
    `-A FORWARD ${asked} -m connmark --mark 0x50 -j DROP`,
  ]),
  target("mangle", "FORWARD", forwarded, "DSCP --set-dscp 0x0a"),
  target("mangle", "FORWARD", forwarded, "TOS --set-tos 0x10/0xff"),
  target("mangle", "FORWARD", forwarded, (_, { plan: { words } }) => {
    const { target: name, option } = words.hopCount;
    return `${name} --${option}-set 1`;
  }),
  target("mangle", "FORWARD", forwarded, ({ node }, ground) => {
    const [idle] = idleNeighbours(ground, node);
    return idle === undefined ? "DROP" : `TEE --gateway ${idle}`;
  }),
  target("filter", "INPUT", received, "REJECT"),
  target("nat", "PREROUTING", received, ({ node }, { plan }, port) => {
    node.sockets.push(`udp UNCONN 0 0 ${plan.listening}:${port + 1000} ${plan.listening}:*`);
    return `REDIRECT --to-ports ${port + 1000}`;
  }),
  target("nat", "POSTROUTING", forwarded, ({ gateway }) => `SNAT --to-source ${gateway}`),
  target("nat", "PREROUTING", forwarded, (_, { plan }) => `NETMAP --to ${plan.fabric}`),
  ...["NOTRACK", "CT --notrack"].map((text) =>
    setting((_dice, { plan: { family } }, scene, port) => {
      const asked = `-p udp -m udp --dport ${port}`;
      putFirst(scene.node, family, "raw", [`-A PREROUTING ${asked} -j ${text}`]);
      putFirst(scene.node, family, "mangle", [
        `-A FORWARD ${asked} -m conntrack --ctstate UNTRACKED -j DROP`,
      ]);
      return forwarded(scene, datagram(port));
    }),
  ),
];

/** A way's realm, the one of where a packet comes from, and a policy rule's. */
const REALMS: readonly Showcase[] = [
  setting((_dice, { plan }, scene, port) => {
    const [dst] = scene.away.slice(1) as [string];
    if (!addRoute(scene, { dst, gateway: plan.fabricHost(254), dev: "eth0", flow: { from: "3", to: "5" } }))
      return [];
    const asked = `-p udp -m udp --dport ${port} -m realm`;
    putFirst(scene.node, 4, "mangle", [`-A FORWARD ${asked} --realm 0x5/0xffff -j DROP`]);
    putFirst(scene.node, 4, "mangle", [`-A OUTPUT ${asked} --realm 0x30005 -j DROP`]);
    return [scene.pod, scene.node].map(({ name }): Aim => ({ from: name, dst, ...datagram(port) }));
  }),
  setting((_dice, _ground, scene, port) => {
    const { node, podAddress: dst } = scene;
    if (!addRoute(scene, { dst, dev: "cni0", scope: "link", flow: { to: "9" } })) return [];
    const asked = `-p udp -m udp --dport ${port} -m realm`;
    putFirst(node, 4, "mangle", [`-A INPUT ${asked} --realm 0x90000 -j DROP`]);
    putFirst(node, 4, "mangle", [`-A FORWARD ${asked} ! --realm 0x90000/0xffff0000 -j DROP`]);
    return [...received(scene, datagram(port)), ...forwarded(scene, datagram(port))];
  }),
  setting((_dice, { plan }, scene, port) => {
    const { node } = scene;
    const table = "196";
    node.routes[4].push({ dst: "default", gateway: plan.fabricHost(254), dev: "eth0", table });
    node.rules[4].splice(1, 0, {
      ...{ priority: 42, src: "all", fwmark: "0x400", fwmask: "0x400", table },
      ...{ flow_from: "2", flow_to: "6" },
    });
    putFirst(node, 4, "mangle", [
      `-A POSTROUTING -p udp -m udp --dport ${port} -m realm --realm 0x20006 -j DROP`,
    ]);
    return sent(scene, datagram(port, { mark: 0x400 })).slice(2);
  }),
];

/** Is the destination not yet one of another's? */
function addRoute({ node }: Scene, route: Readonly<Record<string, unknown>>): boolean {
  const isThere = node.routes[4].some((other) => (other as { readonly dst: string }).dst === route["dst"]);
  if (!isThere) node.routes[4].push(route);
  return !isThere;
}

/** Prefixes are exchanged, and no connection remembers it. */
const NPT: readonly Showcase[] = [
  target(
    "mangle",
    "POSTROUTING",
    forwarded,
    (_, { plan }) => `SNPT --src-pfx ${plan.pods} --dst-pfx fd44:44::/48`,
  ),
  target(
    "mangle",
    "PREROUTING",
    forwarded,
    (_, { plan }) => `DNPT --src-pfx ${plan.outside} --dst-pfx ${plan.fabric}`,
  ),
];

/** An address of a link is made of its owner's MAC. */
const EUI64 = rules("mangle", ofLink, (asked) => [`-A INPUT ${asked} -m eui64 -j DROP`]);

function ofLink({ node, pod }: Scene, made: Partial<Aim>): Aim[] {
  const own = node.addresses.find(({ dev, address }) => dev === "cni0" && address.startsWith("fe80:"));
  return own === undefined ? [] : [{ from: pod.name, dst: `${own.address}%eth0`, ...made }];
}

/** What rarely decides in worlds of iptables, by family. */
export const SELDOM_RULES = {
  4: [...OF_BOTH, ...REALMS, target("mangle", "FORWARD", forwarded, "ECN --ecn-ip-ect 2")],
  6: [...OF_BOTH, match("OUTPUT", "-m ipv6header --header prot --soft"), ...NPT, EUI64],
} as const;
