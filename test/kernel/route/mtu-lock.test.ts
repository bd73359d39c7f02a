import { describe, expect, it } from "vitest";
import type { Outcome } from "../../../src/walk/trace.ts";
import { onPath, outcome, sessionOf, told } from "../../walk/asking.ts";
import { twoNetworks } from "../path/two-networks.ts";

/**
 * A way whose MTU is fixed: `ip route add default via 10.0.0.1 mtu lock 1400`, or learned to be less than `min_pmtu`. The
 * expectations are the kernel's (Linux 6.18): hosts kf8-h, -r and -b, and the router's counters of what bears DF.
 */

const LOCKED = { routes: ["default via 10.0.0.1 mtu lock 1400"] };

/** What a's packets were, in turn, and whether they bear DF. */
function sentBy({ frames }: Outcome, source: string): string[] {
  return frames
    .filter(
      ({ host, device, direction, ip }) =>
        host === "r" && device === "eth0" && direction === "in" && ip?.src === source,
    )
    .map(({ ip, tcp }) => `${tcp === undefined ? "udp" : tcp.flags} ${ip?.df ? "DF" : "-"}`);
}

describe("over a way of a fixed MTU", () => {
  it("a connection's segments may be cut", () => {
    const seen = sentBy(outcome(sessionOf(twoNetworks({}, LOCKED)), "a", "tcp 10.1.0.2:80"), "10.0.0.2");
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.filter((one) => one.endsWith("DF"))).toEqual([]);
  });

  it("but not the answer to a SYN", () => {
    const seen = sentBy(outcome(sessionOf(twoNetworks({}, LOCKED)), "b", "tcp 10.0.0.2:80"), "10.0.0.2");
    expect(seen[0]).toMatch(/DF$/);
    expect(seen.slice(1).filter((one) => one.endsWith("DF"))).toEqual([]);
    expect(seen.length).toBeGreaterThan(1);
  });

  it("and a server's datagrams", () => {
    const ask = (a: object) =>
      sentBy(outcome(sessionOf(twoNetworks({}, a)), "b", "udp 10.0.0.2:53"), "10.0.0.2");
    expect(ask(LOCKED)).toEqual(["udp -"]);
    expect(ask({})).toEqual(["udp DF"]);
  });

  it("nothing is learned", () => {
    const narrow = { links: { eth0: "10.0.0.1/24", eth1: { addresses: "10.1.0.1/24", mtu: 1300 } } };
    const session = sessionOf(
      twoNetworks(narrow, LOCKED, { links: { eth0: { addresses: "10.1.0.2/24", mtu: 1300 } } }),
    );
    expect(told(session, "a", "icmp 10.1.0.2 df size=1340")).toMatch(/mtu 1300/);
    expect(session.stack(session.network.hostNumber("a")).state.exceptions.size).toBe(0);
  });
});

describe("a path of less than min_pmtu", () => {
  const narrow = { links: { eth0: "10.0.0.1/24", eth1: { addresses: "10.1.0.1/24", mtu: 500 } } };
  const session = () =>
    sessionOf(twoNetworks(narrow, {}, { links: { eth0: { addresses: "10.1.0.2/24", mtu: 500 } } }));

  it("is taken to be of that, and what goes there may be cut", () => {
    const one = session();
    expect(sentBy(outcome(one, "a", "tcp 10.1.0.2:80"), "10.0.0.2")[0]).toBe("S DF");
    expect(told(one, "a", "icmp 10.1.0.2 df size=600")).toMatch(/mtu 500/);
    const a = one.stack(one.network.hostNumber("a"));
    expect(a.state.exceptions.pathMtu(4, onPath("10.1.0.2"), a.now)).toBe(552);
    expect(a.state.exceptions.isPathMtuLocked(onPath("10.1.0.2"))).toBe(true);
    const seen = sentBy(outcome(one, "a", "tcp 10.1.0.2:80"), "10.0.0.2");
    expect(seen.filter((each) => each.endsWith("DF"))).toEqual([]);
  });
});

describe("without path MTU discovery", () => {
  const off = (value: number) => ({
    routes: ["default via 10.0.0.1"],
    sysctl: { "net.ipv4.ip_no_pmtu_disc": value },
  });

  it.each([0, 1, 2, 3])("ip_no_pmtu_disc %i: only 0 forbids to cut what sockets send", (value) => {
    const mark = value === 0 ? "DF" : "-";
    const session = sessionOf(twoNetworks({}, off(value)));
    expect(sentBy(outcome(session, "a", "tcp 10.1.0.2:80"), "10.0.0.2")[0]).toBe(`S ${mark}`);
    expect(sentBy(outcome(session, "b", "udp 10.0.0.2:53"), "10.0.0.2")).toEqual([`udp ${mark}`]);
    expect(sentBy(outcome(session, "b", "tcp 10.0.0.2:80"), "10.0.0.2")[0]).toMatch(/ DF$/);
  });

  it.each<readonly [number, string, number | null, string]>([
    [0, "1300", 1300, "too-big EMSGSIZE"],
    [1, "552, fixed", 552, "too-big EMSGSIZE"],
    [2, "nothing", null, "timeout"],
    [3, "nothing of a datagram", null, "timeout"],
  ])("ip_no_pmtu_disc %i: an error that tells 1300 teaches %s", (value, _, mtu, result) => {
    const narrow = { links: { eth0: "10.0.0.1/24", eth1: { addresses: "10.1.0.1/24", mtu: 1300 } } };
    const b = { links: { eth0: { addresses: "10.1.0.2/24", mtu: 1300 } } };
    const session = sessionOf(twoNetworks(narrow, off(value), b));
    expect(told(session, "a", "udp 10.1.0.2:53 df size=1340")).toMatch(new RegExp(`^${result}`));
    const { exceptions } = session.stack(session.network.hostNumber("a")).state;
    const learned = exceptions.pathMtu(4, onPath("10.1.0.2"), 0);
    expect(learned < 0 ? null : learned).toBe(mtu);
    expect(exceptions.isPathMtuLocked(onPath("10.1.0.2"))).toBe(mtu === 552);
  });
});
