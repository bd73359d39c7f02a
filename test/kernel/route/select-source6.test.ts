import { describe, expect, it } from "vitest";
import { formatOnPath } from "../../../src/address/ip6-handle.ts";
import { routeOutput } from "../../../src/kernel/route/output-route.ts";
import { selectSource6 } from "../../../src/kernel/route/select-source6.ts";
import { onPath, sessionOf } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

/**
 * What sysctls change of the choice of a source. The expectations are the kernel's (Linux 6.18): namespace kf8-h, `ip -6 route add
 * fd09::/16 dev e0`, and what `ip -6 route get fd09::1` says.
 */

function source(e0: string, sysctl: Record<string, number>, flags: Record<string, string> = {}): string {
  const session = sessionOf(smallWorld({ h: { links: { e0, e1: "fd01::1/64" }, sysctl } }, []));
  const stack = session.stack(session.network.hostNumber("h"));
  for (const dev of stack.net.devices)
    for (const entry of dev.addresses6)
      if (flags[formatOnPath(6, entry.address)] === "temporary") Object.assign(entry, { temporary: true });
  return formatOnPath(6, selectSource6(stack, stack.net.deviceNamed("e0"), onPath("fd09::1")));
}

describe("the source towards fd09::1 by e0", () => {
  it.each<readonly [Record<string, number>, string]>([
    [{}, "fd01::1"],
    [{ "net.ipv6.conf.e0.use_oif_addrs_only": 1 }, "fe80::1"],
    [{ "net.ipv6.conf.e1.use_oif_addrs_only": 1 }, "fd01::1"],
    [{ "net.ipv6.conf.all.use_oif_addrs_only": 1 }, "fd01::1"],
  ])("which has only a link-local one: %j: %s", (sysctl, expected) => {
    expect(source("fe80::1/64", sysctl)).toBe(expected);
  });

  it.each<readonly [number, string]>([
    [0, "fd09:0:0:3::5"],
    [1, "fd09:0:0:3::5"],
    [2, "fd09:0:0:3::6"],
  ])("which has a temporary one, use_tempaddr %i: %s", (value, expected) => {
    const sysctl = { "net.ipv6.conf.e0.use_tempaddr": value };
    const flags = { "fd09:0:0:3::6": "temporary" };
    expect(source("fd09:0:0:3::6/64 fd09:0:0:3::5/64", sysctl, flags)).toBe(expected);
  });
});

describe("a gateway that did not answer before the dump was taken", () => {
  const gateway = (forward: boolean, neighbours: string[]): string => {
    const h = {
      links: { eth0: "fd00::9/64" },
      routes: ["default via fd00::1 metric 100", "default via fd00::2 metric 200"],
      forward,
      neighbours,
    };
    const session = sessionOf(smallWorld({ h }, []));
    const stack = session.stack(session.network.hostNumber("h"));
    const packet = stack.pool.take();
    packet.family = 6;
    packet.dst = onPath("fd09::1");
    expect(routeOutput(stack, packet, 0, false)).toBe(0);
    return formatOnPath(6, packet.rtNextHop);
  };

  // `rt6_check_neigh`: Linux 6.18, `ip -6 neigh replace fd00::1 dev eth0 nud failed`, and `ip -6 route get fd09::1`.
  it("is passed over by a host, not by a router", () => {
    expect(gateway(false, [])).toBe("fd00::1");
    expect(gateway(false, ["fd00::1 eth0"])).toBe("fd00::2");
    expect(gateway(false, ["fd00::1 eth0", "fd00::2 eth0"])).toBe("fd00::1");
    expect(gateway(true, ["fd00::1 eth0"])).toBe("fd00::1");
  });
});
