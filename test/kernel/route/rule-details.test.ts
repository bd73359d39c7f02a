import { describe, expect, it } from "vitest";
import { outcome, sessionOf, told } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";
import { twoNetworks } from "../path/two-networks.ts";

/** Policy rules read beside net/core/fib_rules.c and its callers. */

describe("goto", () => {
  const routes = ["blackhole 10.9.0.0/16 table 100", "unreachable 10.9.0.0/16 table 101"];
  const at = (...rules: readonly string[]) =>
    told(sessionOf(twoNetworks({ routes, rules })), "r", "udp 10.9.0.1:53").split(",")[0];

  // `ip rule show` of Linux 6.18: `50: from all goto 60 [unresolved]`.
  it("to a number that no rule has asks the next rule (`fib_rules_lookup`)", () => {
    expect(at("priority 50 goto 60", "priority 55 lookup 101", "priority 70 lookup 100")).toBe(
      "unreachable EHOSTUNREACH",
    );
    expect(at("priority 50 goto 70", "priority 55 lookup 101", "priority 70 lookup 100")).toBe(
      "invalid EINVAL",
    );
  });
});

describe("a rule on ports", () => {
  const session = () => {
    const end = (n: number) => ({
      links: { eth0: `10.${n}.0.2/24`, lo: "127.0.0.1/8 10.9.0.1/32" },
      routes: [`default via 10.${n}.0.1`],
    });
    const r = {
      links: { e0: "10.1.0.1/24", e1: "10.2.0.1/24", e2: "10.3.0.1/24" },
      forward: true,
      routes: ["10.9.0.1 via 10.2.0.2", "10.9.0.1 via 10.3.0.2 table 100"],
      rules: ["priority 50 dport 54 lookup 100"],
    };
    return sessionOf(
      smallWorld(
        {
          a: { links: { eth0: "10.1.0.2/24" }, routes: ["default via 10.1.0.1"] },
          r,
          b1: end(2),
          b2: end(3),
        },
        ["a:eth0 r:e0", "r:e1 b1:eth0", "r:e2 b2:eth0"],
      ),
    );
  };

  // Linux 6.18, hosts kf8-a, -r, -b1 and -b2, by counters of nftables at their ingress.
  it.each([
    ["udp 10.9.0.1:54 raw", "b2"],
    ["udp 10.9.0.1:53 raw", "b1"],
    ["udp 10.9.0.1:54 raw mf size=16", "b1"],
  ])("%s goes to %s: what came in is asked for its ports, a first fragment not", (query, to) => {
    const { frames } = outcome(session(), "a", query);
    expect(frames.filter(({ host }) => host.startsWith("b"))[0]?.host).toBe(to);
  });
});

describe("the source of a broadcast", () => {
  it("is looked for as if nobody were asked for (`ip_route_input_slow`: daddr 0)", () => {
    const at = (rule: string) =>
      outcome(
        sessionOf(
          twoNetworks({
            sysctl: { "net.ipv4.conf.eth0.rp_filter": 1 },
            routes: ["10.0.0.0/24 dev eth1 table 100"],
            rules: [rule],
          }),
        ),
        "a",
        "udp 10.0.0.255:53",
      ).servers.map(({ host }) => host);
    expect(at("priority 50 from 10.0.0.255 lookup 100")).toContain("r");
    expect(at("priority 50 to 10.0.0.2 lookup 100")).not.toContain("r");
  });
});
