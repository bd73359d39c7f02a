import { describe, expect, it } from "vitest";
import { outcome, sessionOf, trace } from "../../walk/asking.ts";
import { type HostSpec, smallWorld } from "../../walk/small-world.ts";

/** As `walk.test.ts`, in IPv6: client — node — server. */

function session(nft: string, more: HostSpec = {}) {
  const world = smallWorld(
    {
      client: { links: { eth0: "fd01::2/64" }, routes: ["::/0 via fd01::1"], listen: [] },
      node: {
        links: { eth0: "fd01::1/64", eth1: "fd02::1/64" },
        forward: true,
        listen: ["tcp 22"],
        nft,
        ...more,
      },
      server: {
        links: { eth0: "fd02::2/64 fd02::3/128" },
        routes: ["::/0 via fd02::1"],
        listen: ["tcp 80", "udp 53"],
      },
    },
    ["client:eth0 node:eth0", "node:eth1 server:eth0"],
  );
  return sessionOf(world);
}

const forward = (rules: string, policy = "accept"): string =>
  `table inet t {\nchain f {\ntype filter hook forward priority 0; policy ${policy};\n${rules}\n}\n}\n`;

function result(nft: string, asked = "tcp [fd02::2]:80"): string {
  const { icmp, reset, result: came } = outcome(session(nft), "client", asked).client;
  const words: string[] = [came];
  if (icmp !== undefined) words.push(`icmp ${icmp.type}/${icmp.code}`);
  if (reset !== undefined) words.push(`reset from ${reset.from}`);
  return words.join(" ");
}

describe("verdicts, at FORWARD", () => {
  it.each([
    ["tcp dport 80 drop", "timeout"],
    ["tcp dport 80 reject", "refused icmp 1/4"],
    ["reject with icmpv6 no-route", "unreachable icmp 1/0"],
    ["reject with icmpv6 policy-fail", "unreachable icmp 1/5"],
    ["reject with icmpx admin-prohibited", "unreachable icmp 1/1"],
    ["reject with icmpx host-unreachable", "unreachable icmp 1/3"],
    ["tcp dport 80 reject with tcp reset", "refused reset from fd02::2"],
    ["reject with icmp host-prohibited", "connected"],
    ["ip saddr 0.0.0.0/0 drop\nmeta protocol ip drop\nmeta nfproto ipv4 drop", "connected"],
    ["ip6 saddr fd01::/64 drop", "timeout"],
    ["ip6 saddr & ffff:: == fd01:: drop", "timeout"],
    ["ip6 saddr != { fd01::2, fd02::/16 } drop", "connected"],
    ["ip6 saddr . tcp dport { fd01::/64 . 79-81 } drop", "timeout"],
    ["ct original ip6 daddr fd02::2 ct l3proto ipv6 drop", "timeout"],
    ["ct original ip daddr 10.2.0.2 drop", "connected"],
    ["ip6 hoplimit 63 ip6 nexthdr tcp drop", "timeout"],
    ["@nh,64,16 0xfd01 drop", "timeout"],
    ["exthdr frag exists drop", "connected"],
    ["exthdr frag missing drop", "timeout"],
    ["frag more-fragments 1 drop\nhbh nexthdr tcp drop", "connected"],
    ["fib saddr . iif oif missing drop", "connected"],
    ["fib daddr type unicast drop", "timeout"],
    ["rt ip6 nexthop fd02::2 drop", "timeout"],
    ["ip6 saddr fd01::/64 rt nexthop != fd02::3 drop", "timeout"],
    ["ip6 saddr { fd01::/64, fd01::2 } drop", "timeout"],
    ["rt ip6 nexthop fd02::1 drop\nrt ip nexthop 10.0.0.1 drop", "connected"],
  ])("%j: %s", (rules, expected) => {
    expect(result(forward(rules))).toBe(expected);
  });

  it("one table of inet serves both families", () => {
    const nft = forward("icmpv6 type echo-request drop\nicmp type echo-request accept");
    expect(result(nft, "icmp fd02::2")).toBe("timeout");
    expect(result(nft)).toBe("connected");
  });

  it("neighbour discovery meets the rules too: a policy of drop cuts the node off, from the client and from the server", () => {
    const input = (rules: string): string =>
      `table inet t {\nchain i {\ntype filter hook input priority 0; policy drop;\nct state established,related accept\n${rules}\n}\n}\n`;
    expect(result(input(""))).toBe("unreachable icmp 1/3");
    const discovery = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept";
    expect(result(input(discovery))).toBe("connected");
    expect(result(input("ct state untracked accept"))).toBe("connected");
  });
});

it("a packet of its own has its protocol before OUTPUT sees it", () => {
  const nft = (asked: string): string =>
    `table ip6 t {\nchain o {\ntype filter hook output priority 0;\n${asked} icmpv6 type echo-reply drop\n}\n}\n`;
  expect(result(nft("meta protocol ip6"), "icmp fd01::1")).toBe("timeout");
  expect(result(nft("meta protocol ip"), "icmp fd01::1")).toBe("answered");
});

it("a flow label that a rule gives is known to others", () => {
  const nft = "ip6 flowlabel set 0x5\nip6 flowlabel 0x5 drop";
  expect(result(forward(nft))).toBe("timeout");
  expect(result(forward("ip6 flowlabel set 0x5\n@nh,24,8 0x5 drop"))).toBe("timeout");
  expect(result(forward("ip6 flowlabel set 0x5\n@nh,24,8 != 0x5 drop"))).toBe("connected");
});

describe("translation", () => {
  const nat = (table: string, prerouting: string, postrouting: string): string =>
    `table ${table} n {
chain pre { type nat hook prerouting priority -100;
${prerouting}
}
chain post { type nat hook postrouting priority 100;
${postrouting}
}
}
`;
  const seen = (nft: string, asked = "tcp [fd02::9]:8080"): string[] => {
    const { servers, client } = outcome(session(nft), "client", asked);
    return [client.result, ...servers.map((to) => `${to.address} ${to.port} from ${to.peer.address}`)];
  };

  it.each([
    ["ip6", "tcp dport 8080 dnat to [fd02::2]:80", "", ["connected", "fd02::2 80 from fd01::2"]],
    [
      "ip6",
      "ip6 daddr fd02::9 tcp dport 8080 dnat to [fd02::2]:80",
      "masquerade",
      ["connected", "fd02::2 80 from fd02::1"],
    ],
    [
      "inet",
      "tcp dport 8080 dnat ip to 10.0.0.1:80\ntcp dport 8080 dnat ip6 to [fd02::2]:80",
      "snat ip6 to fd02::1",
      ["connected", "fd02::2 80 from fd02::1"],
    ],
    [
      "ip6",
      "dnat to ip6 daddr . tcp dport map { fd02::9 . 8080 : fd02::3 . 80 }",
      "",
      ["connected", "fd02::3 80 from fd01::2"],
    ],
    ["ip6", "tcp dport 8080 redirect to :22", "", ["connected", "fd01::1 22 from fd01::2"]],
    [
      "ip6",
      "tcp dport 8080 dnat to [fd02::2]:80",
      "snat prefix to ip6 saddr map { fd01::/64 : fd05::/64 }",
      ["connected", "fd02::2 80 from fd05::2"],
    ],
  ])("%s: %j, %j", (table, pre, post, expected) => {
    expect(seen(nat(table, pre, post))).toEqual(expected);
  });

  it("an address written over is the packet's alone: no connection knows of it", () => {
    const nft = (type: string): string =>
      `table ip6 t {\nchain p {\ntype ${type} hook prerouting priority -310;\nip6 daddr fd02::9 ip6 daddr set fd02::3\n}\n}\n`;
    expect(seen(nft("filter"), "udp [fd02::9]:53")).toEqual(["timeout", "fd02::3 53 from fd01::2"]);
  });

  it("numgen random over addresses lists every outcome with its odds", () => {
    const nft = nat(
      "ip6",
      "tcp dport 8080 dnat to numgen random mod 3 map { 0 : fd02::2, 1-2 : fd02::3 } : 80",
      "",
    );
    const { outcomes } = trace(session(nft), "client", "tcp [fd02::9]:8080");
    const odds = new Map<string, number>();
    for (const { servers, probability } of outcomes) {
      const to = servers[0]?.address ?? "";
      odds.set(to, (odds.get(to) ?? 0) + Number(probability?.num) / Number(probability?.den));
    }
    expect(odds.get("fd02::2")).toBeCloseTo(1 / 3);
    expect(odds.get("fd02::3")).toBeCloseTo(2 / 3);
  });
});

it("what packets add to a set is remembered, by address and port", () => {
  const nft = `table ip6 t {
set seen { type ipv6_addr . inet_service; flags dynamic,timeout; timeout 30s; }
chain f { type filter hook forward priority 0;
tcp dport 80 ip6 saddr . tcp sport @seen drop
udp dport 53 update @seen { ip6 saddr . udp sport }
}
}
`;
  const shared = session(nft);
  const ask = (asked: string): string => outcome(shared, "client", asked).client.result;
  expect(ask("udp [fd02::2]:53 sport=40002")).toBe("answered");
  expect(ask("tcp [fd02::2]:80 sport=40001")).toBe("connected");
  expect(ask("tcp [fd02::2]:80 sport=40002")).toBe("timeout");
  shared.clock.now += 40_000;
  expect(ask("tcp [fd02::2]:80 sport=40002")).toBe("connected");
});

describe("ct count, as Linux 6.18 does", () => {
  const ask = (rule: string): string[] => {
    const nft = `table ip6 t {\nset s { type ipv6_addr; flags dynamic; }\nchain f { type filter hook forward priority 0;\n${rule} reject\n}\n}\n`;
    const shared = session(nft);
    return [40001, 40002, 40003, 40002].map(
      (port) => outcome(shared, "client", `udp [fd02::2]:53 sport=${port}`).client.result,
    );
  };

  it.each([
    "udp dport 53 ct count over 2",
    "udp dport 53 ct state new ct count over 2",
    "udp dport 53 ct state new add @s { ip6 saddr ct count over 2 }",
    "udp dport 53 ct state new add @s { ip6 saddr ct count over 2 } ip6 saddr @s",
  ])("%s", (rule) => {
    // The last is a connection that is counted already.
    expect(ask(rule)).toEqual(["answered", "answered", "refused", "answered"]);
  });

  it("a connection that is over is not counted", () => {
    const nft =
      "table ip6 t {\nchain f { type filter hook forward priority 0;\ntcp dport 80 ct count over 1 reject with tcp reset\n}\n}\n";
    const shared = session(nft);
    // Each is reset by its client before the next begins.
    const results = [1, 2, 3].map((n) => outcome(shared, "client", `tcp [fd02::2]:80 sport=${40000 + n}`));
    expect(results.map(({ client }) => client.result)).toEqual(["connected", "connected", "connected"]);
  });
});
