import { describe, expect, it } from "vitest";
import { formatIpv4 } from "../../../src/address/ipv4.ts";
import { formatIpv6 } from "../../../src/address/ipv6.ts";
import { readToolCommand, runToolCommand } from "../../../src/cli/step/tool-command.ts";
import { ruleText } from "../../../src/kernel/addressing-text.ts";
import type { Host } from "../../../src/kernel/host.ts";
import { hostScript } from "../../../src/kernel/host-script.ts";
import { formatIpsetSave } from "../../../src/kernel/ipset/save.ts";
import { formatIptablesSave } from "../../../src/kernel/netfilter/save/format.ts";
import { operationText } from "../../../src/kernel/operation-text.ts";
import { readSnapshot } from "../../../src/world/snapshot-in.ts";
import type { World } from "../../../src/world/world.ts";
import { readRecordingText } from "../../fixtures.ts";

const world = load();
const node = world.hosts.get("node1") as Host;

function load(): World {
  const snapshot = readSnapshot("b-hostgw-plain.json", readRecordingText("b-hostgw-plain"));
  if (snapshot.kind === "invalid") throw new Error("the recording is broken");
  return snapshot.world;
}

/** What a command does, as the commands that do it; its error otherwise. */
function read(command: string): string[] {
  const result = readToolCommand(node, command, 0);
  return result.kind === "ok" ? result.value.flatMap(operationText) : [...result.messages];
}

describe("commands of IPv6", () => {
  const snapshot = readSnapshot("k-routed-on.json", readRecordingText("k-routed-on"));
  if (snapshot.kind === "invalid") throw new Error("the recording is broken");
  const router = snapshot.world.hosts.get("node1") as Host;
  const own = router.addresses6.find(({ dev, scope }) => dev === "eth0" && scope === "global");
  const gateway = router.routes6.find(({ dst, table }) => dst.length === 0 && table === "main")?.nextHops[0];
  if (own === undefined || gateway?.gateway == null) throw new Error("node1 has no IPv6");
  const via = formatIpv6(gateway.gateway);

  it.each([
    [`ip -6 route add fd99::/64 via ${via}`, [`ip -6 route add fd99::/64 via ${via} dev eth0 proto boot`]],
    [
      "ip -6 route add fd99::/64 from fd01::/48 dev cni0 advmss 1000 mtu lock 1400 rtt 30ms pref low",
      [
        "ip -6 route add fd99::/64 from fd01::/48 dev cni0 proto boot mtu lock 1400 rtt 30ms advmss 1000 pref low",
      ],
    ],
    ["ip route add fd99::/64 dev cni0 metric 7", ["ip -6 route add fd99::/64 dev cni0 proto boot metric 7"]],
    ["ip -6 rule add from fd00::/8 table 9", ["ip -6 rule add from fd00::/8 priority 32765 lookup 9"]],
    ["ip -6 route replace blackhole fd99::/64", ["ip -6 route replace blackhole fd99::/64 proto boot"]],
    ["ip -6 route del default", [`ip -6 route del default via ${via} dev eth0`]],
    [
      "ip -6 neigh replace fe80::9 lladdr 02:00:00:00:00:09 dev eth0",
      ["ip -6 neigh replace fe80::9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent"],
    ],
    [
      "ip addr add fd99::1/64 dev eth0 nodad",
      [
        "ip addr add fd99::1/64 dev eth0",
        "ip -6 route add local fd99::1 dev eth0 table local proto kernel",
        "ip -6 route add fd99::/64 dev eth0 proto kernel metric 256",
        "ip -6 route add anycast fd99:: dev eth0 table local proto kernel",
      ],
    ],
    [
      "ip -6 route add fd99::/64 via fd98::1",
      ["ip route: the next hop has an invalid gateway: no route on link leads to it"],
    ],
    [
      "ip -6 route add default via 10.0.0.1",
      ['ip route: "10.0.0.1" has no colon: it is not an IPv6 address'],
    ],
  ])("%s", (command, expected) => {
    const result = readToolCommand(router, command, 0);
    expect(result.kind === "ok" ? result.value.flatMap(operationText) : result.messages).toEqual(expected);
  });

  it("an address that is added and deleted again leaves all as it was", () => {
    const added = runToolCommand(snapshot.world, router, "ip addr add fd99::1/64 dev eth0");
    if (added.kind === "invalid") throw new Error(added.messages.join());
    const host = added.value.hosts.get("node1") as Host;
    expect(host.addresses6.length).toBe(router.addresses6.length + 1);
    const again = runToolCommand(added.value, host, "ip addr add fd99::1/64 dev eth0");
    expect(again.kind === "invalid" && again.messages[0]).toContain(
      "eth0 has the address fd99::1/64 already",
    );
    const deleted = runToolCommand(added.value, host, "ip addr del fd99::1/64 dev eth0");
    if (deleted.kind === "invalid") throw new Error(deleted.messages.join());
    expect(deleted.value.hosts.get("node1")).toEqual(router);
  });
});

describe("a command is read as operations", () => {
  it.each([
    // What `ip rule` showed on Linux after these commands: the usual priority is one before the second rule.
    ["ip rule add fwmark 1 table 5", ["ip rule add from all fwmark 0x1 priority 32765 lookup 5"]],
    ["ip rule add from 10.0.0.0/8 lookup 7 pref 9", ["ip rule add from 10.0.0.0/8 priority 9 lookup 7"]],
    ["ip ru a pref 5 blackhole", ["ip rule add from all priority 5 blackhole"]],
    [
      "ip rule add to 10.2.0.0/16 goto 32766",
      ["ip rule add from all to 10.2.0.0/16 priority 32765 goto 32766"],
    ],
    [
      "ip rule add not from all dev eth0 dport 80-90",
      ["ip rule add not from all iif eth0 dport 80-90 priority 32765 lookup main"],
    ],
    ["ip rule del lookup default", ["ip rule del from all priority 32767 lookup default"]],
    ["ip vrf show", []],
    ["ipset create nets hash:net -exist", ["ipset restore"]],
    ["ip link set eth0 up", []],
    [
      "ip route add 10.9.0.0/16 via 172.18.0.1",
      ["ip route add 10.9.0.0/16 via 172.18.0.1 dev eth0 proto boot scope global"],
    ],
    [
      "ip r a default via 172.18.0.1 metric 5",
      ["ip route add default via 172.18.0.1 dev eth0 proto boot scope global metric 5"],
    ],
    ["ip route add blackhole 10.9.0.0/16", ["ip route add blackhole 10.9.0.0/16 proto boot scope global"]],
    [
      "ip route replace 10.244.14.0/24 dev eth0",
      ["ip route replace 10.244.14.0/24 dev eth0 proto boot scope link"],
    ],
    [
      "/sbin/ip route del 10.244.14.0/24",
      ["ip route del 10.244.14.0/24 via 172.18.0.56 dev eth0 scope global"],
    ],
    [
      "ip route add 10.9.0.0/16 nexthop via 172.18.0.1 weight 2 nexthop dev cni0",
      [
        "ip route add 10.9.0.0/16 proto boot scope global nexthop via 172.18.0.1 dev eth0 weight 2 nexthop dev cni0 weight 1",
      ],
    ],
    [
      "ip neigh replace 172.18.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent",
      ["ip neigh replace 172.18.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent"],
    ],
    ["sysctl -w net.ipv4.conf.eth0.rp_filter=2", ["sysctl -w net.ipv4.conf.eth0.rp_filter=2"]],
    [
      "sysctl -w net/ipv4/ip_forward=0",
      [
        "sysctl -w net.ipv4.ip_forward=0",
        ...["all", "cni0", "default", "eth0", "lo", "veth2173ea8e", "vethe1b71e4f"].map(
          (device) => `sysctl -w net.ipv4.conf.${device}.forwarding=0`,
        ),
      ],
    ],
    ["iptables -A FORWARD -j DROP", ["iptables -t filter -A FORWARD -j DROP"]],
    ["iptables -t nat -I PREROUTING -j ACCEPT", ["iptables -t nat -I PREROUTING 1 -j ACCEPT"]],
    [
      "iptables -w 5 -I FORWARD 3 -s 10.0.0.1 -j DROP",
      ["iptables -t filter -I FORWARD 3 -s 10.0.0.1/32 -j DROP"],
    ],
    ["iptables -t nat -D PREROUTING 1", ["iptables -t nat -D PREROUTING 1"]],
    ["iptables -P FORWARD DROP", ["iptables-restore --noflush"]],
    [
      "ip6tables -A FORWARD -s fd00::1 -p tcp -j REJECT",
      ["ip6tables -t filter -A FORWARD -s fd00::1/128 -p tcp -j REJECT --reject-with icmp6-port-unreachable"],
    ],
    [
      "ip6tables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination [fd00::2]:8080",
      ["ip6tables -t nat -A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination '[fd00::2]:8080'"],
    ],
    ["ip6tables -P FORWARD DROP", ["ip6tables-restore --noflush"]],
  ])("%s", (command, operations) => {
    expect(read(command)).toEqual(operations);
  });

  it("a device set down takes its routes along, but not those to its own addresses, and brings them back", () => {
    const down = runToolCommand(world, node, "ip link set cni0 down");
    if (down.kind === "invalid") throw new Error(down.messages.join());
    const host = down.value.hosts.get("node1") as Host;
    const through = (each: Host) =>
      each.routes.filter((route) => route.nextHops.some((hop) => hop.dev === "cni0"));
    expect(through(host).map((route) => route.type)).toEqual(["local"]);
    const up = runToolCommand(down.value, host, "ip link set cni0 up");
    if (up.kind === "invalid") throw new Error(up.messages.join());
    const after = up.value.hosts.get("node1") as Host;
    expect(
      through(after)
        .map((route) => route.type)
        .sort(),
    ).toEqual(
      through(node)
        .map((route) => route.type)
        .sort(),
    );
  });

  it("an address added and deleted again leaves the host as it was", () => {
    const added = runToolCommand(world, node, "ip addr add 10.77.0.1/24 dev eth0");
    if (added.kind === "invalid") throw new Error(added.messages.join());
    const host = added.value.hosts.get("node1") as Host;
    expect(host.routes.length).toBeGreaterThan(node.routes.length);
    const deleted = runToolCommand(added.value, host, "ip addr del 10.77.0.1/24 dev eth0");
    if (deleted.kind === "invalid") throw new Error(deleted.messages.join());
    expect(hostScript(deleted.value.hosts.get("node1") as Host)).toBe(hostScript(node));
  });

  /** Namespace rm7s: `ip addr show` and `ip route show table all` behind the same commands. */
  it.each<readonly [number, string[], string[]]>([
    [0, ["10.2.0.1"], ["10.2.0.0/24 10.2.0.1", "10.8.0.0/16 null"]],
    [
      1,
      ["10.2.0.1", "10.77.0.9", "10.77.0.8 secondary"],
      ["10.2.0.0/24 10.2.0.1", "10.77.0.0/24 10.77.0.9", "10.7.0.0/16 10.77.0.9", "10.8.0.0/16 null"],
    ],
  ])(
    "with a network's first address go the others, or promote_secondaries = %i: %j",
    (promote, addresses, routes) => {
      let host = node;
      for (const line of [
        `sysctl -w net.ipv4.conf.eth0.promote_secondaries=${promote}`,
        "ip addr add 10.77.0.1/24 dev eth0",
        "ip addr add 10.77.0.9/24 dev eth0",
        "ip addr add 10.77.0.8/24 dev eth0",
        "ip addr add 10.2.0.1/24 dev eth0",
        "ip route add 10.9.0.0/16 via 10.77.0.2 src 10.77.0.1",
        "ip route add 10.8.0.0/16 via 10.2.0.2",
        "ip route add 10.7.0.0/16 via 10.2.0.2 src 10.77.0.9",
        "ip addr del 10.77.0.1/24 dev eth0",
      ]) {
        const changed = runToolCommand(world, host, line);
        if (changed.kind === "invalid") throw new Error(changed.messages.join());
        host = changed.value.hosts.get("node1") as Host;
      }
      const mine = (text: string): boolean => /^10\.(2|7|8|9|77)\./.test(text);
      const left = host.addresses
        .map(({ address, secondary }) => `${formatIpv4(address)}${secondary ? " secondary" : ""}`)
        .filter(mine);
      expect(left.sort()).toEqual([...addresses].sort());
      const ways = host.routes
        .filter(({ type }) => type === "unicast")
        .map(
          ({ dst, prefsrc }) =>
            `${formatIpv4(dst.address)}/${dst.length} ${prefsrc === null ? null : formatIpv4(prefsrc)}`,
        )
        .filter(mine);
      expect(ways.sort()).toEqual([...routes].sort());
      const local = host.routes.filter(({ type, dst }) => type === "local" && mine(formatIpv4(dst.address)));
      expect(local).toHaveLength(addresses.length);
    },
  );

  it.each([
    ["-s 10.0.0.1 -j DROP"],
    ["! -s 10.0.0.1/8 -p tcp -m tcp --dport 80 -m comment --comment 'a b' -j ACCEPT"],
    ["-i eth0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"],
  ])("a rule inserted and deleted by its text leaves the rules as they were: %s", (rule) => {
    const inserted = runToolCommand(world, node, `iptables -I FORWARD ${rule}`);
    if (inserted.kind === "invalid") throw new Error(inserted.messages.join());
    const host = inserted.value.hosts.get("node1") as Host;
    expect(saved(host)).not.toBe(saved(node));
    const deleted = runToolCommand(inserted.value, host, `iptables -D FORWARD ${rule}`);
    if (deleted.kind === "invalid") throw new Error(deleted.messages.join());
    expect(saved(deleted.value.hosts.get("node1") as Host)).toBe(saved(node));
  });

  it("a rule of ip6tables is inserted and deleted by its text, and those of iptables stay", () => {
    const rule = "-s fd00::/64 -p icmpv6 --icmpv6-type echo-request -j DROP";
    const before = runToolCommand(world, node, "ip6tables -A FORWARD -j ACCEPT");
    if (before.kind === "invalid") throw new Error(before.messages.join());
    const first = before.value.hosts.get("node1") as Host;
    const inserted = runToolCommand(before.value, first, `ip6tables -I FORWARD ${rule}`);
    if (inserted.kind === "invalid") throw new Error(inserted.messages.join());
    const host = inserted.value.hosts.get("node1") as Host;
    expect(host.ip6tables?.tables.get("filter")?.chains.get("FORWARD")?.rules).toHaveLength(2);
    const deleted = runToolCommand(inserted.value, host, `ip6tables -D FORWARD ${rule}`);
    if (deleted.kind === "invalid") throw new Error(deleted.messages.join());
    const after = deleted.value.hosts.get("node1") as Host;
    expect(after.ip6tables).toEqual(first.ip6tables);
    expect(saved(after)).toBe(saved(node));
  });

  it("a set is made, filled, emptied and taken away by ipset's commands", () => {
    let now = world;
    const sets = () => (now.hosts.get("node1") as Host).ipsets ?? [];
    const run = (line: string): string => {
      const result = runToolCommand(now, now.hosts.get("node1") as Host, line);
      if (result.kind === "invalid") return result.messages.join();
      now = result.value;
      return formatIpsetSave(sets().filter(({ name }) => name === "nets"))
        .split("\n")
        .slice(1, -1)
        .join();
    };
    const before = sets();
    expect(run("ipset create nets hash:net comment")).toBe("");
    expect(run("ipset create nets hash:net")).toMatch(/there is a set "nets" already/);
    expect(run("ipset add nets 10.70.2.0/24 comment 'a b'")).toBe('add nets 10.70.2.0/24 comment "a b"');
    expect(run("ipset add nets 10.70.2.0/24")).toMatch(/is in the set nets already/);
    expect(run("ipset -! add nets 10.70.2.0/24 nomatch")).toBe("add nets 10.70.2.0/24 nomatch");
    expect(run("ipset add nest 10.70.3.0/24")).toMatch(/there is no set "nest" \(did you mean "nets"\?\)/);
    expect(run("ipset del nets 10.70.9.0/24")).toMatch(/is not in the set nets/);
    expect(run("ipset del nets 10.70.9.0/24 -exist")).toBe("add nets 10.70.2.0/24 nomatch");
    expect(run("ipset -A nets 10.70.3.0/24")).toContain("10.70.3.0/24");
    expect(run("ipset flush nets")).toBe("");
    expect(run("ipset list")).toMatch(/not built yet: create, add, del, flush and destroy are/);
    expect(run("ipset -X nets")).toBe("");
    expect(sets()).toEqual(before);
  });

  it("rules of policy are deleted by what the command says of them", () => {
    let now = world;
    const shown = () => (now.hosts.get("node1") as Host).rules.map((rule) => ruleText(rule));
    const run = (line: string): string => {
      const result = runToolCommand(now, now.hosts.get("node1") as Host, line);
      if (result.kind === "invalid") return result.messages.join();
      now = result.value;
      return "";
    };
    const before = shown();
    for (const words of ["fwmark 1 table 5", "from 10.0.0.0/8 lookup 7", "pref 5 blackhole"])
      run(`ip rule add ${words}`);
    expect(shown().slice(1, 4)).toEqual([
      ...["from all priority 5 blackhole", "from 10.0.0.0/8 priority 32764 lookup 7"],
      "from all fwmark 0x1 priority 32765 lookup 5",
    ]);
    for (const words of ["fwmark 1", "table 7", "pref 5"]) expect(run(`ip rule del ${words}`)).toBe("");
    expect(shown()).toEqual(before);
    expect(run("ip rule del pref 5")).toBe("ip rule del: there is no such rule");
    expect(run("ip rule add frm 10.0.0.0/8")).toMatch(/"frm" is no part of a rule/);
  });

  it("a rule knows the command it came from", () => {
    const changed = runToolCommand(world, node, "iptables -A FORWARD -j DROP");
    if (changed.kind === "invalid") throw new Error(changed.messages.join());
    const host = changed.value.hosts.get("node1") as Host;
    const origin = host.iptables?.tables.get("filter")?.chains.get("FORWARD")?.rules.at(-1)?.origin ?? 0;
    expect(changed.value.origins.sources[origin]?.file).toBe("command on node1: iptables -A FORWARD -j DROP");
  });
});

function saved(host: Host): string {
  return host.iptables === null ? "" : formatIptablesSave(host.iptables);
}

describe("a command that is wrong, or not built yet, is named", () => {
  it.each([
    ["", "is empty: a command is expected"],
    ["ip link set eth0 'up", "the quote opened at column 18 is not closed"],
    ["ip link set eth0 up; reboot", '";" at column 20 is the shell\'s: give one command, without a script'],
    ["ethtool -k eth0", /^the command "ethtool" is not built yet; understood are: ip route/],
    ["tc qdisc show", "tc qdisc show: is not built yet: add, replace, change and del are"],
    ["ip neigh del 1.2.3.4 dev eth0", "ip neigh del: is not built yet: add and replace are"],
    [
      "ip neigh add 1.2.3.4 dev eth0",
      'ip neigh: "" is no MAC address: ADDRESS lladdr MAC dev DEVICE [nud permanent] is expected',
    ],
    ["bridge fdb append 02:00:00:00:00:01 dev eth0 dst 1.2.3.4", /^bridge fdb: eth0 is no VXLAN device/],
    ["bridge vlan add vid 2 dev eth0", 'bridge: "vlan" is not built yet: fdb is'],
    [
      "bridge fdb append 02:00 dev eth0 dst 1.2.3.4",
      'bridge fdb: "02:00" is no MAC address: MAC dev DEVICE dst ADDRESS is expected',
    ],
    ["ip link set eth9 up", 'host node1 has no device "eth9" (did you mean "eth0"?)'],
    [
      "ip link set eth0 mtu 9000",
      "ip link set eth0: up, down, master VRF or nomaster is expected, nothing else is built yet",
    ],
    ["ip link add x type veth", "ip link add: NAME type vrf table N is expected, nothing else is built yet"],
    [
      "ip route add 10.0.0.0/33 via 172.18.0.1",
      'ip route: "10.0.0.0/33" has the prefix length 33, which is above 32',
    ],
    ["ip route add 10.9.0.0/16", "ip route: via or dev is expected"],
    [
      "ip route add 10.9.0.0/16 via 9.9.9.9",
      "ip route: the next hop has an invalid gateway: no route on link leads to it",
    ],
    ["ip route add default via 172.18.0.1", "ip route add: the route exists already"],
    ["ip route del 10.9.0.0/16", "ip route del: there is no such route"],
    ["ip route add 10.9.0.0/16 dev eth0 nhid 1", 'ip route: "nhid" is not built yet'],
    [
      "ip route add 10.9.0.0/16 dev eth0 realms 1/70000",
      'ip route: "1/70000" is no realm: [FROM/]TO is expected',
    ],
    ["sysctl net.ipv4.ip_forward", 'sysctl: "net.ipv4.ip_forward" is not NAME=VALUE'],
    ["sysctl -a", "sysctl: the option -a is not built yet: use sysctl -w NAME=VALUE"],
    [
      "iptables -A FORWRAD -j DROP",
      'iptables: table filter has no chain "FORWRAD" (did you mean "FORWARD"?)',
    ],
    ["iptables -t nta -A FORWARD -j DROP", 'iptables: no table "nta" (did you mean "nat"?)'],
    [
      "iptables -D FORWARD -s 9.9.9.9 -j DROP",
      "iptables -D: chain FORWARD of table filter has no such rule: -A FORWARD -s 9.9.9.9/32 -j DROP",
    ],
    ["iptables -L", "iptables -L: a chain is expected"],
    [
      "iptables -P KUBE-SERVICES DROP",
      "iptables -P: KUBE-SERVICES is no built-in chain, so it has no policy",
    ],
    ["iptables -N FORWARD", "iptables -N: the chain FORWARD exists already"],
    [
      "ip6tables -A FORWARD -s 10.0.0.1 -j DROP",
      'ip6tables: -s: "10.0.0.1" is an IPv4 address: ip6tables takes IPv6',
    ],
    ["ip6tables -t nta -A FORWARD -j DROP", 'ip6tables: no table "nta" (did you mean "nat"?)'],
  ])("%s", (command, message) => {
    const [first = ""] = read(command);
    if (typeof message === "string") expect(first).toBe(message);
    else expect(first).toMatch(message);
  });
});

describe("VRFs", () => {
  const after = (commands: readonly string[]): Host => {
    let host = node;
    for (const command of commands) {
      const run = runToolCommand(world, host, command);
      if (run.kind === "invalid") throw new Error(run.messages.join("; "));
      host = run.value.hosts.get(host.name) as Host;
    }
    return host;
  };

  it("the first one brings its rule to IPv4; IPv6 has none but the kernel's", () => {
    expect(read("ip link add red type vrf table 1100")).toEqual([
      expect.stringMatching(
        /^ip link add red index \d+ address 02:76:72:66:04:4c mtu 65575 type vrf table 1100$/,
      ),
      "ip link set red arp off",
      "ip rule add from all priority 1000 l3mdev",
    ]);
  });

  it("a device that enters one takes its addresses' routes along", () => {
    const host = after(["ip link add red type vrf table 1100", "ip link set eth0 master red"]);
    const byEth0 = host.routes.filter(({ nextHops }) => nextHops[0]?.dev === "eth0");
    expect(byEth0.length).toBeGreaterThan(2);
    expect(new Set(byEth0.map(({ table }) => table))).toEqual(new Set(["1100"]));
    expect(byEth0.every(({ protocol }) => protocol === "kernel")).toBe(true);
    const script = hostScript(host);
    expect(script).toContain("type vrf table 1100");
    expect(script).not.toContain("ip rule add");
  });

  it.each([
    ["ip link set eth0 master cni0", "ip link set eth0 master cni0: is not built yet but for a VRF"],
    ["ip link add red type vrf table", "table is empty: a whole number"],
    ["ip route add default dev eth0 vrf eth0", 'ip route: "eth0" is no VRF of node1'],
  ])("%s: %s", (command, message) => {
    expect(read(command)[0]).toContain(message.slice(0, 20));
  });
});
