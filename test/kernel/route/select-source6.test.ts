import { describe, expect, it } from "vitest";
import { formatOnPath } from "../../../src/address/ip6-handle.ts";
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
