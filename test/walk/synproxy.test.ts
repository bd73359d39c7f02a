import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/walk/trace.ts";
import { outcome, sessionOf } from "./asking.ts";
import { smallWorld } from "./small-world.ts";

/**
 * SYNPROXY on a router before a server, as nf_synproxy_core.c has it documented to be used: what the router's two devices show is
 * what a Linux 6.18 showed, but for the numbers, of which all here begin with 0 and the proxy's with the place of the client's
 * segment size in its table, 4.
 */
const iptables = (options: string, chain = "FORWARD") => `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -i rc -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j CT --notrack
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A ${chain} -i rc -p tcp -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY ${options}
-A ${chain} -m conntrack --ctstate INVALID -j DROP
-A OUTPUT -m conntrack --ctstate NEW
-A OUTPUT -m conntrack --ctstate ESTABLISHED
-A OUTPUT -m conntrack --ctstate INVALID
COMMIT
`;

const nft = `table ip t {
  chain early { type filter hook prerouting priority raw; policy accept;
    iifname "rc" tcp flags & (fin|syn|rst|ack) == syn notrack
  }
  chain f { type filter hook forward priority filter; policy accept;
    iifname "rc" ct state invalid,untracked synproxy mss 1460 wscale 7 sack-perm
    ct state invalid drop
  }
}
`;

function world(rules: { iptables: string } | { nft: string }) {
  return smallWorld(
    {
      c: { links: { c0: "10.1.0.2/24" }, routes: ["default via 10.1.0.1"] },
      r: {
        links: { rc: "10.1.0.1/24", rs: "10.2.0.1/24" },
        forward: true,
        sysctl: { "net.netfilter.nf_conntrack_tcp_loose": 0 },
        listen: ["tcp 22"],
        ...rules,
      },
      s: { links: { s0: "10.2.0.2/24" }, routes: ["default via 10.2.0.1"], listen: ["tcp 80"] },
    },
    ["c:c0 r:rc", "r:rs s:s0"],
  );
}

const ask = (rules: { iptables: string } | { nft: string }, text: string) =>
  outcome(sessionOf(world(rules)), "c", text);

/** What a device of the router shows: direction, flags, TTL, length. */
function shown({ frames }: Outcome, on: string): string[] {
  return frames.flatMap(({ host, device, direction, ip, tcp }) =>
    host === "r" && device === on && tcp !== undefined
      ? [`${direction} ${tcp.flags} ${ip.ttl} ${ip.len}`]
      : [],
  );
}

/** How often each rule of OUTPUT was met. */
const outputRules = ({ rules }: Outcome) =>
  [1, 2, 3].map(
    (index) =>
      rules.filter((rule) => rule.host === "r" && rule.chain === "OUTPUT" && rule.index === index).length,
  );

const PLAIN = {
  rc: ["in S 64 60", "out SA 64 44", "in A 64 40", "out A 64 40", "out PA 63 130", "in A 64 40"],
  rs: ["out S 64 44", "in SA 64 44", "out A 64 40", "in PA 64 130", "out A 63 40"],
};

describe("SYNPROXY", () => {
  it.each([
    ["iptables", { iptables: iptables("--sack-perm --wscale 7 --mss 1460") }],
    ["nftables", { nft }],
  ])("of %s answers the client, then begins with the server", (_, rules) => {
    const found = ask(rules, "tcp 10.2.0.2:80");
    expect([found.verdict.reason, found.verdict.unknown ?? []]).toEqual(["answered", []]);
    expect(shown(found, "rc")).toEqual(PLAIN.rc);
    expect(shown(found, "rs")).toEqual(PLAIN.rs);
  });

  it("begins new connections in OUTPUT, answers in it to nobody's", () => {
    expect(outputRules(ask({ iptables: iptables("--mss 1460") }, "tcp 10.2.0.2:80"))).toEqual([1, 2, 1]);
  });

  it("carries the client's options over in the time stamp", () => {
    const found = ask(
      { iptables: iptables("--sack-perm --timestamp --wscale 7 --mss 1460") },
      "tcp 10.2.0.2:80",
    );
    expect(shown(found, "rc").slice(0, 4)).toEqual([
      "in S 64 60",
      "out SA 64 60",
      "in A 64 52",
      "out A 64 52",
    ]);
    expect(shown(found, "rs").slice(0, 3)).toEqual(["out S 64 60", "in SA 64 60", "out A 64 52"]);
  });

  it("passes a server's reset on to a client that thinks itself connected", () => {
    const found = ask(
      { iptables: iptables("--sack-perm --timestamp --wscale 7 --mss 1460") },
      "tcp 10.2.0.2:81",
    );
    expect(shown(found, "rc")).toEqual(["in S 64 60", "out SA 64 60", "in A 64 52", "out RA 63 40"]);
    expect(shown(found, "rs")).toEqual(["out S 64 60", "in RA 64 40"]);
    expect(outputRules(found)).toEqual([1, 0, 1]);
  });

  it("stands before a server of its own host as well", () => {
    const found = ask(
      { iptables: iptables("--sack-perm --wscale 7 --mss 1460", "INPUT") },
      "tcp 10.1.0.1:22",
    );
    expect([found.verdict.reason, found.server?.host]).toEqual(["answered", "r"]);
    expect(shown(found, "rc")).toEqual([
      ...["in S 64 60", "out SA 64 44", "in A 64 40", "out A 64 40", "out PA 64 130", "in A 64 40"],
    ]);
  });

  it("drops a segment that answers none of its own", () => {
    const found = ask({ iptables: iptables("--mss 1460") }, "tcp 10.2.0.2:80 flags=A");
    expect([found.verdict.disposition, found.verdict.reason]).toEqual(["DROPPED", "bad-syn-cookie"]);
  });

  it("tells a client that it let in when its server's neighbour does not answer", () => {
    const { client, frames } = ask({ iptables: iptables("--sack-perm --mss 1460") }, "tcp 10.2.0.9:80");
    expect(client).toMatchObject({ result: "connected", icmp: { type: 3, code: 1, from: "10.1.0.1" } });
    expect(
      frames.filter(({ host, device, ip }) => host === "r" && device === "rs" && ip.proto === 6),
    ).toEqual([]);
  });
});
