import { describe, expect, it } from "vitest";
import { sessionOf, verdict } from "./asking.ts";
import { smallWorld } from "./small-world.ts";

/**
 * A cable in the middle takes 1300 bytes. The frames and what the client is told are the kernel's (Linux 6.18, by the lab);
 * that a packet too long was lost without a word is said of them.
 */
function path(iptables?: string, sender?: string) {
  const listen = ["udp 53"];
  return smallWorld(
    {
      a: {
        links: { eth0: "10.1.0.2/24" },
        routes: ["default via 10.1.0.1"],
        listen,
        ...(sender === undefined ? {} : { iptables: sender }),
      },
      r: {
        links: { e0: "10.1.0.1/24", e1: { addresses: "10.2.0.1/24", mtu: 1300 } },
        routes: ["10.3.0.0/24 via 10.2.0.2"],
        forward: true,
        ...(iptables === undefined ? {} : { iptables }),
      },
      s: {
        links: { e0: { addresses: "10.2.0.2/24", mtu: 1300 }, e1: "10.3.0.1/24" },
        routes: ["10.1.0.0/24 via 10.2.0.1"],
        forward: true,
      },
      b: { links: { eth0: "10.3.0.2/24" }, routes: ["default via 10.3.0.1"], listen },
    },
    ["a:eth0 r:e0", "r:e1 s:e0", "s:e1 b:eth0"],
  );
}

const filter = (rule: string): string =>
  `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n${rule}\nCOMMIT\n`;
const MUTE = filter("-A OUTPUT -p icmp -j DROP");
const DEAF = filter("-A INPUT -p icmp -j DROP");

describe("a packet too long for the way", () => {
  it.each<readonly [string, ReturnType<typeof path>, string, string]>([
    ["the sender is told", path(), "udp 10.3.0.2:53 size=1400 df", "TOO_BIG too-big"],
    ["the router is mute", path(MUTE), "udp 10.3.0.2:53 size=1400 df", "TOO_BIG mtu-black-hole"],
    ["the sender is deaf", path(undefined, DEAF), "udp 10.3.0.2:53 size=1400 df", "TOO_BIG mtu-black-hole"],
    ["it may be cut", path(MUTE), "udp 10.3.0.2:53 size=1400", "DELIVERED answered"],
    ["it fits", path(MUTE), "udp 10.3.0.2:53 size=1200 df", "DELIVERED answered"],
  ])("%s", (_, world, asked, expected) => {
    expect(verdict(sessionOf(world), "a", asked)).toBe(expected);
  });
});
