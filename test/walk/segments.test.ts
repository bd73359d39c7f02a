import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/walk/trace.ts";
import { outcome, sessionOf, verdict } from "./asking.ts";
import { smallWorld } from "./small-world.ts";

/**
 * A client says more than a segment holds, over a router whose far cable takes 1400 bytes. What the client's device shows was
 * recorded of Linux 6.18 on such a path of veths, where a packet socket sees whole what a card would cut.
 */
function path(iptables?: string, clients?: string) {
  return smallWorld(
    {
      c: {
        links: { eth0: "10.1.0.2/24" },
        routes: ["default via 10.1.0.1"],
        ...(clients === undefined ? {} : { iptables: clients }),
      },
      r: {
        links: { e0: "10.1.0.1/24", e1: { addresses: "10.2.0.1/24", mtu: 1400 } },
        forward: true,
        ...(iptables === undefined ? {} : { iptables }),
      },
      s: { links: { eth0: "10.2.0.2/24" }, routes: ["default via 10.2.0.1"], listen: ["tcp 80"] },
    },
    ["c:eth0 r:e0", "r:e1 s:eth0"],
  );
}

const MUTE = `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p icmp -j DROP\nCOMMIT\n`;
const CLAMPS = `*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n`;
const SEES = (mss: number) =>
  `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcpmss --mss ${mss}\nCOMMIT\n`;

/** The client's data and what came of it: `4052 A P`, an error's type and code and MTU. */
function shown({ frames }: Outcome): string[] {
  return frames.flatMap(({ host, device, direction, ip, tcp, icmp }) => {
    if (host !== "c" || device !== "eth0") return [];
    if (icmp !== undefined) return [`icmp ${icmp.type}/${icmp.code} mtu ${icmp.mtu}, ${ip.len}`];
    // The server's line is this model's own.
    return direction === "out" && ip.len > 60 ? [`${tcp?.flags} ${ip.len}`] : [];
  });
}

describe("more than a segment holds", () => {
  it("goes whole into what a card would cut, and once more when an error has told the way's MTU", () => {
    const told = outcome(sessionOf(path()), "c", "tcp 10.2.0.2:80 size=4000");
    expect(told.verdict.reason).toBe("answered");
    expect(shown(told)).toEqual(["PA 4052", "icmp 3/4 mtu 1400, 576", "PA 4052"]);
  });

  it("arrives at once where the router clamps what a SYN asks for", () => {
    const clamped = outcome(sessionOf(path(CLAMPS, SEES(1360))), "c", "tcp 10.2.0.2:80 size=4000");
    expect(clamped.verdict.reason).toBe("answered");
    expect(shown(clamped)).toEqual(["PA 4052"]);
    expect(clamped.rules.filter(({ host }) => host === "c")).toHaveLength(1);
    const plain = outcome(sessionOf(path(undefined, SEES(1460))), "c", "tcp 10.2.0.2:80");
    expect(plain.rules.filter(({ host }) => host === "c")).toHaveLength(1);
  });

  it("is lost in a black hole, which is named, where the router neither clamps nor tells", () => {
    expect(verdict(sessionOf(path(MUTE)), "c", "tcp 10.2.0.2:80 size=4000")).toBe("TOO_BIG mtu-black-hole");
    expect(verdict(sessionOf(path(MUTE)), "c", "tcp 10.2.0.2:80 size=1000")).toBe("DELIVERED answered");
    expect(verdict(sessionOf(path(MUTE)), "c", "tcp 10.2.0.2:80")).toBe("DELIVERED answered");
    expect(verdict(sessionOf(path(MUTE + CLAMPS)), "c", "tcp 10.2.0.2:80 size=4000")).toBe(
      "DELIVERED answered",
    );
  });

  it("no more than half a congestion window of ten segments goes at once", () => {
    const much = outcome(sessionOf(path(CLAMPS)), "c", "tcp 10.2.0.2:80 size=30000");
    expect(much.verdict.reason).toBe("answered");
    const sizes = shown(much).map((text) => Number(text.split(" ")[1]) - 52);
    expect(sizes.slice(0, 2)).toEqual([5 * 1348, 5 * 1348]);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(30_000);
  });

  it("asks for the segments its route names, and sets out with its hop limit", () => {
    const asked = (route: string) => {
      const net = smallWorld(
        {
          c: { links: { eth0: "10.1.0.2/24" }, routes: [`default via 10.1.0.1 ${route}`] },
          r: { links: { e0: "10.1.0.1/24 10.9.0.1/32" }, iptables: SEES(1000), listen: ["tcp 80"] },
        },
        ["c:eth0 r:e0"],
      );
      const { rules, frames } = outcome(sessionOf(net), "c", "tcp 10.9.0.1:80");
      return [rules.length, frames[0]?.ip.ttl];
    };
    expect(asked("")).toEqual([0, 64]);
    expect(asked("advmss 1000 hoplimit 9")).toEqual([1, 9]);
  });
});
