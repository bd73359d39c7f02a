import { describe, expect, it } from "vitest";
import { nearMissesOf, nearMissText, packetAt } from "../../../src/analyze/cause/near-misses.ts";
import { failedConditions } from "../../../src/kernel/netfilter/failed-conditions.ts";
import type { Trace } from "../../../src/walk/trace.ts";
import { hopscope } from "../../cli/cli.ts";
import { asked, recordedWorld } from "../../present/asked.ts";
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
function checked(recording: string, trace: Trace): { right: number; wrong: string[] } {
  const world = recordedWorld(recording);
  let right = 0;
  const wrong: string[] = [];
  for (const visit of trace.outcomes[0]?.hooks ?? []) {
    if (visit.phase !== "request") continue;
    /** Where the walk of each chain stands: a chain is entered at its first rule, or gone on with behind a jump. */
    const from = new Map<string, number>();
    for (const { table, chain, kind, index, mark } of visit.steps) {
      const key = `${table} ${chain}`;
      const rules = world.hosts.get(visit.host)?.iptables?.tables.get(table)?.chains.get(chain)?.rules ?? [];
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
    const { right, wrong } = checked(recording, asked(recording, from, to));
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(0);
  });

  it("have many rules to say something of", () => {
    const counts = QUESTIONS.map(
      ([recording, from, to]) => checked(recording, asked(recording, from, to)).right,
    );
    expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(400);
  });
});

describe("near misses", () => {
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
