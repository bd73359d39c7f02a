import { describe, expect, it } from "vitest";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { twoNetworks } from "../path/two-networks.ts";

/**
 * Sources that a router takes and sources that it does not. The expectations are the kernel's (Linux 6.18): the hosts were
 * built in namespaces hop-test-a, -r and -b, and a sent each source through a raw socket, for example
 *
 *     ip netns exec hop-test-r sysctl -w net.ipv4.conf.all.rp_filter=1
 *     ip netns exec hop-test-a python3 -c '…SOCK_RAW, IPPROTO_RAW…'    # 192.0.2.1 > 10.1.0.2, udp 4000 > 53
 */
const SETTINGS = {
  plain: {},
  "strict everywhere": { sysctl: { "net.ipv4.conf.all.rp_filter": 1 } },
  "loose on eth0": { sysctl: { "net.ipv4.conf.eth0.rp_filter": 2 } },
  "loose, default by eth1": {
    sysctl: { "net.ipv4.conf.eth0.rp_filter": 2 },
    routes: ["default via 10.1.0.2"],
  },
  "strict, default by eth0": {
    sysctl: { "net.ipv4.conf.eth0.rp_filter": 1 },
    routes: ["default via 10.0.0.2"],
  },
  "accept_local on eth0": { sysctl: { "net.ipv4.conf.eth0.accept_local": 1 } },
} as const;

const OK = "arrives";
const RPF = "rp-filter";
const MARTIAN = "martian-source";

/** A source, and what becomes of it under each setting in turn. */
const ROWS: readonly (readonly [string, string, ...string[]])[] = [
  // of no route: only reverse path filtering minds
  ["192.0.2.1", OK, RPF, RPF, OK, OK, OK],
  ["240.0.0.1", OK, RPF, RPF, OK, OK, OK],
  // 0.0.0.0/8 is ordinary but for its first address (since Linux 5.3)
  ["0.1.2.3", OK, RPF, RPF, OK, OK, OK],
  // of the other network
  ["10.1.0.9", OK, RPF, OK, OK, RPF, OK],
  // of the right network
  ["10.0.0.9", OK, OK, OK, OK, OK, OK],
  // the router's own
  ["10.0.0.1", MARTIAN, MARTIAN, MARTIAN, MARTIAN, MARTIAN, OK],
  ["10.1.0.1", MARTIAN, MARTIAN, MARTIAN, MARTIAN, MARTIAN, OK],
  // a network's broadcast address: seen only where the source is looked up at all
  ["10.0.0.255", OK, MARTIAN, MARTIAN, MARTIAN, MARTIAN, OK],
  ["10.1.0.255", OK, MARTIAN, MARTIAN, MARTIAN, MARTIAN, OK],
  // never
  ["224.0.0.5", MARTIAN, MARTIAN, MARTIAN, MARTIAN, MARTIAN, MARTIAN],
  ["255.255.255.255", MARTIAN, MARTIAN, MARTIAN, MARTIAN, MARTIAN, MARTIAN],
];

describe("a packet's source, by a router's settings", () => {
  const cases = ROWS.flatMap(([source, ...expected]) =>
    Object.keys(SETTINGS).map((setting, i) => [source, setting, expected[i] as string] as const),
  );

  it.each(cases)("%s, %s: %s", (source, setting, expected) => {
    const world = twoNetworks(SETTINGS[setting as keyof typeof SETTINGS]);
    const found = outcome(sessionOf(world), "a", `udp 10.1.0.2:53 src=${source} sport=4000 raw`);
    const arrived = found.servers.some(({ host }) => host === "b");
    expect(arrived ? OK : found.verdict.reason).toBe(expected);
  });
});

describe("a packet from outside the model", () => {
  it.each([
    ["127.0.0.1", "10.1.0.2", {}, MARTIAN],
    // allowed by its range, it is still an address of the router's own
    ["127.0.0.1", "10.1.0.2", { "net.ipv4.conf.all.route_localnet": 1 }, MARTIAN],
    ["10.0.0.9", "127.0.0.1", {}, "martian-destination"],
    ["10.0.0.9", "127.0.0.1", { "net.ipv4.conf.eth0.route_localnet": 1 }, OK],
    ["10.0.0.9", "0.0.0.0", {}, "martian-destination"],
    ["10.0.0.9", "224.0.0.5", {}, "not-for-forwarding"],
    ["10.0.0.9", "10.0.0.1", {}, OK],
    ["10.0.0.9", "10.1.0.1", {}, OK],
    ["10.0.0.9", "10.1.0.2", { "net.ipv4.conf.eth0.forwarding": 0 }, "not-forwarding"],
  ] as const)("%s > %s, %j: %s", (source, destination, sysctl, expected) => {
    const session = sessionOf(twoNetworks({ sysctl, listen: ["udp 53"] }));
    const found = outcome(session, "r", `udp ${destination}:53 src=${source} sport=4000 at=eth0`);
    expect(found.servers.length > 0 ? OK : found.verdict.reason).toBe(expected);
  });
});

/**
 * `ip_mc_validate_source`, `ip_route_input_slow`, `inet_lookup_ifaddr_rcu`: seen in namespaces au2-a and -b, but for the last, which is
 * read of the source.
 */
describe("groups and broadcasts that come in", () => {
  it.each([
    ["0.0.0.0", "224.0.0.1", {}, OK],
    ["127.0.0.5", "224.0.0.1", {}, MARTIAN],
    ["127.0.0.5", "224.0.0.1", { "net.ipv4.conf.eth0.route_localnet": 1 }, OK],
    ["127.0.0.1", "224.0.0.1", { "net.ipv4.conf.eth0.route_localnet": 1 }, MARTIAN],
    ["127.0.0.5", "10.0.0.1", { "net.ipv4.conf.eth0.route_localnet": 1 }, OK],
    ["127.0.0.1", "10.0.0.1", { "net.ipv4.conf.eth0.route_localnet": 1 }, MARTIAN],
  ] as const)("%s > %s, %j: %s", (source, destination, sysctl, expected) => {
    const session = sessionOf(twoNetworks({ sysctl, listen: ["udp 53"] }));
    const found = outcome(session, "r", `udp ${destination}:53 src=${source} sport=4000 at=eth0`);
    expect(found.servers.length > 0 ? OK : found.verdict.reason).toBe(expected);
  });

  it("a local route that somebody added has sources looked up (fib_has_custom_local_routes)", () => {
    const sysctl = { "net.ipv4.conf.eth0.route_localnet": 1 };
    const world = twoNetworks({
      sysctl,
      listen: ["udp 53"],
      routes: ["local 10.5.0.0/16 dev lo table local"],
    });
    for (const source of ["127.0.0.5", "10.5.0.1"]) {
      const found = outcome(sessionOf(world), "r", `udp 10.0.0.1:53 src=${source} sport=4000 at=eth0`);
      expect(found.verdict.reason).toBe(MARTIAN);
    }
  });

  it("bc_forwarding asks for no other forwarding", () => {
    const sysctl = {
      "net.ipv4.conf.all.bc_forwarding": 1,
      "net.ipv4.conf.eth0.bc_forwarding": 1,
      "net.ipv4.conf.eth0.forwarding": 0,
    };
    const found = outcome(sessionOf(twoNetworks({ sysctl })), "a", "udp 10.1.0.255:53");
    expect(
      found.frames.some(
        ({ host, device, direction }) => host === "r" && device === "eth1" && direction === "out",
      ),
    ).toBe(true);
  });
});
