import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../../src/walk/trace.ts";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { smallWorld, switchOf } from "../../walk/small-world.ts";

/** c and d, clients, behind r, which translates; s and t, servers, on the other side. */
function world(nat: readonly string[]) {
  const chains = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map((name) => `:${name} ACCEPT`);
  return smallWorld(
    {
      c: { links: { eth0: "10.0.0.2/24" }, routes: ["default via 10.0.0.1"] },
      d: { links: { eth0: "10.0.1.2/24" }, routes: ["default via 10.0.1.1"] },
      e: { links: { eth0: "10.0.2.2/24" }, routes: ["default via 10.0.2.1"] },
      r: {
        links: {
          eth0: "10.0.0.1/24",
          eth1: "10.0.1.1/24",
          eth2: "10.0.2.1/24",
          out0: "198.51.100.1/24 198.51.100.6/32 198.51.100.7/32",
        },
        forward: true,
        routes: ["203.0.113.0/24 via 198.51.100.80"],
        iptables: ["*nat", ...chains, ...nat, "COMMIT", ""].join("\n"),
        listen: ["tcp 80", "udp 53", "tcp 8080", "udp 8080"],
      },
      // They know no way back but to the router's own network.
      s: { links: { eth0: "198.51.100.80/24" }, listen: ["tcp 80", "udp 53", "tcp 8080", "udp 8080"] },
      sw: switchOf("p0", "p1", "p2"),
      t: { links: { eth0: "198.51.100.81/24" }, listen: ["tcp 80", "udp 53", "tcp 8080", "udp 8080"] },
    },
    ["c:eth0 r:eth0", "d:eth0 r:eth1", "e:eth0 r:eth2", "r:out0 sw:p0", "s:eth0 sw:p1", "t:eth0 sw:p2"],
  );
}

/** Both ends of every packet of a phase as a device saw it. */
function seen({ frames }: Outcome, host: string, direction: "in" | "out"): string[] {
  return frames
    .filter((frame) => frame.host === host && frame.device === "eth0" && frame.direction === direction)
    .map(({ ip, tcp, udp, icmp }) => {
      const ports = tcp ?? udp;
      if (ports === undefined) return `${ip.src} ${ip.dst} ${icmp?.id ?? "error"}`;
      return `${ip.src}:${ports.sport} ${ip.dst}:${ports.dport}`;
    });
}

function turned(text: string): string {
  const [a, b, ...rest] = text.split(" ");
  return [b, a, ...rest].join(" ");
}

const DNAT = [
  "",
  "-A PREROUTING -d 203.0.113.1/32 -j DNAT --to-destination 198.51.100.80",
  "-A PREROUTING -d 203.0.113.1/32 -p tcp -j DNAT --to-destination 198.51.100.80:8080\n-A PREROUTING -d 203.0.113.1/32 -j DNAT --to-destination 198.51.100.81",
  "-A PREROUTING -d 203.0.113.1/32 -j DNAT --to-destination 198.51.100.80-198.51.100.81",
  "-A PREROUTING -d 203.0.113.1/32 -p tcp -j REDIRECT --to-ports 8080\n-A PREROUTING -d 203.0.113.1/32 -j REDIRECT",
  "-A PREROUTING -d 203.0.113.1/32 -j NETMAP --to 198.51.100.80/32",
] as const;

const SNAT = [
  "-A POSTROUTING -o out0 -j MASQUERADE",
  "-A POSTROUTING -o out0 -j MASQUERADE --random-fully",
  "-A POSTROUTING -o out0 -p tcp -j MASQUERADE --to-ports 2000-3000\n-A POSTROUTING -o out0 -j SNAT --to-source 198.51.100.7",
  "-A POSTROUTING -o out0 -j SNAT --to-source 198.51.100.6-198.51.100.7",
  "-A POSTROUTING -o out0 -p udp -j SNAT --to-source 198.51.100.7:6000-6010\n-A POSTROUTING -o out0 -j SNAT --to-source 198.51.100.7",
  "-A POSTROUTING -s 10.0.0.0/24 -o out0 -j NETMAP --to 198.51.100.0/24",
] as const;

describe("a NAT and its inverse cancel", () => {
  it("the client hears the address and port it spoke to, whatever was translated between", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...DNAT),
        fc.constantFrom(...SNAT),
        fc.constantFrom("tcp", "udp", "icmp"),
        fc.integer({ min: 1, max: 65535 }),
        (dnat, snat, proto, sport) => {
          // NETMAP gives 198.51.100.2, which is nobody's: the answer would not find back.
          fc.pre(!snat.includes("NETMAP"));
          const session = sessionOf(
            world([...dnat.split("\n"), ...snat.split("\n")].filter((line) => line !== "")),
          );
          const dst = dnat === "" ? "198.51.100.80" : "203.0.113.1";
          const port = proto === "icmp" ? "" : proto === "tcp" ? ":80" : ":53";
          const found = outcome(session, "c", `${proto} ${dst}${port} sport=${sport}`);
          expect(found.verdict.reason).toBe("answered");
          const sent = new Set(seen(found, "c", "out"));
          const heard = new Set(seen(found, "c", "in"));
          expect(sent.size).toBe(1);
          expect([...heard]).toEqual([...sent].map(turned));
          for (const server of ["s", "t"]) {
            expect(new Set(seen(found, server, "out"))).toEqual(
              new Set(seen(found, server, "in").map(turned)),
            );
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("an error about a translated packet quotes the packet its sender sent", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...DNAT),
        fc.constantFrom(...SNAT.slice(0, 5)),
        fc.integer({ min: 1, max: 65535 }),
        (dnat, snat, sport) => {
          const session = sessionOf(
            world([...dnat.split("\n"), ...snat.split("\n")].filter((line) => line !== "")),
          );
          const dst = dnat === "" ? "198.51.100.80" : "203.0.113.1";
          const found = outcome(session, "c", `udp ${dst}:9999 sport=${sport}`);
          expect([found.client.result, found.client.icmp?.from]).toEqual(["refused", dst]);
          const error = found.frames.findLast((frame) => frame.host === "c" && frame.direction === "in");
          const quoted = error?.icmp?.orig;
          expect([quoted?.ip.src, quoted?.ip.dst, quoted?.udp]).toEqual([
            "10.0.0.2",
            dst,
            { sport, dport: 9999 },
          ]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("a second connection of the same ends is translated the same", () => {
    const session = sessionOf(world(["-A POSTROUTING -o out0 -j MASQUERADE"]));
    const once = outcome(session, "c", "tcp 198.51.100.80:80 sport=5000");
    const again = outcome(session, "c", "tcp 198.51.100.80:80 sport=5001");
    expect([seen(once, "s", "in")[0], seen(again, "s", "in")[0]]).toEqual([
      "198.51.100.1:5000 198.51.100.80:80",
      "198.51.100.1:5001 198.51.100.80:80",
    ]);
  });
});

describe("a source port is kept while it is free, and unique always", () => {
  const MASQUERADE = "-A POSTROUTING -o out0 -j MASQUERADE";

  it("of two clients with one port the second gets another, free to choose", () => {
    const session = sessionOf(world([MASQUERADE]));
    const first = outcome(session, "c", "tcp 198.51.100.80:80 sport=5000", { close: "open" });
    const second = outcome(session, "d", "tcp 198.51.100.80:80 sport=5000", { close: "open" });
    expect(first.rewrites.some(({ free }) => free === true)).toBe(false);
    const [rewrite] = second.rewrites;
    expect([rewrite?.field, rewrite?.from, rewrite?.free]).toEqual(["src", "10.0.1.2:5000", true]);
    expect(rewrite?.to).not.toBe("198.51.100.1:5000");
    expect([first.client.result, second.client.result]).toEqual(["connected", "connected"]);
  });

  it("to another server the port is free again", () => {
    const session = sessionOf(world([MASQUERADE]));
    outcome(session, "c", "tcp 198.51.100.80:80 sport=5000", { close: "open" });
    const second = outcome(session, "d", "tcp 198.51.100.81:80 sport=5000", { close: "open" });
    expect(second.rewrites[0]?.to).toBe("198.51.100.1:5000");
  });

  it.each(["tcp", "udp", "icmp"])("no two of many %s connections look alike outside", (proto) => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("c", "d", "e"), fc.integer({ min: 600, max: 606 })), {
          minLength: 2,
          maxLength: 15,
        }),
        fc.constantFrom(
          MASQUERADE,
          `${MASQUERADE} --random`,
          "-A POSTROUTING -o out0 -j SNAT --to-source 198.51.100.7",
        ),
        (flows, rule) => {
          const session = sessionOf(world([rule]));
          const outside = new Map<string, string>();
          for (const [client, sport] of flows) {
            const port = proto === "icmp" ? "" : proto === "tcp" ? ":80" : ":53";
            const found = outcome(session, client, `${proto} 198.51.100.80${port} sport=${sport}`, {
              close: "open",
            });
            const [tuple] = seen(found, "s", "in");
            const own = `${client} ${sport}`;
            expect(tuple).toBeDefined();
            // One connection asked again keeps its tuple; two never share one.
            expect(outside.get(tuple as string) ?? own).toBe(own);
            outside.set(tuple as string, own);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each([
    [100, 1, 511],
    [511, 1, 511],
    [512, 600, 1023],
    [1023, 600, 1023],
    [1024, 1024, 65535],
    [40000, 1024, 65535],
  ])("port %d is exchanged for one of %d to %d", (sport, low, high) => {
    const session = sessionOf(world([MASQUERADE]));
    outcome(session, "c", `udp 198.51.100.80:53 sport=${sport}`);
    const { rewrites } = outcome(session, "d", `udp 198.51.100.80:53 sport=${sport}`);
    const port = Number(rewrites[0]?.to.split(":")[1]);
    expect(port).toBeGreaterThanOrEqual(low);
    expect(port).toBeLessThanOrEqual(high);
    expect(port).not.toBe(sport);
  });

  it("a range of two serves two, and the third goes nowhere", () => {
    const session = sessionOf(world(["-A POSTROUTING -p udp -o out0 -j MASQUERADE --to-ports 2000-2001"]));
    const results = ["c", "d", "e"].map((client) => {
      const { client: seenBy, verdict } = outcome(session, client, "udp 198.51.100.80:53 sport=7000");
      return seenBy.result === "answered" ? "answered" : verdict.disposition;
    });
    expect(results).toEqual(["answered", "answered", "DROPPED"]);
  });

  it("an untranslated connection keeps others off its tuple", () => {
    // The router's own connection uses port 5000; a client's masquerade must not.
    const session = sessionOf(world([MASQUERADE]));
    outcome(session, "r", "udp 198.51.100.80:53 sport=5000");
    const { rewrites, client } = outcome(session, "c", "udp 198.51.100.80:53 sport=5000");
    expect(client.result).toBe("answered");
    expect(rewrites[0]?.to).not.toBe("198.51.100.1:5000");
  });
});

describe("where a translation leads", () => {
  it.each([
    [
      "DNAT in OUTPUT",
      "-A OUTPUT -d 203.0.113.1/32 -j DNAT --to-destination 198.51.100.80",
      "r",
      "203.0.113.1",
      "s",
    ],
    ["REDIRECT in OUTPUT", "-A OUTPUT -d 203.0.113.1/32 -j REDIRECT", "r", "203.0.113.1", "r"],
    [
      "DNAT to the router itself",
      "-A PREROUTING -d 203.0.113.1/32 -j DNAT --to-destination 10.0.0.1",
      "c",
      "203.0.113.1",
      "r",
    ],
    [
      "DNAT back to where it came from",
      "-A PREROUTING -d 203.0.113.1/32 -j DNAT --to-destination 10.0.1.2",
      "c",
      "203.0.113.1",
      "d",
    ],
  ] as const)("%s", (_name, rule, from, dst, server) => {
    const found = outcome(sessionOf(world([rule])), from, `tcp ${dst}:80`);
    expect([found.client.result, found.client.answeredBy]).toEqual(["connected", server]);
  });

  it("only the first packet of a connection meets the nat table", () => {
    const { rules } = outcome(
      sessionOf(world(["-A POSTROUTING -o out0 -j MASQUERADE"])),
      "c",
      "tcp 198.51.100.80:80",
    );
    expect(rules.map(({ packet, chain }) => `${packet} ${chain}`)).toEqual(["1 POSTROUTING"]);
  });
});
