import { describe, expect, it } from "vitest";
import { multipathKey4, multipathKey6 } from "../../../src/kernel/route/multipath-hash.ts";
import type { Stack } from "../../../src/kernel/stack.ts";
import { INNER_IPIP, Packet } from "../../../src/packet/packet.ts";
import { onPath, sessionOf } from "../../walk/asking.ts";
import { twoNetworks } from "../path/two-networks.ts";

/**
 * What of a forwarded packet chooses its next hop. Namespace rm7p (Linux 6.18): `ip route get … from … iif e0 ipproto udp sport …
 * dport …` with two next hops, which of the five take turns as one field is varied.
 */

const UDP = 17;
const TCP = 6;

function stackWith(policy: number, fields: number): Stack {
  const sysctl = Object.fromEntries(
    ["ipv4", "ipv6"].flatMap((family) => [
      [`net.${family}.fib_multipath_hash_policy`, policy],
      [`net.${family}.fib_multipath_hash_fields`, fields],
    ]),
  );
  const session = sessionOf(twoNetworks({ sysctl }));
  return session.stack(session.network.hostNumber("r"));
}

function packet(change: Partial<Packet> = {}): Packet {
  const one = new Packet();
  one.protocol = UDP;
  one.src = onPath("10.0.0.9");
  one.dst = onPath("10.9.0.1");
  one.sport = 1000;
  one.dport = 2000;
  return Object.assign(one, change);
}

const VARIED: Readonly<Record<string, Partial<Packet>>> = {
  src: { src: onPath("10.0.0.10") },
  dst: { dst: onPath("10.9.0.2") },
  proto: { protocol: TCP },
  sport: { sport: 1001 },
  dport: { dport: 2001 },
};

describe("a forwarded packet's next hop hangs on", () => {
  const key = (stack: Stack, one: Packet): string => multipathKey4(stack, one, one.src, one.dst, true).join();

  it.each<readonly [number, number, string[]]>([
    [0, 7, ["src", "dst"]],
    [1, 7, ["src", "dst", "proto", "sport", "dport"]],
    [2, 7, ["src", "dst"]],
    [3, 7, ["src", "dst", "proto"]],
    [3, 1, ["src"]],
    [3, 4, ["proto"]],
    [3, 16, ["sport"]],
    [3, 32, ["dport"]],
    [3, 0x3c0, []],
  ])("policy %i with fields %i: %j", (policy, fields, expected) => {
    const stack = stackWith(policy, fields);
    const plain = key(stack, packet());
    expect(Object.keys(VARIED).filter((name) => key(stack, packet(VARIED[name])) !== plain)).toEqual(
      expected,
    );
  });

  it.each<readonly [number, number, string[]]>([
    [0, 0, []],
    [2, 0, ["src", "dst"]],
    [3, 7, []],
    [3, 1 << 6, ["src"]],
    [3, 1 << 7, ["dst"]],
    [3, (1 << 8) | (1 << 10) | (1 << 11), ["proto", "sport", "dport"]],
  ])("what IPIP carries, by policy %i with fields %i: %j", (policy, fields, expected) => {
    const stack = stackWith(policy, fields);
    const around = (inner: Packet): Packet =>
      packet({ protocol: 4, sport: 0, dport: 0, inner, encapsulation: INNER_IPIP });
    const plain = key(stack, around(packet()));
    const names = Object.keys(VARIED).filter((name) => key(stack, around(packet(VARIED[name]))) !== plain);
    expect(names).toEqual(expected);
  });

  it.each<readonly [number, number, boolean, string[]]>([
    [0, 7, true, ["src", "dst", "proto", "sport", "dport"]],
    [3, 7, true, ["src", "dst", "proto"]],
    [3, 8, true, ["sport", "dport"]],
    [3, 7, false, ["dst", "proto"]],
    [3, 32, false, ["dport"]],
  ])("of IPv6, by policy %i with fields %i, having come in: %s: %j", (policy, fields, cameIn, expected) => {
    const stack = stackWith(policy, fields);
    const six = (change: Partial<Packet> = {}): string => {
      const found = packet(change);
      found.family = 6;
      found.src = onPath(change.src === undefined ? "fd00::9" : "fd00::a");
      found.dst = onPath(change.dst === undefined ? "fd09::1" : "fd09::2");
      return multipathKey6(stack, found, cameIn).join();
    };
    const plain = six();
    expect(Object.keys(VARIED).filter((name) => six(VARIED[name]) !== plain)).toEqual(expected);
  });
});
