import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { parseIp } from "../../src/address/ip.ts";
import { internMac, parseMac } from "../../src/address/mac.ts";
import { parseAddressOrPrefix4 } from "../../src/address/prefix.ts";
import { parseAddressOrPrefix6 } from "../../src/address/prefix6.ts";
import { parseDestination } from "../../src/cli/destination.ts";
import { parseQueryLine } from "../../src/cli/query-line.ts";
import { readToolCommand } from "../../src/cli/step/tool-command.ts";
import { parseTcpFlags } from "../../src/cli/tcp-flags.ts";
import { parseSubnetEnv } from "../../src/cni/flannel/subnet-env.ts";
import { parseNetwork } from "../../src/cni/network-config.ts";
import { applyOperations } from "../../src/kernel/apply-operation.ts";
import { parseConntrackList } from "../../src/kernel/conntrack/conntrack-list.ts";
import { parseBridgeFdbText } from "../../src/kernel/device/bridge-text.ts";
import type { Device } from "../../src/kernel/device/device.ts";
import { parseIpLinkText } from "../../src/kernel/device/ip-link-text.ts";
import { parseArpText, parseIpNeighText } from "../../src/kernel/device/ip-neigh-text.ts";
import { emptyHost, type Host } from "../../src/kernel/host.ts";
import { formatIpsetSave, parseIpsetSave } from "../../src/kernel/ipset/save.ts";
import { parseIpvsadmList } from "../../src/kernel/ipvs/ipvsadm-list.ts";
import { formatIpvsadmSave, parseIpvsadmSave } from "../../src/kernel/ipvs/ipvsadm-save.ts";
import { formatIptablesSave } from "../../src/kernel/netfilter/save/format.ts";
import { parseIptablesSave } from "../../src/kernel/netfilter/save/parse.ts";
import { parseNftJson } from "../../src/kernel/nft/json/parse.ts";
import { formatNftRuleset } from "../../src/kernel/nft/text/format.ts";
import { parseNftRuleset } from "../../src/kernel/nft/text/parse.ts";
import { parseNftScript } from "../../src/kernel/nft/text/parse-script.ts";
import { compileOvs } from "../../src/kernel/ovs/compile-bridge.ts";
import { OpenVswitchReader } from "../../src/kernel/ovs/read-ovs.ts";
import { formatVsctlShow, parseVsctlShow } from "../../src/kernel/ovs/vsctl-show.ts";
import { parseIpRouteText } from "../../src/kernel/route/ip-route-text.ts";
import { parseIpRuleText } from "../../src/kernel/route/ip-rule-text.ts";
import { parseSs } from "../../src/kernel/socket/ss.ts";
import { parseSysctlText } from "../../src/kernel/sysctl-text.ts";
import { compileTcFilter, longestOfTbf } from "../../src/kernel/tc/compile-filter.ts";
import { formatQdiscs, formatTcFilters, parseQdiscs, parseTcFilters } from "../../src/kernel/tc/tc-text.ts";
import { parseCalicoSelector } from "../../src/object/calico-selector.ts";
import { parseSelector } from "../../src/object/selector.ts";
import { readSource } from "../../src/source/read-source.ts";
import { explainJsonText } from "../../src/world/json-text.ts";
import { OriginTable } from "../../src/world/origins.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { FLOWS, GROUPS, SHOW } from "../kernel/ovs/samples.ts";
import { SAMPLES } from "../source/node-dump/samples.ts";

/** Every parser of text that somebody else may have written, with texts that are right. */
export interface FuzzedParser {
  readonly name: string;
  readonly samples: readonly string[];
  /** What came of a text; `again` prints it once more where the parser has a printer. */
  readonly parse: (text: string) => Parsed;
}

export interface Parsed {
  /** Empty where the text was taken. */
  readonly messages: readonly string[];
  readonly again?: string | undefined;
}

const FIXTURES = new URL("../../fixtures/", import.meta.url);

function fixture(name: string): string {
  const bytes = readFileSync(new URL(name, FIXTURES));
  return (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
}

interface RecordedHost {
  readonly iptablesSave?: string;
  readonly ip6tablesSave?: string;
  readonly ipsetSave?: string;
  readonly nftRuleset?: string;
  readonly nftRulesetJson?: unknown;
}

function hostsOf(name: string): readonly RecordedHost[] {
  const { hosts } = JSON.parse(fixture(`truth/${name}.json.gz`)) as { hosts: Record<string, RecordedHost> };
  return Object.values(hosts);
}

function textsOf(
  field: "iptablesSave" | "ip6tablesSave" | "ipsetSave" | "nftRuleset",
  names: readonly string[],
) {
  const found = names.flatMap(hostsOf).flatMap((host) => (host[field] ? [host[field]] : []));
  if (found.length === 0) throw new Error(`no ${field} in ${names.join(", ")}`);
  // Short ones: what is damaged then counts.
  return found.sort((a, b) => a.length - b.length).slice(0, 4);
}

function sample(pattern: RegExp): readonly string[] {
  const found = Object.entries(SAMPLES).flatMap(([name, text]) => (pattern.test(name) ? [text] : []));
  if (found.length === 0) throw new Error(`no sample ${pattern}`);
  return found;
}

const lines = (text: string) => text.split("\n").map((line, i) => ({ number: i + 1, text: line }));
const told = (read: { readonly kind: string }): readonly string[] => {
  const { kind, errors, message, messages } = read as {
    readonly kind: string;
    readonly errors?: readonly { readonly message: string }[];
    readonly message?: string;
    readonly messages?: readonly string[];
  };
  if (kind === "ok") return [];
  return messages ?? errors?.map((error) => error.message) ?? [message ?? ""];
};
const missing = (read: ReturnType<typeof parseSubnetEnv>): readonly string[] =>
  read.kind === "ok" ? [] : read.missing;
const faults = (read: { readonly faults?: readonly { readonly message: string }[] }): Parsed => ({
  messages: (read.faults ?? []).map(({ message }) => message),
});

/** Read, and compiled as a host's. */
function openVswitch(read: (reader: OpenVswitchReader) => void): Parsed {
  const messages: string[] = [];
  const reader = new OpenVswitchReader((_, __, message) => messages.push(message));
  read(reader);
  if (reader.ovs !== null) compileOvs(reader.ovs, () => null);
  return { messages };
}

const VXLAN: Device["detail"] = {
  ...{ kind: "vxlan", vni: 7, link: "eth0", local: null, remote: null, port: 4789, learning: true },
  ...{ ttl: 0, df: "unset" },
};

const NODE = applied();
const WORLD: World = { hosts: new Map([["node", NODE]]), wires: [], origins: new OriginTable().finish() };

/** With one card and a tunnel, for the commands that name it. */
function applied(): Host {
  const device: Device = {
    ...{ ifindex: 2, name: "eth0", mac: internMac("02:00:00:00:00:02"), mtu: 1500, up: true, carrier: true },
    ...{ noArp: false, master: null, detail: { kind: "ether" }, port: null, origin: 0 },
  };
  const done = applyOperations(emptyHost("node", "node"), [
    { kind: "link-add", device },
    { kind: "link-add", device: { ...device, ifindex: 3, name: "vx0", detail: VXLAN } },
  ]);
  if (done.kind !== "ok") throw new Error("no node");
  return done.host;
}

export const PARSERS: readonly FuzzedParser[] = [
  ...([4, 6] as const).map((family) => ({
    name: family === 4 ? "iptables-save" : "ip6tables-save",
    samples:
      family === 4
        ? textsOf("iptablesSave", ["h-filter-matches", "h-filter-nat", "d-affinity"])
        : textsOf("ip6tablesSave", ["k-filter-matches", "k-filter-reject"]),
    parse: (text: string): Parsed => {
      const read = parseIptablesSave(text, { family });
      return read.kind === "ok"
        ? { messages: [], again: formatIptablesSave(read.ruleset) }
        : { messages: told(read) };
    },
  })),
  {
    name: "nft list ruleset",
    samples: textsOf("nftRuleset", ["i-nftables-set"]),
    parse: (text) => {
      const read = parseNftRuleset(text);
      return read.kind === "ok"
        ? { messages: [], again: formatNftRuleset(read.ruleset) }
        : { messages: told(read) };
    },
  },
  {
    name: "nft -f",
    samples: [
      "add table ip t\nadd chain ip t c { type filter hook input priority 0; }\nadd rule ip t c ip saddr { 10.0.0.1, 10.0.0.2 } tcp dport 80 accept\nflush chain ip t c\ndelete table ip t\n",
    ],
    parse: (text) => ({ messages: told(parseNftScript(text, null)) }),
  },
  {
    name: "nft -j list ruleset",
    samples: hostsOf("i-nftables-set")
      .flatMap(({ nftRulesetJson }) => (nftRulesetJson === undefined ? [] : [JSON.stringify(nftRulesetJson)]))
      .slice(0, 1),
    parse: (text) => {
      let json: unknown;
      try {
        json = JSON.parse(text);
      } catch {
        return { messages: ["no JSON"] };
      }
      return { messages: told(parseNftJson(json, () => 0)) };
    },
  },
  {
    name: "ipset save",
    samples: textsOf("ipsetSave", ["h-filter-sets"]),
    parse: (text) => {
      const read = parseIpsetSave(text);
      return read.kind === "ok"
        ? { messages: [], again: formatIpsetSave(read.sets) }
        : { messages: told(read) };
    },
  },
  {
    name: "ipvsadm -Sn",
    samples: [
      "-A -t 10.96.0.1:443 -s rr\n-a -t 10.96.0.1:443 -r 192.168.50.10:6443 -m -w 1\n-A -f 7 -s mh -b mh-port,mh-fallback\n-A -u 10.96.0.10:53 -s sh -p 300 -M 255.255.255.0\n-a -u 10.96.0.10:53 -r 10.244.0.5:53 -i -w 3\n",
    ],
    parse: (text) => {
      const read = parseIpvsadmSave(text);
      return read.kind === "ok"
        ? { messages: [], again: formatIpvsadmSave(read.services) }
        : { messages: told(read) };
    },
  },
  {
    name: "ipvsadm -Ln",
    samples: [
      "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\nTCP  10.96.0.1:443 rr persistent 10800\n  -> 192.168.50.10:6443           Masq    1      0          0\nFWM  7 wlc\n  -> 10.0.0.9:0                   Route   2      1          0\n",
    ],
    parse: (text) => ({ messages: told(parseIpvsadmList(text, true)) }),
  },
  ...(
    [
      ["ip route", /^ip (-6 )?route/, (text: string) => parseIpRouteText(lines(text))],
      ["ip rule", /^ip (-6 )?rule/, (text: string) => parseIpRuleText(lines(text))],
      ["ip link", /^ip .*(link|addr)( show)?$/, (text: string) => parseIpLinkText(lines(text))],
      ["ip neigh", /^ip (-6 )?neigh/, (text: string) => parseIpNeighText(lines(text))],
      ["bridge fdb", /^bridge fdb/, (text: string) => parseBridgeFdbText(lines(text))],
      ["arp -n", /^arp/, (text: string) => parseArpText(lines(text))],
      ["sysctl -a", /^sysctl/, (text: string) => parseSysctlText(lines(text))],
    ] as const
  ).map(([name, pattern, parse]) => ({
    name,
    samples: sample(pattern).filter((text) => !text.startsWith("[")),
    parse: (text: string) => faults(parse(text) as never),
  })),
  {
    name: "ovs-ofctl dump-flows",
    samples: FLOWS,
    parse: (text) => openVswitch((reader) => reader.flows("br0", text, () => 0)),
  },
  {
    name: "ovs-ofctl dump-groups",
    samples: [GROUPS],
    parse: (text) => openVswitch((reader) => reader.groups("br0", text, () => 0)),
  },
  {
    name: "ovs-vsctl show",
    samples: [SHOW],
    parse: (text) => ({
      ...openVswitch((reader) => reader.database(text, () => 0)),
      again: formatVsctlShow(parseVsctlShow(text, () => 0).ovs),
    }),
  },
  {
    name: "tc qdisc show",
    samples: [
      "qdisc noqueue 0: dev lo root refcnt 2 \nqdisc tbf 1: dev veth1 root refcnt 2 rate 8Mbit burst 1200b lat 25ms \nqdisc ingress ffff: dev veth1 parent ffff:fff1 ---------------- \n",
    ],
    parse: (text) => {
      const { qdiscs, errors } = parseQdiscs(text, () => 0);
      for (const { options } of qdiscs) longestOfTbf(options);
      return { messages: errors.map(({ message }) => message), again: formatQdiscs(qdiscs) };
    },
  },
  {
    name: "tc filter show",
    samples: [
      "filter protocol ip pref 1 u32 chain 0 \nfilter protocol ip pref 1 u32 chain 0 fh 800: ht divisor 1 \nfilter protocol ip pref 1 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 flowid 1:1 not_in_hw \n  match 0a000002/ffffffff at 16\n\taction order 1: mirred (Egress Redirect to device ifb0) stolen\n",
    ],
    parse: (text) => {
      const { filters, errors } = parseTcFilters(text, "eth0", "ingress", () => 0);
      filters.forEach(compileTcFilter);
      return { messages: errors.map(({ message }) => message), again: formatTcFilters(filters) };
    },
  },
  {
    name: "kube-proxy's configuration",
    samples: [
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy, namespace: kube-system}\ndata:\n  config.conf: |\n    apiVersion: kubeproxy.config.k8s.io/v1alpha1\n    kind: KubeProxyConfiguration\n    mode: ipvs\n    clusterCIDR: 10.244.0.0/16\n    conntrack: {maxPerCore: 32768, tcpEstablishedTimeout: 24h0m0s}\n    iptables: {masqueradeBit: 14, localhostNodePorts: false}\n    ipvs: {scheduler: wrr, strictARP: true, udpTimeout: 30s}\n    nodePortAddresses: ["10.0.0.0/8"]\n',
    ],
    parse: (text) => {
      const { errors, warnings } = readSource([{ name: "x.yaml", text }]);
      return { messages: [...errors, ...warnings].map(({ message }) => message) };
    },
  },
  {
    name: "conntrack -L",
    samples: [
      "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.96.0.1 sport=40000 dport=443 src=192.168.50.10 dst=10.0.0.1 sport=6443 dport=40000 [ASSURED] mark=0 use=1\nudp      17 29 src=fd00::1 dst=fd00::2 sport=5 dport=53 [UNREPLIED] src=fd00::2 dst=fd00::1 sport=53 dport=5 mark=1 use=1\nicmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=7 mark=0 use=1\n",
    ],
    parse: (text) => faults(parseConntrackList(lines(text)) as never),
  },
  {
    name: "ss -Htuln",
    samples: sample(/^ss/),
    parse: (text) => ({ messages: told(parseSs(text, () => 0)) }),
  },
  {
    name: "a conflist",
    samples: [
      '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"bridge","bridge":"cni0","ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.0.0/24"}]]}},{"type":"portmap","capabilities":{"portMappings":true}}]}',
    ],
    parse: (text) => {
      const read = parseNetwork(text);
      return {
        messages:
          read.kind === "unreadable" ? [explainJsonText(text, "a configuration of CNI").message] : told(read),
      };
    },
  },
  {
    name: "subnet.env",
    samples: [
      "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n",
    ],
    parse: (text) => ({ messages: missing(parseSubnetEnv(text)) }),
  },
  {
    name: "manifests",
    samples: [fixture("nmt/cluster.yaml").slice(0, 5000), fixture("nmt/workloads.yaml").slice(0, 5000)],
    parse: (text) => {
      const { errors, warnings } = readSource([{ name: "x.yaml", text }]);
      return { messages: [...errors, ...warnings].map(({ message }) => message) };
    },
  },
  {
    name: "a snapshot",
    samples: [
      JSON.stringify({
        hosts: { a: JSON.parse(JSON.stringify(hostsOf("g-ptp-plain")[0])) as unknown },
      }).slice(0, 20_000),
    ],
    parse: (text) => ({ messages: told(readSnapshot("x.json", text)) }),
  },
  {
    name: "a line of --queries",
    samples: [
      '{"id":"q7","from":"pod/web","to":"svc/db:5432","proto":"tcp","ttl":3,"df":true,"size":1400,"session":"s"}',
      '{"step":"command","host":"node1","command":"ip route del default"}',
    ],
    parse: (text) => ({ messages: told(parseQueryLine(text, "q1")) }),
  },
  {
    name: "a step's command",
    samples: [
      "ip route add 10.0.0.0/8 via 10.1.1.1 dev eth0 metric 5",
      "iptables -t nat -I PREROUTING 1 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080",
      "nft add rule ip t c tcp dport 80 drop",
      "ipvsadm -A -t 10.0.0.1:80 -s rr",
      "sysctl -w net.ipv4.ip_forward=1",
      "bridge fdb append 02:00:00:00:00:01 dev vx0 dst 10.0.0.1",
      "ip rule add from 10.0.0.0/8 iif eth0 fwmark 0x1/0xff lookup 100 priority 1000",
      "ipset create web hash:ip,port timeout 60",
    ],
    parse: (text) => ({ messages: told(readToolCommand(NODE, text, 0)) }),
  },
  {
    name: "a destination",
    samples: ["[fd00::1]:80/udp", "10.0.0.1:80/tcp", "10.0.0.1/icmp", "fd00::9"],
    parse: (text) => ({ messages: told(parseDestination(WORLD, text, null)) }),
  },
  {
    name: "a selector",
    samples: ["app=web,tier in (a, b),!old,env!=dev"],
    parse: (text) => ({ messages: told(parseSelector(text) as never) }),
  },
  {
    name: "a Calico selector",
    samples: ["(app == 'web' && has(tier)) || role in {'a', \"b\"} && !all() || x starts with 'y'"],
    parse: (text) => ({ messages: told(parseCalicoSelector(text) as never) }),
  },
  {
    name: "addresses",
    samples: ["10.0.0.1/24", "fd00:1::5/64", "::ffff:10.0.0.1", "02:42:ac:11:00:02"],
    parse: (text) => {
      const read = [parseIp(text), parseAddressOrPrefix4(text), parseAddressOrPrefix6(text), parseMac(text)];
      parseTcpFlags(text);
      return { messages: read.every((value) => value === undefined) ? ["no address"] : [] };
    },
  },
];
