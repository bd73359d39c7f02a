import { describe, expect, it } from "vitest";
import { formatOnPath, internIpv6 } from "../../../src/address/ip6-handle.ts";
import { type Ipv6Words, parseIpv6 } from "../../../src/address/ipv6.ts";
import { nptAction } from "../../../src/kernel/netfilter/npt-action.ts";
import type { NptTarget } from "../../../src/kernel/netfilter/target/npt.ts";
import type { Stack } from "../../../src/kernel/stack.ts";
import { ICMPV6_TIME_EXCEED, IPPROTO_ICMPV6, IPPROTO_UDP, Packet } from "../../../src/packet/packet.ts";
import { parsedRule } from "./parsed.ts";

const ip6 = (text: string) => internIpv6(parseIpv6(text) as Ipv6Words);

function mapped(kind: "SNPT" | "DNPT", from: string, to: string, packet: Packet): void {
  const text = `-j ${kind} --src-pfx ${from} --dst-pfx ${to}`;
  const { target } = parsedRule(text, { table: "mangle", family: 6 });
  const verdict = nptAction(target as NptTarget).apply({ tape: null } as unknown as Stack, packet, 4);
  expect(verdict).toBe(-1);
}

const packetOf = (src: string, dst: string, protocol = IPPROTO_UDP) =>
  Object.assign(new Packet(), { family: 6, src: ip6(src), dst: ip6(dst), protocol });

describe("SNPT and DNPT (ip6t_NPT.c)", () => {
  // What a receiver saw of a datagram that a Linux 6.18 sent through the rule.
  it.each([
    ["fd00:1::/64", "2001:db8:9::/64", "fd00:1::5", "2001:db8:9:0:cf3f::5"],
    ["fd00:1::/48", "2001:db8:9::/48", "fd00:1:0:7::5", "2001:db8:9:cf46::5"],
    ["fd00:1::/64", "2001:db8:9::/60", "fd00:1::ffff:0:5", "2001:db8:9:0:cf3f:ffff:0:5"],
    [
      ...["fd00:1:2:300::/56", "2001:db8:ffff:ff00::/56"],
      ...["fd00:1:2:3ab:ffff::5", "2001:db8:ffff:ffab:ffff:d349:0:5"],
    ],
  ])("%s to %s: %s becomes %s", (from, to, src, expected) => {
    const packet = packetOf(src as string, "fd99::1");
    mapped("SNPT", from as string, to as string, packet);
    expect(formatOnPath(6, packet.src)).toBe(expected);
    const answer = packetOf("fd99::1", expected as string);
    mapped("DNPT", to as string, from as string, answer);
    expect(formatOnPath(6, answer.dst)).toBe(src);
  });

  it("puts the packet that an error quotes back", () => {
    const error = packetOf("fd99::1", "2001:db8:9:0:cf3f::5", IPPROTO_ICMPV6);
    error.icmpType = ICMPV6_TIME_EXCEED;
    error.inner = packetOf("2001:db8:9:0:cf3f::5", "fd99::2");
    mapped("DNPT", "2001:db8:9::/64", "fd00:1::/64", error);
    expect(formatOnPath(6, error.dst)).toBe("fd00:1::5");
    expect(formatOnPath(6, error.inner.src)).toBe("fd00:1::5");
  });
});
