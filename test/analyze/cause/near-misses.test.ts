import { describe, expect, it } from "vitest";
import { nearMissesOf, nearMissText, packetAt } from "../../../src/analyze/cause/near-misses.ts";
import { failedConditions } from "../../../src/kernel/netfilter/failed-conditions.ts";
import type { Trace } from "../../../src/walk/trace.ts";
import type { World } from "../../../src/world/world.ts";
import { hopscope } from "../../cli/cli.ts";
import { asked, recordedWorld } from "../../present/asked.ts";
import { sessionOf, trace } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";
import { changed, withSpec } from "./cluster.ts";

/** The literal reading of rules is a second implementation of the engine's: where both have an answer, it is the same. */

const QUESTIONS = [
  ["d-services-vxlan", "web-1", "10.96.0.76:80"],
  ["d-services-vxlan", "laptop", "172.18.0.26:31342"],
  ["d-services-vxlan", "laptop", "172.18.0.26:32548"],
  ["d-services-vxlan", "web-1", "10.96.0.76:81"],
  ["d-services-vxlan", "web-1", "10.96.0.76:80/udp"],
  ["d-services-drop", "web-1", "host/web-0:8080"],
  ["d-hostport-plain", "web-1", "172.18.0.48:9000"],
  ["e-calico-accept", "web-0", "host/db-0:8080"],
  ["h-filter-matches", "alice", "host/srv1:8080"],
  ["h-filter-chains", "alice", "host/srv1:8080"],
  ["h-filter-nat", "bob", "host/srv1:53/udp"],
  ["a-bridge-drop-on", "web-1", "10.244.38.18:8080"],
] as const;

/** Every rule the engine asked, in the first packet's visits: did it match? */
function checked(world: World, trace: Trace): { right: number; wrong: string[] } {
  let right = 0;
  const wrong: string[] = [];
  for (const visit of trace.outcomes[0]?.hooks ?? []) {
    if (visit.phase !== "request") continue;
    /** Where the walk of each chain stands: a chain is entered at its first rule, or gone on with behind a jump. */
    const from = new Map<string, number>();
    for (const { table, chain, kind, index, mark } of visit.steps) {
      const key = `${table} ${chain}`;
      const host = world.hosts.get(visit.host);
      const tables = visit.before.ip.src.includes(":") ? host?.ip6tables : host?.iptables;
      const rules = tables?.tables.get(table)?.chains.get(chain)?.rules ?? [];
      const packet = packetAt(world, visit, mark);
      if (packet === null) throw new Error("no packet");
      for (let i = from.get(key) ?? 1; i <= Math.min(index, rules.length); i++) {
        const rule = rules[i - 1];
        const failed = rule === undefined ? null : failedConditions(rule, packet);
        if (failed === null) continue;
        const matched = kind === "rule" && i === index;
        if ((failed.length === 0) === matched) right++;
        else
          wrong.push(`${visit.host} ${visit.hook} ${key} ${i}: ${failed.map(({ text }) => text).join(", ")}`);
      }
      from.set(key, kind === "rule" ? index + 1 : 1);
    }
  }
  return { right, wrong };
}

describe("the conditions a rule fails", () => {
  it.each(QUESTIONS)("%s, %s → %s: none exactly where the engine found a match", (recording, from, to) => {
    const { right, wrong } = checked(recordedWorld(recording), asked(recording, from, to));
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(0);
  });

  it("have many rules to say something of", () => {
    const counts = QUESTIONS.map(
      ([recording, from, to]) => checked(recordedWorld(recording), asked(recording, from, to)).right,
    );
    expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(400);
  });
});

/** a, behind r, asks b; r's rules look at everything that can be read off a packet of IPv6. */
const SIX = smallWorld(
  {
    a: { links: { eth0: "fd00:1::2/64" }, routes: ["::/0 via fd00:1::1"] },
    r: {
      links: { eth0: "fd00:1::1/64", eth1: "fd00:2::1/64" },
      forward: true,
      ip6tables: [
        "*filter",
        ":FORWARD DROP",
        ":INPUT ACCEPT",
        "-A FORWARD -s fd00:3::/64 -j ACCEPT",
        "-A FORWARD ! -d fd00:2::/64 -j ACCEPT",
        "-A FORWARD -d fd00:2::3/128 -j ACCEPT",
        "-A FORWARD -s fd00:1::2/ffff::ffff ! -i eth0 -j ACCEPT",
        "-A FORWARD -p udp -m udp --dport 54 -j ACCEPT",
        "-A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type 129 -j ACCEPT",
        "-A FORWARD -p tcp -m multiport --dports 81,82 -j ACCEPT",
        "-A FORWARD -m hl --hl-gt 63 -j ACCEPT",
        "-A FORWARD -m length --length 1000:2000 -j ACCEPT",
        "-A FORWARD -m iprange --dst-range fd00:2::3-fd00:2::9 -j ACCEPT",
        "-A FORWARD -m addrtype --dst-type LOCAL -j ACCEPT",
        "-A FORWARD -m addrtype ! --src-type UNICAST -j ACCEPT",
        "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        "-A FORWARD -o eth1 -m hl --hl-eq 63 -j ACCEPT",
        "COMMIT",
        "",
      ].join("\n"),
    },
    b: { links: { eth0: "fd00:2::2/64" }, routes: ["::/0 via fd00:2::1"], listen: ["tcp 80", "udp 53"] },
  },
  ["a:eth0 r:eth0", "r:eth1 b:eth0"],
);

describe("the conditions a rule of IPv6 fails", () => {
  it.each(["tcp [fd00:2::2]:80", "udp [fd00:2::2]:53", "icmp fd00:2::2"])(
    "%s: none exactly where the engine found a match",
    (text) => {
      const { right, wrong } = checked(SIX, trace(sessionOf(SIX), "a", text));
      expect(wrong).toEqual([]);
      expect(right).toBe(14);
    },
  );
});

describe("near misses", () => {
  it("are told of IPv6", () => {
    const [found] = trace(sessionOf(SIX), "a", "udp [fd00:2::2]:53 ttl=9").outcomes;
    const misses = (found?.hooks ?? []).flatMap((visit) =>
      visit.steps.flatMap((step) => nearMissesOf(SIX, visit, step).map(nearMissText)),
    );
    expect(misses).toEqual([
      "near miss: rule 1 of FORWARD but for -s fd00:3::/64 (fd00:1::2 here)",
      "near miss: rule 2 of FORWARD but for ! -d fd00:2::/64 (fd00:2::2 here)",
      "near miss: rule 4 of FORWARD but for ! -i eth0 (eth0 here)",
    ]);
  });

  const misses = (recording: string, from: string, to: string): string[] =>
    (asked(recording, from, to).outcomes[0]?.hooks ?? []).flatMap((visit) =>
      visit.steps.flatMap((step) => nearMissesOf(recordedWorld(recording), visit, step).map(nearMissText)),
    );

  it("a Service's rule for another port", () => {
    expect(misses("d-services-vxlan", "web-1", "10.96.0.76:81")).toContainEqual(
      expect.stringMatching(/^near miss: rule \d+ of KUBE-SERVICES but for --dport 80 \(81 here\)$/),
    );
  });

  it("a Service's rule for another protocol", () => {
    expect(misses("d-services-vxlan", "web-1", "10.96.0.76:80/udp")).toContainEqual(
      expect.stringMatching(/^near miss: rule \d+ of KUBE-SERVICES but for -p tcp \(udp here\)$/),
    );
  });

  it("the range of sources that a load balancer lets in", async () => {
    const objects = changed("Service", "nginx", (service) => ({
      ...withSpec(service, { type: "LoadBalancer", loadBalancerSourceRanges: ["198.51.100.0/24"] }),
      status: { loadBalancer: { ingress: [{ ip: "192.0.2.80" }] } },
    }));
    const stdin = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    const question = ["203.0.113.10", "192.0.2.80:80", "--at", "node/node1:eth0", "--tcp-flags", "S"];
    const { out } = await hopscope(["trace", ...question, "-v", "-f", "-"], { stdin });
    expect(out.replace(/\s+/g, " ")).toMatch(
      /near miss: rule 1 of KUBE-FW-\w+ but for -s 198.51.100.0\/24 \(203.0.113.10 here\)/,
    );
  });

  it("are told under -v only", async () => {
    const line = ["trace", "deploy/nginx", "svc/tomcat:8081", "-f", "fixtures/nmt"];
    expect((await hopscope([...line, "-v"])).out).toContain("near miss");
    expect((await hopscope(line)).out).not.toContain("near miss");
  });
});
