import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseNftRuleset } from "../../../src/kernel/nft/text/parse.ts";
import { Network } from "../../../src/walk/network.ts";
import { Session } from "../../../src/walk/session.ts";
import type { World } from "../../../src/world/world.ts";
import { WILD } from "../../source/wild.ts";
import { outcome, sessionOf, trace } from "../../walk/asking.ts";
import { type HostSpec, makeHost, smallWorld } from "../../walk/small-world.ts";
import { loaded } from "./script.ts";

/** Conversations through rules of nftables on a small world: client — node — server. */

function world(node: HostSpec): World {
  const hosts = [
    makeHost("client", 1, { links: { eth0: "10.1.0.2/24" }, routes: ["default via 10.1.0.1"], listen: [] }),
    makeHost("node", 2, {
      links: { eth0: "10.1.0.1/24", eth1: "10.2.0.1/24" },
      forward: true,
      listen: ["tcp 22"],
      ...node,
    }),
    makeHost("server", 3, {
      links: { eth0: "10.2.0.2/24 10.2.0.3/32" },
      routes: ["default via 10.2.0.1"],
      listen: ["tcp 80", "udp 53"],
    }),
  ];
  return {
    hosts: new Map(hosts.map((host) => [host.name, host])),
    wires: [
      { a: { host: "client", device: "eth0" }, b: { host: "node", device: "eth0" } },
      { a: { host: "node", device: "eth1" }, b: { host: "server", device: "eth0" } },
    ],
  } as unknown as World;
}

function session(nft: string, more: HostSpec = {}): Session {
  return new Session(new Network(world({ ...more, nft })));
}

const forward = (rules: string, policy = "accept"): string =>
  `table inet t {\n${rules.includes("chain ") ? "" : ""}chain f {\ntype filter hook forward priority 0; policy ${policy};\n${rules}\n}\n}\n`;

function result(nft: string, asked = "tcp 10.2.0.2:80"): string {
  const { client } = outcome(session(nft), "client", asked);
  const { icmp, reset } = client;
  const words: string[] = [client.result];
  if (icmp !== undefined) words.push(`icmp ${icmp.type}/${icmp.code}`);
  if (reset !== undefined) words.push(`reset from ${reset.from}`);
  return words.join(" ");
}

describe("verdicts, at FORWARD", () => {
  it.each([
    ["", "connected"],
    ["tcp dport 80 drop", "timeout"],
    ["tcp dport 81 drop", "connected"],
    ["rt ip nexthop 10.2.0.2 drop", "timeout"],
    ["tcp flags syn tcp option maxseg size set rt mtu", "connected"],
    ["tcp dport 80 reject", "refused icmp 3/3"],
    ["reject with icmp host-prohibited", "unreachable icmp 3/10"],
    ["reject with icmpx admin-prohibited", "unreachable icmp 3/13"],
    ["tcp dport 80 reject with tcp reset", "refused reset from 10.2.0.2"],
    ["reject with icmpv6 no-route", "connected"],
    ["ct state new tcp dport 80 return\ndrop", "timeout"],
    // What live worlds of nftables have shown of the kernel.
    ["ct label 1 drop", "connected"],
    ["ct label != 1 drop", "timeout"],
    ["ct label set 1 ct label 1,2 drop", "timeout"],
    ["ct packets < 1 drop", "connected"],
    ["ct original bytes 60 drop", "timeout"],
    ["ct reply packets 0 ct avgpkt 60 drop", "timeout"],
    ["ct expiration < 1s drop", "timeout"],
    ["ct state established ct expiration < 1s drop", "connected"],
    ["ct status & dnat == 0x0 drop", "timeout"],
    ["tcp flags & (syn | ack) != 0x0 drop", "timeout"],
    ["tcp dport 80 tcp flags & (syn | ack) == (syn | ack) drop", "connected"],
    ["tcp flags & (syn | ack) != (syn | ack) drop", "timeout"],
    ['iifgroup "default" drop', "timeout"],
    ["oifgroup 7 drop", "connected"],
    ["meta cpu >= 8192 drop", "connected"],
    ["meta cpu != 8192 drop", "timeout"],
    ["meta ipsec exists drop", "connected"],
    ["meta ipsec missing drop", "timeout"],
    ["tcp option maxseg size > 1000 drop", "timeout"],
    ["tcp option sack-perm missing drop", "connected"],
    ["tcp option timestamp exists drop", "timeout"],
    ["reset tcp option maxseg tcp option maxseg exists drop", "connected"],
    ["ip option rr exists drop", "connected"],
    ["ip option rr missing drop", "timeout"],
    ["tcp doff 10 drop", "timeout"],
    ["@th,16,16 80 drop", "timeout"],
    ["@th,104,8 2 drop", "timeout"],
    ["@th,0,8 8 drop", "connected"],
    ["ct state established,new accept\ndrop", "connected"],
    ["tcp dport vmap { 79 : drop, 80 : accept }\ndrop", "timeout"],
    ["tcp dport vmap { 79 : drop, 80 : accept }\ntcp sport 80 accept\ndrop", "connected"],
    ["ip6 saddr ::1 accept\nip daddr 10.2.0.0/24 drop", "timeout"],
    ['iifname "eth*" oifname != "eth1" accept\niifname "eth0" drop', "timeout"],
  ])("%j: %s", (rules, expected) => {
    expect(result(forward(rules))).toBe(expected);
  });

  it("what is no TCP lacks TCP's options", () => {
    expect(result(forward("tcp option maxseg missing drop"), "icmp 10.2.0.2")).toBe("timeout");
    expect(result(forward("tcp option maxseg exists drop"), "icmp 10.2.0.2")).not.toBe("timeout");
  });

  // 08 00 [26 51] 4e 2a 00 01 and 16 times 70: what a kernel's echo of id 20010 has for a checksum (RFC 1071, by hand).
  it.each([
    ["th dport 9809 drop", "timeout"],
    ["ip daddr 10.2.0.2 th dport != 9809 drop", "answered"],
    ["@th,16,16 0x2651 drop", "timeout"],
    ["ip daddr 10.2.0.2 @th,16,16 < 0x2651 drop", "answered"],
    ["th dport 9000-10000 drop", "timeout"],
    ["th dport { 80, 9800-9900 } drop", "timeout"],
    ["th sport 0x800 drop", "timeout"],
    ["@th,32,16 20010 drop", "timeout"],
    ["@th,48,16 != 1 drop", "answered"],
    ["@th,64,32 0x70707070 drop", "timeout"],
    ["@th,192,32 0x70707070 drop", "answered"],
  ])("of an echo that is known all through the checksum is too: %j: %s", (rules, expected) => {
    expect(result(forward(rules), "icmp 10.2.0.2 sport=20010 size=16")).toMatch(expected);
  });

  it.each([
    ["th dport 9809 drop", "assumed"],
    ["meta cpu < 8192 drop", "assumed"],
    ["ip checksum >= 0 drop", "assumed"],
    ["ip checksum >= 1 drop", "unknown-match"],
    ["meta cpu < 8191 drop", "unknown-match"],
    ["th dport 9000-10000 drop", "unknown-match"],
    ["meta l4proto tcp th dport 9000-10000 drop", "assumed"],
  ])("of another only whether it is within bounds is asked: %j: %s", (rules, certainty) => {
    expect(trace(session(forward(rules)), "client", "icmp 10.2.0.2").verdict.certainty).toBe(certainty);
  });

  it.each([1, 2, 7, 8, 9, 20])("a map of %i elements in a rule says what a named one does", (size) => {
    const verdicts = ["drop", "accept", "continue", "return", "jump j", "goto j"];
    for (const verdict of verdicts) {
      for (const place of [0, size - 1, size]) {
        const elements = Array.from(
          { length: size },
          (_, i) => `${i === place ? 80 : 1000 + i} : ${verdict}`,
        );
        const own = `vmap { ${elements.join(", ")} }`;
        const map = `map m { type inet_service : verdict; elements = { ${elements.join(", ")} }; }`;
        const rule = (lookUp: string): string =>
          `table inet t {\n${map}\nchain j { tcp sport 1 drop; }\nchain f {\ntype filter hook forward priority 0; policy drop;\nip saddr 10.2.0.2 accept\ntcp dport ${lookUp}\nip daddr 10.2.0.9 drop\naccept\n}\n}\n`;
        const expected = result(rule("vmap @m"));
        const passes = place === size || ["accept", "continue", "jump j"].includes(verdict);
        expect(expected).toBe(passes ? "connected" : "timeout");
        expect(result(rule(own))).toBe(expected);
      }
    }
  });

  it("a policy of drop ends what no rule accepts", () => {
    expect(result(forward("tcp dport 80 accept", "drop"))).toBe("timeout");
    expect(result(forward("tcp dport 80 accept\nct state established accept", "drop"))).toBe("connected");
  });

  it("accept goes on to the next base chain of the hook; drop is the end", () => {
    const chain = (name: string, priority: number, rule: string) =>
      `chain ${name} { type filter hook forward priority ${priority};\n${rule}\n}\n`;
    const two = (a: string, b: string) => `table ip t {\n${chain("a", -5, a)}${chain("b", 5, b)}}\n`;
    expect(result(two("accept", "drop"))).toBe("timeout");
    expect(result(two("drop", "accept"))).toBe("timeout");
    expect(result(two("accept", "accept"))).toBe("connected");
  });

  it("of equal priorities the one registered last comes first", () => {
    const chain = (name: string, rule: string) =>
      `chain ${name} { type filter hook forward priority 0;\n${rule}\n}\n`;
    const nft = `table ip t {\n${chain("a", "meta mark 7 drop")}${chain("b", "meta mark set 7")}}\n`;
    expect(result(nft)).toBe("timeout");
  });

  it("a dormant table is not asked", () => {
    expect(result(forward("drop").replace("{\n", "{\nflags dormant\n"))).toBe("connected");
  });
});

describe("translation", () => {
  const nat = (prerouting: string, postrouting: string): string =>
    `table ip n {
chain pre { type nat hook prerouting priority -100;
${prerouting}
}
chain post { type nat hook postrouting priority 100;
${postrouting}
}
}
`;
  const seen = (nft: string, asked = "tcp 10.2.0.9:8080"): string[] => {
    const { servers, client } = outcome(session(nft), "client", asked);
    return [
      client.result,
      ...servers.map(({ address, port, peer }) => `${address}:${port} from ${peer.address}`),
    ];
  };

  it.each([
    ["tcp dport 8080 dnat to 10.2.0.2:80", "", ["connected", "10.2.0.2:80 from 10.1.0.2"]],
    [
      "ip daddr 10.2.0.9 tcp dport 8080 dnat to 10.2.0.2:80",
      "masquerade",
      ["connected", "10.2.0.2:80 from 10.2.0.1"],
    ],
    ["tcp dport 8080 dnat to 10.2.0.2:80", "snat to 10.2.0.1", ["connected", "10.2.0.2:80 from 10.2.0.1"]],
    [
      "dnat to ip daddr . tcp dport map { 10.2.0.9 . 8080 : 10.2.0.3 . 80 }",
      "",
      ["connected", "10.2.0.3:80 from 10.1.0.2"],
    ],
    ["tcp dport 8080 redirect to :22", "", ["connected", "10.1.0.1:22 from 10.1.0.2"]],
    [
      "tcp dport 9 dnat to 10.2.0.2:80\ntcp dport 8080 dnat to 10.2.0.3:80",
      "",
      ["connected", "10.2.0.3:80 from 10.1.0.2"],
    ],
  ])("%j, %j", (pre, post, expected) => {
    expect(seen(nat(pre, post))).toEqual(expected);
  });

  it("iptables' nat table and nftables' chains are one translation: who comes first by priority binds", () => {
    const iptables =
      "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.2.0.2:80\nCOMMIT\n";
    const servers = (priority: number): unknown => {
      const nft = `table ip n {\nchain pre { type nat hook prerouting priority ${priority};\ntcp dport 8080 dnat to 10.2.0.3:80\n}\n}\n`;
      return outcome(session(nft, { iptables }), "client", "tcp 10.2.0.9:8080").servers[0]?.address;
    };
    expect(servers(-101)).toBe("10.2.0.3");
    expect(servers(-99)).toBe("10.2.0.2");
  });
});

describe("choices and memory", () => {
  const balance = `table ip n {
chain a { dnat to 10.2.0.2:80
}
chain b { dnat to 10.2.0.3:80
}
chain pre { type nat hook prerouting priority -100;
tcp dport 8080 numgen MODE mod 3 vmap { 0 : goto a, 1-2 : goto b }
}
}
`.replaceAll("dnat to", "meta l4proto tcp dnat to");

  it("numgen random lists every outcome with its odds", () => {
    const { outcomes } = trace(session(balance.replace("MODE", "random")), "client", "tcp 10.2.0.9:8080");
    const odds = new Map<string, number>();
    for (const { servers, probability } of outcomes) {
      const to = servers[0]?.address ?? "";
      odds.set(to, (odds.get(to) ?? 0) + Number(probability?.num) / Number(probability?.den));
    }
    expect(odds.get("10.2.0.2")).toBeCloseTo(1 / 3);
    expect(odds.get("10.2.0.3")).toBeCloseTo(2 / 3);
  });

  it("each jhash without a seed draws its own, and goes on answering a flow as it did", () => {
    const twice = "jhash ip saddr mod 2 0 drop\n".repeat(2);
    const { outcomes } = trace(session(forward(twice)), "client", "tcp 10.2.0.2:80");
    const passes = outcomes.filter(({ client }) => client.result === "connected");
    // Two rules for each of two directions, whose sources differ.
    expect(passes.map(({ probability }) => `${probability?.num}/${probability?.den}`)).toEqual(["1/16"]);
  });

  it("numgen inc goes round, from one connection to the next", () => {
    const shared = session(balance.replace("MODE", "inc"));
    const servers = [1, 2, 3, 4].map(
      (n) => outcome(shared, "client", `tcp 10.2.0.9:8080 sport=${40000 + n}`).servers[0]?.address,
    );
    expect(servers).toEqual(["10.2.0.2", "10.2.0.3", "10.2.0.3", "10.2.0.2"]);
  });

  it("what packets add to a set is remembered, runs out, and is renewed by update", () => {
    const nft = `table ip t {
set seen { type ipv4_addr; flags dynamic,timeout; timeout 30s; }
chain f { type filter hook forward priority 0;
tcp dport 80 ip saddr @seen drop
udp dport 53 update @seen { ip saddr }
}
}
`;
    const shared = session(nft);
    const result = (asked: string): string => outcome(shared, "client", asked).client.result;
    expect(result("tcp 10.2.0.2:80 sport=40001")).toBe("connected");
    expect(result("udp 10.2.0.2:53 sport=40002")).toBe("answered");
    expect(result("tcp 10.2.0.2:80 sport=40003")).toBe("timeout");
    shared.clock.now += 20_000;
    expect(result("udp 10.2.0.2:53 sport=40004")).toBe("answered");
    shared.clock.now += 20_000;
    expect(result("tcp 10.2.0.2:80 sport=40005")).toBe("timeout");
    shared.clock.now += 60_000;
    expect(result("tcp 10.2.0.2:80 sport=40006")).toBe("connected");
  });
});

describe("elements with a limit or a quota of their own", () => {
  const connections = (set: string, rule: string): string[] => {
    const nft = `table ip t {\n${set}\nchain f { type filter hook forward priority 0;\n${rule}\n}\n}\n`;
    const shared = session(nft);
    return [1, 2, 3, 4].map((n) => {
      return outcome(shared, "client", `tcp 10.2.0.2:80 sport=${40000 + n}`).client.result;
    });
  };
  const thenTimeout = ["connected", "connected", "timeout", "timeout"];

  it.each([
    ["a set's, for those it lists", "limit rate over 2/day burst 2 packets", "10.1.0.2", "ip saddr @s"],
    ["an element's", "", "10.1.0.2 limit rate over 2/day burst 2 packets", "ip saddr @s"],
  ])("%s", (_, statement, element, match) => {
    const set = `set s { type ipv4_addr; ${statement}${statement === "" ? "" : ";"} elements = { ${element} } }`;
    expect(connections(set, `tcp flags syn ${match} drop`)).toEqual(thenTimeout);
  });

  it("a verdict map's", () => {
    const map =
      "map s { type ipv4_addr : verdict; limit rate 2/day burst 2 packets; elements = { 10.1.0.2 : accept } }";
    expect(connections(map, "tcp flags != syn accept\nip saddr vmap @s\ndrop")).toEqual(thenTimeout);
  });

  it("a set's, for those that packets put in; the element goes on remembering when looked up", () => {
    const set = "set s { type ipv4_addr; flags dynamic; limit rate over 2/day burst 2 packets; }";
    expect(connections(set, "tcp flags syn add @s { ip saddr } drop")).toEqual(thenTimeout);
    expect(connections(set, "tcp flags syn add @s { ip saddr }\ntcp flags syn ip saddr @s drop")).toEqual([
      "connected",
      ...["timeout", "timeout", "timeout"],
    ]);
  });

  it("what the walk does not do is said", () => {
    const set = "set s { type ipv4_addr; elements = { 10.1.0.2 limit rate over 2/day quota over 1 bytes } }";
    const nft = `table ip t {\n${set}\nchain f { type filter hook forward priority 0;\nip saddr @s drop\n}\n}\n`;
    const { outcomes } = trace(session(nft), "client", "tcp 10.2.0.2:80");
    expect(outcomes.map(({ verdict }) => verdict.certainty)).toContain("unknown-match");
  });
});

describe("what the walk does not know", () => {
  it("a match is asked both ways, and the verdict names it", () => {
    const { outcomes } = trace(session(forward('osf name "Linux" drop')), "client", "tcp 10.2.0.2:80");
    const found = outcomes.map(
      ({ client, verdict }) =>
        `${client.result} ${verdict.certainty} ${[...new Set(verdict.unknown)].join()}`,
    );
    expect(new Set(found)).toEqual(
      new Set(['connected unknown-match osf name "Linux"', 'timeout unknown-match osf name "Linux"']),
    );
  });

  it("a table of a family that is not walked is an assumption", () => {
    const nft = "table bridge b {\nchain f { type filter hook forward priority 0;\nct state new drop\n}\n}\n";
    const { assumptions } = trace(session(nft), "client", "tcp 10.2.0.2:80");
    expect(assumptions.join()).toContain("table bridge b are not walked");
  });

  it("an action is taken to do nothing, and the verdict names it", () => {
    const { verdict, client } = outcome(
      session(forward("tcp dport 80 reset tcp option fastopen")),
      "client",
      "tcp 10.2.0.2:80",
    );
    expect([client.result, verdict.certainty, verdict.unknown]).toEqual([
      "connected",
      "unknown-match",
      ["reset tcp option fastopen"],
    ]);
  });
});

describe("the trace", () => {
  it("tells of rules by family, table, chain and place, as nft prints them", () => {
    const nft = `table inet t {
chain web { counter
tcp dport 80 accept
}
chain f { type filter hook forward priority 0;
udp dport 53 drop
jump web
}
}
`;
    const { rules, hooks } = outcome(session(nft), "client", "tcp 10.2.0.2:80");
    const first = rules.filter(({ packet }) => packet === rules[0]?.packet);
    expect(
      first.map(({ backend, table, chain, index, text }) => [backend, table, chain, index, text]),
    ).toEqual([
      ["nft", "inet t", "f", 2, "jump web"],
      ["nft", "inet t", "web", 1, "counter"],
      ["nft", "inet t", "web", 2, "tcp dport 80 accept"],
    ]);
    const visit = hooks.find(({ hook, host }) => hook === "FORWARD" && host === "node");
    expect(visit?.steps.map(({ kind, evaluated }) => [kind, evaluated])).toEqual([
      ["rule", 2],
      ["rule", 1],
      ["rule", 1],
    ]);
  });
});

describe.skipIf(!existsSync(join(WILD, "nft-kube-proxy-flannel")))(`a dump cut short, in ${WILD}`, () => {
  it("answers, and says which rules go where nobody knows", () => {
    const text = readFileSync(
      join(WILD, "nft-kube-proxy-flannel/nft-a-list-table-kube-proxy.truncated.txt"),
      "utf8",
    );
    const parsed = parseNftRuleset(text);
    if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.errors));
    const [table] = parsed.ruleset.tables;
    if (table === undefined) throw new Error("no table");
    // The base chains are among what was left out: one of them is put back.
    const base = loaded(
      "table ip t {\nchain pre { type nat hook prerouting priority -100;\nip daddr . meta l4proto . th dport vmap @service-ips\n}\nmap service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }\n}\n",
    ).tables[0]?.chains.find(({ name }) => name === "pre");
    if (base === undefined) throw new Error("no base chain");
    const given = world({});
    const node = given.hosts.get("node");
    if (node === undefined) throw new Error("no node");
    const hosts = new Map(given.hosts).set("node", {
      ...node,
      nft: { tables: [{ ...table, chains: [...table.chains, base] }] },
    });
    const shared = new Session(new Network({ ...given, hosts }));
    const { outcomes } = trace(shared, "client", "tcp 10.255.36.158:8000");
    expect(outcomes.length).toBeGreaterThan(1);
    for (const { verdict } of outcomes) {
      expect(verdict.certainty).toBe("unknown-match");
      expect(verdict.unknown?.join()).toContain("the chain it goes to is not in the dump");
    }
  });
});

describe("copies, and what a program decides", () => {
  const mirrored = (family: "ip" | "ip6" | "netdev", rule: string): string[] => {
    const six = family === "ip6";
    const at = (net: number, host: number): string => (six ? `fd0${net}::${host}` : `10.${net}.0.${host}`);
    const length = six ? 64 : 24;
    const link = (net: number, host: number): string => `${at(net, host)}/${length}`;
    const all = six ? "::/0" : "default";
    const hook = family === "netdev" ? 'ingress device "eth0"' : "prerouting";
    const nft = `table ${family} t {\nchain p { type filter hook ${hook} priority 0;\n${rule}\n}\n}\n`;
    const shared = sessionOf(
      smallWorld(
        {
          client: { links: { eth0: link(1, 2) }, routes: [`${all} via ${at(1, 1)}`], listen: [] },
          node: {
            links: { eth0: link(1, 1), eth1: link(2, 1), eth2: link(3, 1) },
            forward: true,
            // What copies are asked for by has neither mark nor protocol (`nf_dup_ipv4_route`): these rules are others'.
            rules: ["fwmark 7 lookup 100 priority 10", "ipproto udp dport 53 lookup 100 priority 11"],
            routes: [`${at(3, 0)}/${length} via ${at(1, 2)} table 100`],
            nft,
          },
          server: { links: { eth0: link(2, 2) }, routes: [`${all} via ${at(2, 1)}`], listen: ["udp 53"] },
          mirror: { links: { eth0: link(3, 2) }, listen: [] },
        },
        ["client:eth0 node:eth0", "node:eth1 server:eth0", "node:eth2 mirror:eth0"],
      ),
    );
    const to = six ? `[${at(2, 2)}]` : at(2, 2);
    const { client, frames } = outcome(shared, "client", `udp ${to}:53`);
    const copies = frames.filter(({ host, direction }) => host === "mirror" && direction.startsWith("in"));
    return [
      client.result,
      ...copies.map(({ ip, direction }) => `${direction} ${ip?.src} > ${ip?.dst} ttl ${ip?.ttl}`),
    ];
  };

  it.each([
    ["ip", "udp dport 53 dup to 10.3.0.2", ["answered", "in 10.1.0.2 > 10.2.0.2 ttl 63"]],
    ["ip", 'udp dport 53 dup to 10.3.0.2 device "eth2"', ["answered", "in 10.1.0.2 > 10.2.0.2 ttl 63"]],
    ["ip", 'udp dport 53 dup to 10.3.0.2 device "eth7"', ["answered"]],
    ["ip", "udp dport 53 meta mark set 7 dup to 10.3.0.2", ["answered", "in 10.1.0.2 > 10.2.0.2 ttl 63"]],
    ["ip6", "udp dport 53 meta mark set 7 dup to fd03::2", ["answered", "in fd01::2 > fd02::2 ttl 63"]],
    ["ip6", "udp dport 53 dup to fd03::2", ["answered", "in fd01::2 > fd02::2 ttl 63"]],
    ["netdev", 'udp dport 53 dup to "eth2"', ["answered", "in-otherhost 10.1.0.2 > 10.2.0.2 ttl 64"]],
  ] as const)("%s: %s", (family, rule, expected) => {
    expect(mirrored(family, rule)).toEqual(expected);
  });

  it("a queue's program lets pass or drops", () => {
    const { outcomes } = trace(
      session(forward("tcp dport 80 queue num 1 bypass")),
      "client",
      "tcp 10.2.0.2:80",
    );
    const found = outcomes.map(({ client, verdict }) => `${client.result} ${verdict.certainty}`);
    expect(new Set(found)).toEqual(new Set(["connected unknown-match", "timeout unknown-match"]));
  });
});

/** Namespaces rm7n-*: `a` behind a router with `meta pkttype set` at PREROUTING, or `ip rule add ipproto udp` and `fib saddr oif`. */
describe("what the kernel alone looks at", () => {
  const told = (nft: string, more: HostSpec, asked: string): string =>
    outcome(session(nft, more), "client", asked).client.result;
  const prerouting = (rule: string): string =>
    `table ip t {\nchain c {\ntype filter hook prerouting priority 0;\niif "eth0" ${rule}\n}\n}\n`;
  const listen = { listen: ["tcp 22", "udp 53", "sctp 9"] };

  it.each(["other", "broadcast", "multicast"])(
    "what is said to be for %s is not forwarded, nor TCP's",
    (type) => {
      const nft = prerouting(`meta pkttype set ${type}`);
      const asked = [
        "udp 10.2.0.2:53",
        "tcp 10.2.0.2:80",
        "udp 10.1.0.1:53",
        "tcp 10.1.0.1:22",
        "sctp 10.1.0.1:9",
      ];
      expect(asked.map((one) => told(nft, listen, one))).toEqual([
        "timeout",
        "timeout",
        "answered",
        "timeout",
        "timeout",
      ]);
    },
  );

  it("a rule of one protocol says where its packets come from (nft_fib4_eval)", () => {
    const more = {
      rules: ["ipproto udp lookup 77 priority 10"],
      routes: ["10.1.0.0/24 dev eth1 table 77"],
    };
    const met = (asked: string): number => {
      const { rules } = outcome(
        session(prerouting('fib saddr oif "eth1" counter drop'), more),
        "client",
        asked,
      );
      return rules.length;
    };
    expect(["udp 10.2.0.2:53", "tcp 10.2.0.2:80", "icmp 10.2.0.2"].map(met)).toEqual([1, 0, 0]);
  });

  // `nft_fib4_eval` reads `l3mdev_master_ifindex_rcu` of the device asked about; this machine's kernel has no VRF.
  it.each([
    ["fib saddr . iif oif missing drop", "answered"],
    ['fib saddr oif "eth0" drop', "timeout"],
  ])("of a device in a VRF its table is asked: %s, %s", (rule, expected) => {
    const links = {
      eth0: { addresses: "10.1.0.1/24", master: "red" },
      eth1: { addresses: "10.2.0.1/24", master: "red" },
      red: { detail: { kind: "vrf", table: 88 } as const },
    };
    expect(told(prerouting(rule), { links }, "udp 10.2.0.2:53")).toBe(expected);
  });
});
