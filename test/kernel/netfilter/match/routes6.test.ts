import { describe, expect, it } from "vitest";
import { outcome, sessionOf } from "../../../walk/asking.ts";
import { linkLocalOf, macOf, smallWorld } from "../../../walk/small-world.ts";

/**
 * rpfilter and addrtype of IPv6 beside Linux 6.18 (namespaces v6filter-a, -b and -c): a sends to b, and which of b's rules in
 * raw's PREROUTING counted the packet.
 */

const RULES = [
  ...["", " --loose", " --accept-local", " --loose --accept-local", " --invert"].map(
    (options) => `-m rpfilter${options}`,
  ),
  ...[
    "--src-type LOCAL",
    "--src-type UNICAST",
    "--src-type UNREACHABLE",
    "--src-type ANYCAST",
    "--src-type MULTICAST",
    "--src-type UNSPEC",
    "! --src-type LOCAL",
    "--src-type LOCAL,UNREACHABLE",
    "--src-type LOCAL --limit-iface-in",
    "--src-type UNREACHABLE --limit-iface-in",
    "--dst-type LOCAL",
    "--dst-type LOCAL --limit-iface-in",
    "--dst-type UNICAST",
    "--dst-type MULTICAST",
  ].map((options) => `-m addrtype ${options}`),
];

const WORLD = smallWorld(
  {
    a: { links: { e0: "fd00::1/64" } },
    b: {
      links: { e0: "fd00::2/64", e1: "fd00:1::2/64" },
      routes: [
        "fd00:5::/64 via fd00:1::3",
        "fd00:6::/64 dev e0",
        "fd00:6::/64 dev e1 metric 1",
        "unreachable fd00:7::/64",
        "blackhole fd00:8::/64",
      ],
      sysctl: { "net.ipv6.conf.all.forwarding": 0 },
      ip6tables: [
        "*raw",
        ":PREROUTING ACCEPT",
        ":OUTPUT ACCEPT",
        ...RULES.map((rule) => `-A PREROUTING -p udp ${rule}`),
        "COMMIT",
        "",
      ].join("\n"),
      listen: [],
    },
    c: { links: { e1: "fd00:1::3/64" } },
  },
  ["a:e0 b:e0", "b:e1 c:e1"],
);

const LINK_LOCAL_A = linkLocalOf(macOf(1, 2));
const LINK_LOCAL_B0 = linkLocalOf(macOf(2, 2));
const LINK_LOCAL_B1 = linkLocalOf(macOf(2, 3));

/** One digit a rule: did it match? */
function counted(src: string, dst: string): string {
  const found = outcome(sessionOf(WORLD), "a", `udp [${dst}]:9999 src=${src} sport=4000 raw dev=e0`);
  const visit = found.hooks.find(
    ({ host, hook, before }) => host === "b" && hook === "PREROUTING" && before.udp !== undefined,
  );
  const hit = new Set((visit?.steps ?? []).filter(({ kind }) => kind === "rule").map(({ index }) => index));
  return RULES.map((_, i) => (hit.has(i + 1) ? "1" : "0")).join("");
}

describe("rpfilter and addrtype of IPv6", () => {
  it.each([
    ["fd00::1", "fd00::2", "1111001000010001110"],
    ["fd00:5::9", "fd00::2", "0101101000010011110"],
    ["fd00:6::9", "fd00::2", "1111001000010001110"],
    ["fd00:7::9", "fd00::2", "0000101100011011110"],
    ["fd00:8::9", "fd00::2", "0000101100011011110"],
    ["2001:db8::1", "fd00::2", "0000101100011011110"],
    ["fd00::2", "fd00::2", "0011111000001101110"],
    ["fd00:1::2", "fd00::2", "0011111000001011110"],
    ["fd00:1::3", "fd00::2", "0101101000010011110"],
    [LINK_LOCAL_A, LINK_LOCAL_B0, "1111001000010001110"],
    [LINK_LOCAL_B0, LINK_LOCAL_B0, "0011111000001101110"],
    [LINK_LOCAL_B1, LINK_LOCAL_B0, "1111011000001001110"],
    ["fd00::1", "ff02::1", "1111001000010000001"],
  ])("%s to %s: %s", (src, dst, hits) => {
    expect(counted(src, dst)).toBe(hits);
  });
});
