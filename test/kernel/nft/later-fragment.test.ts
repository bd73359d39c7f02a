import { expect, it } from "vitest";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

/**
 * What rules read of a fragment that has no transport header, before defragmentation. Seen in two namespaces on Linux 6.18, by
 * counters of such rules when a datagram of 3000 bytes came in: its two later fragments met those that are expected here, and no others.
 */

function met(family: 4 | 6, later: string, rules: readonly string[]): string[] {
  const nft = `table inet t { chain c { type filter hook prerouting priority -500; policy accept;
${rules.map((rule) => `${later} ${rule} counter`).join("\n")}
} }`;
  const world = smallWorld(
    {
      a: { links: { eth0: "10.9.0.1/24 fd00::1/64" } },
      b: { links: { eth0: "10.9.0.2/24 fd00::2/64" }, nft, listen: ["udp 7777"] },
    },
    ["a:eth0 b:eth0"],
  );
  const to = family === 4 ? "10.9.0.2:7777" : "[fd00::2]:7777";
  const { rules: hit } = outcome(sessionOf(world), "a", `udp ${to} size=3000`);
  const order = rules.filter((_, i) => hit.some(({ host, index }) => host === "b" && index === i + 1));
  expect(hit.filter(({ host }) => host === "b")).toHaveLength(2 * order.length);
  return order;
}

it("of IPv4's the payload, where a load does not ask", () => {
  const read = ["udp dport != 1", "th dport != 1", "@th,4,4 < 16", "@th,8,8 < 256", "@th,32,32 >= 0"];
  expect(met(4, "ip frag-off & 0x1fff != 0", [...read, "@th,0,24 >= 0", "tcp dport != 1"])).toEqual(read);
});

it("of IPv6's the IP header", () => {
  const read = ["@th,0,8 0x60", "@th,48,8 44", "@th,64,32 0xfd000000", "udp dport != 1"];
  const others = ["@th,0,8 0x61", "@th,0,24 >= 0", "tcp dport != 1"];
  expect(met(6, "frag frag-off != 0", [...read, ...others])).toEqual(read);
});
