import { describe, expect, it } from "vitest";
import { parseIpv4 } from "../../src/address/ipv4.ts";
import { internMac } from "../../src/address/mac.ts";
import { NEW_BRIDGE_PORT } from "../../src/kernel/device/bridge-link.ts";
import type { Device } from "../../src/kernel/device/device.ts";
import { parseAddress6 } from "../../src/kernel/device/ip-addr.ts";
import { parseNeighbour6 } from "../../src/kernel/device/ip-neigh.ts";
import type { Json } from "../../src/kernel/json-fields.ts";
import { parseIptablesSave } from "../../src/kernel/netfilter/save/parse.ts";
import type { Operation } from "../../src/kernel/operation.ts";
import { operationText } from "../../src/kernel/operation-text.ts";
import { parseRoute, parseRoute6 } from "../../src/kernel/route/ip-route.ts";
import { parseRule, parseRule6 } from "../../src/kernel/route/ip-rule.ts";
import { quote } from "../../src/kernel/shell-words.ts";
import { readGoodJson } from "./json-of.ts";

const MAC = internMac("02:00:00:00:00:01");
const ip = (text: string) => parseIpv4(text) ?? 0;

function device(more: Partial<Device>): Device {
  return {
    ifindex: 3,
    name: "eth0",
    mac: MAC,
    mtu: 1500,
    up: false,
    carrier: true,
    noArp: false,
    master: null,
    detail: { kind: "veth" },
    port: null,
    origin: 0,
    ...more,
  };
}

const linkAdd = (more: Partial<Device>): Operation => ({ kind: "link-add", device: device(more) });

const routeAdd = (json: Json): Operation => ({
  kind: "route-add",
  route: readGoodJson(json, (fields) => parseRoute(fields, 0)),
});

const routeAdd6 = (json: Json): Operation => ({
  kind: "route-add",
  route: readGoodJson(json, (fields) => parseRoute6(fields, 0)),
});

const ruleAdd6 = (json: Json): Operation => ({
  kind: "rule-add",
  family: 6,
  rule: readGoodJson(json, (fields) => parseRule6(fields, 0)),
});

const address6 = (json: Json): Operation => ({
  kind: "address-add",
  address: readGoodJson(json, (fields) => parseAddress6(fields, "eth0", 0)),
});

const neighbour6 = (json: Json): Operation => ({
  kind: "neighbour-replace",
  neighbour: readGoodJson(json, (fields) => parseNeighbour6(fields, 0)),
});

describe("operations of IPv6 as command lines", () => {
  it.each<readonly [Operation, string]>([
    [
      address6({ local: "fd00::1", prefixlen: 64, scope: "global", nodad: true }),
      "ip addr add fd00::1/64 dev eth0 nodad",
    ],
    [
      address6({ local: "fd00::1", address: "fd00::2", prefixlen: 128, deprecated: true }),
      "ip addr add fd00::1 peer fd00::2/128 dev eth0 preferred_lft 0",
    ],
    [
      routeAdd6({ dst: "fd01::/64", gateway: "fe80::1", dev: "eth0", metric: 1024, pref: "medium" }),
      "ip -6 route add fd01::/64 via fe80::1 dev eth0",
    ],
    [
      routeAdd6({ type: "local", dst: "fd00::1", dev: "eth0", table: "local", metric: 0 }),
      "ip -6 route add local fd00::1 dev eth0 table local",
    ],
    [
      routeAdd6({ dst: "default", dev: "eth0", metric: 9, prefsrc: "fd00::1" }),
      "ip -6 route add default dev eth0 src fd00::1 metric 9",
    ],
    [
      ruleAdd6({ priority: 50, src: "all", dst: "fd01:4::", dstlen: 64, fwmark: "0x5", action: "prohibit" }),
      "ip -6 rule add from all to fd01:4::/64 fwmark 0x5 priority 50 prohibit",
    ],
    [
      neighbour6({
        dst: "fe80::1",
        dev: "eth0",
        lladdr: "02:00:00:00:00:02",
        router: null,
        state: ["PERMANENT"],
      }),
      "ip -6 neigh replace fe80::1 lladdr 02:00:00:00:00:02 dev eth0 router nud permanent",
    ],
    [
      { kind: "iptables-delete", family: 6, table: "nat", chain: "OUTPUT", index: 2 },
      "ip6tables -t nat -D OUTPUT 2",
    ],
    [
      { kind: "iptables-restore", family: 6, ruleset: { backend: "nft", tables: new Map() }, noflush: true },
      "ip6tables-restore --noflush",
    ],
  ])("%#", (operation, line) => {
    expect(operationText(operation)).toEqual([line]);
  });
});

const ruleAdd = (json: Json): Operation => ({
  kind: "rule-add",
  rule: readGoodJson(json, (fields) => parseRule(fields, 0)),
});

function insert(text: string, index: number | null): Operation {
  const parsed = parseIptablesSave(`*filter\n:INPUT ACCEPT [0:0]\n-A INPUT ${text}\nCOMMIT\n`);
  const rule =
    parsed.kind === "ok" ? parsed.ruleset.tables.get("filter")?.chains.get("INPUT")?.rules[0] : undefined;
  if (rule === undefined) throw new Error(text);
  return { kind: "iptables-insert", table: "filter", chain: "INPUT", index, rule };
}

const HEAD = "index 3 address 02:00:00:00:00:01 mtu 1500 type";
const ADDRESS = {
  dev: "eth0",
  address: ip("10.0.0.1"),
  length: 24,
  broadcast: null,
  scope: "global",
  secondary: false,
  peer: null,
  label: "eth0",
  origin: 0,
} as const;
const ENTRY = {
  mac: MAC,
  dev: "vx",
  master: null,
  state: "permanent",
  dst: null,
  vlan: null,
  origin: 0,
} as const;
const TUNNEL = {
  kind: "vxlan",
  vni: 1,
  link: "eth0",
  local: ip("10.0.0.1"),
  remote: null,
  port: 8472,
  learning: false,
  ttl: 0,
  df: "unset",
} as const;

describe("an operation as command lines", () => {
  it.each<[Operation, ...string[]]>([
    [linkAdd({}), `ip link add eth0 ${HEAD} veth`],
    [
      linkAdd({ up: true, noArp: true }),
      `ip link add eth0 ${HEAD} veth`,
      "ip link set eth0 arp off",
      "ip link set eth0 up",
    ],
    [linkAdd({ detail: { kind: "ether" } }), "ip link set eth0 address 02:00:00:00:00:01 mtu 1500"],
    [linkAdd({ name: "lo", detail: { kind: "loopback" }, up: true }), "ip link set lo up"],
    [
      linkAdd({
        detail: {
          kind: "bridge",
          vlanFiltering: false,
          ageingS: 300,
          nfCallIptables: false,
          nfCallIp6tables: false,
        },
      }),
      `ip link add eth0 ${HEAD} bridge`,
    ],
    [
      linkAdd({
        detail: {
          kind: "bridge",
          vlanFiltering: true,
          ageingS: 10,
          nfCallIptables: true,
          nfCallIp6tables: true,
        },
      }),
      `ip link add eth0 ${HEAD} bridge ageing_time 1000 vlan_filtering 1 nf_call_iptables 1 nf_call_ip6tables 1`,
    ],
    [
      linkAdd({ detail: TUNNEL }),
      `ip link add eth0 ${HEAD} vxlan id 1 local 10.0.0.1 dev eth0 dstport 8472 nolearning`,
    ],
    [
      linkAdd({
        detail: {
          ...TUNNEL,
          remote: ip("239.1.1.1"),
          local: null,
          link: null,
          ttl: 5,
          df: "set",
          learning: true,
        },
      }),
      `ip link add eth0 ${HEAD} vxlan id 1 group 239.1.1.1 dstport 8472 learning ttl 5 df set`,
    ],
    [linkAdd({ detail: { kind: "unmodelled", type: "dummy" } }), `ip link add eth0 ${HEAD} dummy`],
    [
      linkAdd({ master: "br0", port: NEW_BRIDGE_PORT }),
      `ip link add eth0 ${HEAD} veth`,
      "ip link set eth0 master br0",
    ],
    [
      linkAdd({
        master: "br0",
        port: { ...NEW_BRIDGE_PORT, hairpin: true, learning: false, isolated: true },
      }),
      `ip link add eth0 ${HEAD} veth`,
      "ip link set eth0 master br0",
      "bridge link set dev eth0 hairpin on learning off isolated on",
    ],
    [{ kind: "link-delete", name: "eth0" }, "ip link delete eth0"],
    [{ kind: "link-set", name: "eth0", up: false }, "ip link set eth0 down"],
    [{ kind: "address-add", address: ADDRESS }, "ip addr add 10.0.0.1/24 dev eth0"],
    [
      {
        kind: "address-add",
        address: { ...ADDRESS, broadcast: ip("10.0.0.255"), scope: "link", label: "eth0:1" },
      },
      "ip addr add 10.0.0.1/24 broadcast 10.0.0.255 dev eth0 scope link label eth0:1",
    ],
    [
      { kind: "address-delete", address: { ...ADDRESS, peer: ip("10.0.0.2"), length: 32 } },
      "ip addr del 10.0.0.1 peer 10.0.0.2/32 dev eth0",
    ],
    [
      routeAdd({ dst: "default", gateway: "10.0.0.254", dev: "eth0" }),
      "ip route add default via 10.0.0.254 dev eth0 scope global",
    ],
    [
      routeAdd({
        dst: "10.1.0.0/16",
        gateway: "10.1.0.0",
        dev: "flannel.1",
        flags: ["onlink"],
        protocol: "bird",
      }),
      "ip route add 10.1.0.0/16 via 10.1.0.0 dev flannel.1 onlink proto bird scope global",
    ],
    [
      routeAdd({
        dst: "1.2.3.4",
        dev: "v",
        scope: "link",
        table: "200",
        prefsrc: "10.0.0.1",
        metric: 5,
        tos: "0x10",
        metrics: [{ mtu: 1400 }],
      }),
      "ip route add 1.2.3.4 tos 0x10 dev v table 200 scope link src 10.0.0.1 metric 5 mtu 1400",
    ],
    [routeAdd({ type: "blackhole", dst: "10.0.0.0/8" }), "ip route add blackhole 10.0.0.0/8 scope global"],
    [
      routeAdd({
        dst: "10.0.0.0/8",
        nexthops: [
          { gateway: "1.1.1.1", dev: "a", weight: 2 },
          { dev: "b", weight: 1, flags: ["onlink"] },
        ],
      }),
      "ip route add 10.0.0.0/8 scope global nexthop via 1.1.1.1 dev a weight 2 nexthop dev b weight 1 onlink",
    ],
    [ruleAdd({ priority: 0, src: "all", table: "local" }), "ip rule add from all priority 0 lookup local"],
    [
      ruleAdd({
        priority: 9,
        not: null,
        src: "10.0.0.0",
        srclen: 8,
        dst: "1.2.3.4",
        tos: "0x10",
        fwmark: "0x1",
        fwmask: "0xff",
        iif: "a",
        oif: "b",
        uid_start: 1,
        uid_end: 2,
        ipproto: "tcp",
        sport: 80,
        dport_start: 1,
        dport_end: 2,
        table: "7",
        suppress_prefixlen: 0,
      }),
      "ip rule add not from 10.0.0.0/8 to 1.2.3.4 tos 0x10 fwmark 0x1/0xff iif a oif b uidrange 1-2 ipproto tcp " +
        "sport 80 dport 1-2 priority 9 lookup 7 suppress_prefixlength 0",
    ],
    [ruleAdd({ priority: 1, src: "all", goto: 5 }), "ip rule add from all priority 1 goto 5"],
    [
      ruleAdd({ priority: 1, src: "all", action: "prohibit", ipproto: "ipproto-200" }),
      "ip rule add from all ipproto 200 priority 1 prohibit",
    ],
    [
      {
        kind: "neighbour-replace",
        neighbour: {
          dst: ip("10.0.0.2"),
          dev: "eth0",
          lladdr: MAC,
          state: "permanent",
          proxy: false,
          origin: 0,
        },
      },
      "ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:01 dev eth0 nud permanent",
    ],
    [
      {
        kind: "neighbour-replace",
        neighbour: {
          dst: ip("10.0.0.2"),
          dev: "eth0",
          lladdr: null,
          state: "permanent",
          proxy: true,
          origin: 0,
        },
      },
      "ip neigh replace proxy 10.0.0.2 dev eth0",
    ],
    [
      { kind: "fdb-append", entry: { ...ENTRY, dst: ip("10.0.0.9") } },
      "bridge fdb append 02:00:00:00:00:01 dev vx dst 10.0.0.9 self permanent",
    ],
    [
      { kind: "fdb-append", entry: { ...ENTRY, master: "br0", vlan: 5, state: "reachable" } },
      "bridge fdb append 02:00:00:00:00:01 dev vx vlan 5 master dynamic",
    ],
    [{ kind: "sysctl", name: "net.ipv4.ip_forward", value: "1" }, "sysctl -w net.ipv4.ip_forward=1"],
    [
      { kind: "sysctl", name: "net.ipv4.ping_group_range", value: "1 0" },
      "sysctl -w 'net.ipv4.ping_group_range=1 0'",
    ],
    [
      { kind: "iptables-restore", ruleset: { backend: "nft", tables: new Map() }, noflush: true },
      "iptables-restore --noflush",
    ],
    [
      insert("-p tcp -m tcp --dport 80 -j ACCEPT", null),
      "iptables -t filter -A INPUT -p tcp -m tcp --dport 80 -j ACCEPT",
    ],
    [
      insert('-m comment --comment "it\'s $HOME" -j DROP', 2),
      "iptables -t filter -I INPUT 2 -m comment --comment 'it'\\''s $HOME' -j DROP",
    ],
    [{ kind: "iptables-delete", table: "nat", chain: "C", index: 3 }, "iptables -t nat -D C 3"],
    [{ kind: "sockets", sockets: { kind: "assumed" } }],
    [{ kind: "unmodelled", name: "ipvs", value: "" }],
  ])("%j", (operation, ...lines) => {
    expect(operationText(operation)).toEqual(lines);
  });

  it.each([
    ["eth0.100@if7", "eth0.100@if7"],
    ["", "''"],
    ["a b", "'a b'"],
    ["$(reboot)", "'$(reboot)'"],
    ["it's", "'it'\\''s'"],
  ])("the word %j is quoted as %j", (word, text) => {
    expect(quote(word)).toBe(text);
  });
});
