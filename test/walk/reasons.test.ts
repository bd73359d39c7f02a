import { describe, expect, it } from "vitest";
import type { Host } from "../../src/kernel/host.ts";
import type { World } from "../../src/world/world.ts";
import { outcome, sessionOf, verdict } from "./asking.ts";
import { BRIDGE, type HostSpec, macOf, smallWorld } from "./small-world.ts";

/** Ends of packets that other tests meet only in passing: each in the smallest world that comes to it. */

const LISTEN = ["tcp 80", "udp 53"];

/** a and b on one cable, who know each other's MAC: nothing is asked first. */
const pair = (a: HostSpec, b: HostSpec, wires = ["a:eth0 b:eth0"], more: Record<string, HostSpec> = {}) =>
  smallWorld(
    {
      a: { links: { eth0: "10.0.0.1/24 fd00::1/64" }, neighbours: known("10.0.0.2 fd00::2", 2), ...a },
      b: {
        links: { eth0: "10.0.0.2/24 fd00::2/64" },
        neighbours: known("10.0.0.1 fd00::1", 1),
        listen: LISTEN,
        ...b,
      },
      ...more,
    },
    wires,
  );

const known = (addresses: string, host: number): string[] =>
  addresses.split(" ").map((address) => `${address} eth0 ${macOf(host, 2)}`);

/** The same with a bridge between them. */
const bridged = (sw: HostSpec) => pair({}, {}, ["a:eth0 sw:p0", "b:eth0 sw:p1"], { sw });

const esp = (rule: string) => `*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p esp ${rule}\nCOMMIT\n`;
const queue = (options: string) =>
  `*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -j NFQUEUE --queue-num 7 ${options}\n-A PREROUTING -p udp -j DROP\nCOMMIT\n`;

/** The same where every host says which queues programs listen on. */
function heard(world: World, nfnetlinkQueue: string): World {
  const hosts = [...world.hosts].map(([name, host]): [string, Host] => [
    name,
    { ...host, unmodelled: new Map([["nfnetlinkQueue", nfnetlinkQueue]]) },
  ]);
  return { ...world, hosts: new Map(hosts) };
}

const FORWARDS = { state: "forwarding" } as const;

describe("how a packet ends", () => {
  it.each<readonly [string, Parameters<typeof sessionOf>[0], string]>([
    [
      "DROPPED bridge-port-blocked",
      bridged({
        links: {
          br0: { detail: BRIDGE },
          p0: { master: "br0", port: { state: "blocking" } },
          p1: { master: "br0", port: FORWARDS },
        },
      }),
      "udp 10.0.0.2:53",
    ],
    [
      "DROPPED bridge-no-port",
      bridged({ links: { br0: { detail: BRIDGE }, p0: { master: "br0" } } }),
      "udp 10.0.0.2:53",
    ],
    ["UNREACHABLE broadcast-refused", pair({}, {}), "tcp 10.0.0.255:80"],
    [
      "DROPPED bad-checksum",
      pair(
        {},
        {
          ip6tables:
            "*mangle\n:INPUT ACCEPT\n-A INPUT -p udp -j TOS --set-tos 0x10/0xff\nCOMMIT\n*filter\n:INPUT ACCEPT\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n",
        },
      ),
      "udp [fd00::2]:53 size=1500",
    ],
    [
      "DROPPED burst-too-small",
      pair({ qdiscs: "qdisc tbf 1: dev eth0 root refcnt 2 rate 8Mbit burst 200b lat 25ms \n" }, {}),
      "udp 10.0.0.2:53 size=500",
    ],
    [
      "DROPPED device-down",
      pair({}, { links: { eth0: { addresses: "10.0.0.2/24", up: false } } }),
      "udp 10.0.0.2:53",
    ],
    [
      "DROPPED frame-too-long",
      pair({}, { links: { eth0: { addresses: "10.0.0.2/24", mtu: 1000 } } }),
      "udp 10.0.0.2:53 size=1300",
    ],
    ["DROPPED icmp-ignored", pair({}, { sysctl: { "net.ipv4.icmp_echo_ignore_all": 1 } }), "icmp 10.0.0.2"],
    ["DROPPED icmp-ignored", pair({}, { sysctl: { "net.ipv6.icmp.echo_ignore_all": 1 } }), "icmp fd00::2"],
    [
      "DROPPED ipv6-disabled",
      pair({}, { sysctl: { "net.ipv6.conf.eth0.disable_ipv6": 1 } }),
      "udp [fd00::2]:53",
    ],
    ["DROPPED fragment-timeout", pair({}, {}), "udp 10.0.0.2:53 raw mf size=16"],
    ["DROPPED fragment-timeout", pair({}, {}), "udp [fd00::2]:53 raw mf size=16"],
    ["REFUSED no-protocol", pair({}, {}), "ip 10.0.0.2 protocol=50"],
    ["REFUSED no-protocol", pair({}, {}), "ip fd00::2 protocol=139"],
    // UDP-Lite as a real kernel answered it: a checksum over all, over the header, one that is wrong, and none.
    ["REFUSED no-listener-udp", pair({}, {}), "ip 10.0.0.2 protocol=136 payload=138813890000019361626162"],
    ["REFUSED no-listener-udp", pair({}, {}), "ip 10.0.0.2 protocol=136 payload=138813890008c44f61626162"],
    ["DROPPED bad-checksum", pair({}, {}), "ip 10.0.0.2 protocol=136 payload=138813890008c44e61626162"],
    ["DROPPED bad-checksum", pair({}, {}), "ip 10.0.0.2 protocol=136 payload=138813890000000061626162"],
    // Linux takes IGMP and PIM itself.
    ["DELIVERED arrived", pair({}, {}), "ip 10.0.0.2 protocol=2"],
    ["DELIVERED arrived", pair({}, {}), "ip fd00::2 protocol=103"],
    ["REFUSED no-protocol", pair({}, {}), "ip 10.0.0.1 protocol=50 at=eth0 src=10.0.0.9"],
    [
      "DROPPED match-drop",
      pair({}, { iptables: esp("-m esp --espspi 5 -j ACCEPT") }),
      "ip 10.0.0.2 protocol=50 size=7",
    ],
    ["DROPPED no-queue-listener", heard(pair({}, { iptables: queue("") }), ""), "udp 10.0.0.2:53"],
    [
      "DELIVERED answered",
      heard(pair({}, { iptables: queue("--queue-bypass") }), "    8  1 0 2 65535 0 0 0 1\n"),
      "udp 10.0.0.2:53",
    ],
    ["DROPPED no-syn", pair({}, {}), "tcp 10.0.0.2:80 raw flags=F"],
    [
      "DROPPED no-proxy-socket",
      pair(
        {},
        {
          iptables:
            "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -j TPROXY --on-port 5000 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0\nCOMMIT\n",
          listen: ["udp 53"],
        },
      ),
      "udp 10.0.0.2:53",
    ],
    [
      "DROPPED vlan-filtered",
      bridged({
        links: {
          br0: { detail: { ...BRIDGE, vlanFiltering: true } as never },
          p0: { master: "br0" },
          p1: { master: "br0" },
        },
        vlans: ["p0 none", "p1 1 pvid untagged"],
      }),
      "udp 10.0.0.2:53",
    ],
    [
      "DROPPED bond-inactive",
      pair(
        {},
        {
          links: {
            eth0: {
              addresses: "10.0.0.2/24",
              detail: { kind: "bond", mode: "active-backup", active: "s1" } as never,
            },
            s0: { master: "eth0", mac: macOf(2, 2) },
            s1: { master: "eth0", mac: macOf(2, 2) },
          },
        },
        ["a:eth0 b:s0"],
      ),
      "udp 10.0.0.2:53",
    ],
  ])("%s", (expected, world, question) => {
    expect(verdict(sessionOf(world), "a", question)).toBe(expected);
  });

  it("the second connection that one port is left for", () => {
    const masked = pair(
      {
        iptables:
          "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -p udp -j SNAT --to-source 10.0.0.1:5000\nCOMMIT\n",
      },
      {},
    );
    const session = sessionOf(masked);
    expect(verdict(session, "a", "udp 10.0.0.2:53 sport=40000")).toBe("DELIVERED answered");
    expect(verdict(session, "a", "udp 10.0.0.2:53 sport=40001")).toBe("DROPPED nat-exhausted");
  });

  it("nobody says what the program behind a queue does, nor whether there is one where the dump is silent", () => {
    for (const world of [
      pair({}, { iptables: queue("") }),
      heard(pair({}, { iptables: queue("") }), "    7  1 0 2 65535 0 0 0 1\n"),
    ]) {
      expect(outcome(sessionOf(world), "a", "udp 10.0.0.2:53").verdict.certainty).not.toBe("exact");
    }
  });
});
