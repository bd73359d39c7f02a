import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../../src/walk/trace.ts";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { smallWorld, switchOf } from "../../walk/small-world.ts";

/** Translation of IPv6. */

const CHAINS = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map((name) => `:${name} ACCEPT`);

function nat(...rules: readonly string[]): string {
  return ["*nat", ...CHAINS, ...rules, "COMMIT", ""].join("\n");
}

/** The reply tuple of the one connection that a host has. */
function replyAt(found: Outcome, host: string): string {
  const [entry] = found.conntrack.filter((one) => one.host === host);
  return `${entry?.reply.src} ${entry?.reply.dst}`;
}

/** What Linux 6.18 chose: namespace v6filter-a, fd00::1, sending to each of these. */
const SERVERS = ["fd00::2", "fd00::77", "2001:db8:5::9"] as const;
const WIDE = "fd00:9::5-fd00:9:0:3::2";
const TO = "fd00:a:1:2::-fd00:a:1:4:9::7";

describe("an address of a range (find_best_ips_proto)", () => {
  const hosts = (rule: string) => {
    const a = { links: { eth0: "fd00::1/64" }, routes: ["::/0 via fd00::2"], ip6tables: nat(rule) };
    return smallWorld({ a, b: { links: { eth0: "fd00::2/64 fd00::77/64" }, listen: [] } }, ["a:eth0 b:eth0"]);
  };

  it.each([
    ["fd00:9::1-fd00:9::ffff", "", ["fd00:9::560c", "fd00:9::6b67", "fd00:9::d256"]],
    [WIDE, "", ["fd00:9:0:1:560b:69ab:560b:69ab", "fd00:9:0:1:6b67:58a5:6b67:58a5", "fd00:9:0:3::d256:8ae0"]],
    [WIDE, " --persistent", ["fd00:9:0:3::d895:833b", "fd00:9:0:3::d895:833b", "fd00:9:0:3::d895:833b"]],
    ["::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", ["fd00::1", "fd00::1", "fd00::1"]],
  ])("SNAT --to-source %s%s: %s", (range, flag, chosen) => {
    const world = hosts(`-A POSTROUTING -p udp -j SNAT --to-source ${range}${flag}`);
    const found = SERVERS.map((dst) => replyAt(outcome(sessionOf(world), "a", `udp [${dst}]:5001`), "a"));
    expect(found).toEqual(SERVERS.map((dst, i) => `${dst} ${chosen[i]}`));
  });

  it.each([
    [
      "",
      ["fd00:a:1:3:5f0b:68ab:f463:63f2", "fd00:a:1:3:6267:59a5:c73e:3ec3", "fd00:a:1:3:635b:8eff:9cd5:d462"],
    ],
    [
      " --persistent",
      ["fd00:a:1:4:7:9d42:d895:8337", "fd00:a:1:4:7:9d42:d895:8337", "fd00:a:1:4:7:9d42:d895:8337"],
    ],
  ])("DNAT --to-destination%s: %s", (flag, chosen) => {
    const world = hosts(`-A OUTPUT -p udp -j DNAT --to-destination ${TO}${flag}`);
    const found = SERVERS.map((dst) => replyAt(outcome(sessionOf(world), "a", `udp [${dst}]:5005`), "a"));
    expect(found).toEqual(chosen.map((address) => `${address} fd00::1`));
  });

  it("NETMAP exchanges the network, and keeps the rest", () => {
    const world = hosts("-A POSTROUTING -p udp -j NETMAP --to fd00:77::/44");
    expect(replyAt(outcome(sessionOf(world), "a", "udp [fd00::2]:5007"), "a")).toBe("fd00::2 fd00:77::1");
  });
});

/** c, a client, behind r, which translates; s and t, servers, on the other side. */
function world(rules: readonly string[]) {
  const listen = ["tcp 80", "udp 53", "tcp 8080", "udp 8080"];
  return smallWorld(
    {
      c: { links: { eth0: "fd00:1::2/64" }, routes: ["::/0 via fd00:1::1"] },
      r: {
        links: { eth0: "fd00:1::1/64", out0: "fd00:2::1/64 fd00:2::6/128 fd00:2::7/128" },
        forward: true,
        routes: ["fd00:3::/64 via fd00:2::80"],
        ip6tables: nat(...rules),
        listen,
      },
      s: { links: { eth0: "fd00:2::80/64" }, listen },
      sw: switchOf("p0", "p1", "p2"),
      t: { links: { eth0: "fd00:2::81/64" }, listen },
    },
    ["c:eth0 r:eth0", "r:out0 sw:p0", "s:eth0 sw:p1", "t:eth0 sw:p2"],
  );
}

/** Both ends of every packet as a device saw it. */
function seen({ frames }: Outcome, host: string, direction: "in" | "out"): string[] {
  return frames
    .filter((frame) => frame.host === host && frame.device === "eth0" && frame.direction === direction)
    .flatMap(({ ip, tcp, udp, icmp }) => {
      const ports = tcp ?? udp;
      if (ports !== undefined) return `${ip.src}|${ports.sport} ${ip.dst}|${ports.dport}`;
      return icmp?.id === undefined ? [] : `${ip.src} ${ip.dst} ${icmp.id}`;
    });
}

function turned(text: string): string {
  const [a, b, ...rest] = text.split(" ");
  return [b, a, ...rest].join(" ");
}

const DNAT = [
  "",
  "-A PREROUTING -d fd00:3::1/128 -j DNAT --to-destination fd00:2::80",
  "-A PREROUTING -d fd00:3::1/128 -p tcp -j DNAT --to-destination [fd00:2::80]:8080\n-A PREROUTING -d fd00:3::1/128 -j DNAT --to-destination fd00:2::81",
  "-A PREROUTING -d fd00:3::1/128 -j DNAT --to-destination fd00:2::80-fd00:2::81",
  "-A PREROUTING -d fd00:3::1/128 -p tcp -j REDIRECT --to-ports 8080\n-A PREROUTING -d fd00:3::1/128 -j REDIRECT",
  "-A PREROUTING -d fd00:3::1/128 -j NETMAP --to fd00:2::80/128",
] as const;

const SNAT = [
  "-A POSTROUTING -o out0 -j MASQUERADE",
  "-A POSTROUTING -o out0 -j MASQUERADE --random-fully",
  "-A POSTROUTING -o out0 -p tcp -j MASQUERADE --to-ports 2000-3000\n-A POSTROUTING -o out0 -j SNAT --to-source fd00:2::7",
  "-A POSTROUTING -o out0 -j SNAT --to-source fd00:2::6-fd00:2::7",
  "-A POSTROUTING -o out0 -p udp -j SNAT --to-source [fd00:2::7]:6000-6010\n-A POSTROUTING -o out0 -j SNAT --to-source fd00:2::7",
] as const;

describe("a NAT of IPv6 and its inverse cancel", () => {
  it("the client hears the address and port it spoke to, whatever was translated between", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...DNAT),
        fc.constantFrom(...SNAT),
        fc.constantFrom("tcp", "udp", "icmp"),
        fc.integer({ min: 1, max: 65535 }),
        (dnat, snat, proto, sport) => {
          const rules = [...dnat.split("\n"), ...snat.split("\n")].filter((line) => line !== "");
          const dst = dnat === "" ? "fd00:2::80" : "fd00:3::1";
          const to = proto === "icmp" ? dst : `[${dst}]:${proto === "tcp" ? 80 : 53}`;
          const found = outcome(sessionOf(world(rules)), "c", `${proto} ${to} sport=${sport}`);
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
      { numRuns: 60 },
    );
  });
});
