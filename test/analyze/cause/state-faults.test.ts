import { describe, expect, it } from "vitest";
import { askAfter } from "./cluster.ts";

/** A fault of a host's state; the remedy's command, given to the host it names, must make the trace pass. */

type Row = readonly [
  what: string,
  source: readonly string[],
  /** What breaks it, where the source is not broken already. */
  faults: readonly (readonly [host: string, command: string])[],
  query: Readonly<Record<"from" | "to", string>> & Readonly<Record<string, string>>,
  cause: RegExp,
];

const NMT = ["-f", "fixtures/nmt"];
const recording = (name: string): string[] => ["-f", `fixtures/truth/${name}.json.gz`];

const ROWS: readonly Row[] = [
  [
    "a flannel route that is gone",
    NMT,
    [["node3", "ip route del 10.244.0.0/24"]],
    { from: "deploy/nginx", to: "10.244.0.3:80" },
    /^node3 has no route to 10.244.0.0\/24, the pods of node1$/,
  ],
  [
    "a route of host-gw that is gone",
    recording("b-hostgw-plain"),
    [["node1", "ip route del 10.244.14.0/24"]],
    { from: "web-0", to: "10.244.14.16:8080" },
    /^node1 has no route to 10.244.14.0\/24, the pods of node2$/,
  ],
  [
    "the route back that is gone",
    recording("b-hostgw-plain"),
    [["node2", "ip route del 10.244.24.0/24"]],
    { from: "web-0", to: "10.244.14.16:8080" },
    /^node2 has no route to 10.244.24.0\/24, the pods of node1$/,
  ],
  [
    "a forwarding entry that is missing",
    recording("c-vxlan-fault-nofdb"),
    [],
    { from: "web-0", to: "10.244.22.43" },
    /^flannel.1 of node1 has no forwarding entry for 02:d3:cb:15:a3:24, flannel.1 of node2$/,
  ],
  [
    "a neighbour entry that is missing",
    recording("c-vxlan-fault-noneigh"),
    [],
    { from: "web-0", to: "10.244.28.41" },
    /^node1 has no neighbour entry for 10.244.28.0, flannel.1 of node2 on flannel.1$/,
  ],
  [
    "ip_forward off",
    NMT,
    [["node3", "sysctl -w net.ipv4.ip_forward=0"]],
    { from: "deploy/nginx", to: "svc/tomcat:8080" },
    /^node3 does not forward \(net.ipv4.ip_forward is 0\)$/,
  ],
  [
    "bridged answers past iptables",
    recording("a-bridge-nobrnf-plain"),
    [],
    { from: "web-1", to: "10.96.1.153:80" },
    /^node1 bridges the answer past iptables/,
  ],
  [
    "bridged answers past iptables, in a cluster of objects",
    NMT,
    [["node3", "sysctl -w net.bridge.bridge-nf-call-iptables=0"]],
    { from: "deploy/nginx", to: "svc/tomcat:8080" },
    /^node3 bridges the answer past iptables/,
  ],
  [
    "a translation that is not masqueraded",
    NMT,
    [["node1", "iptables -t nat -I POSTROUTING 1 -j ACCEPT"]],
    { from: "external", to: "node/node1:30080" },
    /^the answer goes past node1, which translated the request but did not masquerade it$/,
  ],
  [
    "a node port asked by 127.0.0.1",
    recording("d-services-vxlan"),
    [],
    { from: "node1", to: "127.0.0.1:32045" },
    /^node1 sends nothing on from 127.0.0.1 \(route_localnet is 0\)$/,
  ],
  [
    "a rule that drops",
    NMT,
    [["node3", "iptables -I FORWARD 1 -p tcp --dport 8080 -j DROP"]],
    { from: "deploy/nginx", to: "svc/tomcat:8080" },
    /^rule 1 of FORWARD \(filter\) on node3 drops it$/,
  ],
  [
    "a device that is down",
    NMT,
    [["node3", "ip link set flannel.1 down"]],
    { from: "deploy/nginx", to: "10.244.0.3:80" },
    /^node3 has no route to 10.244.0.0\/24, the pods of node1: flannel.1 is down, and its routes are gone$/,
  ],
];

describe("a fault of a host's state is named, and its remedy makes the trace pass", () => {
  it.each(ROWS)("%s", async (_, source, faults, query, cause) => {
    const told = await askAfter(source, faults, query);
    expect(told.verdict.disposition).not.toBe("DELIVERED");
    expect(told.cause).toMatch(cause);
    const fixes = told.remedies.map(({ host = "", command = "" }) => [host, command] as const);
    expect(fixes[0]?.[1]).not.toBe("");
    const after = await askAfter(source, [...faults, ...fixes], query);
    expect(after.verdict.disposition, `${fixes[0]?.join("# ")}: ${after.cause}`).toBe("DELIVERED");
  });

  it("reverse path filtering: the packet arrives, and its answer goes where its sender claims to be", async () => {
    const source = recording("b-hostgw-plain");
    const fault = ["node1", "sysctl -w net.ipv4.conf.eth0.rp_filter=1"] as const;
    const query = { from: "10.244.24.99", at: "host/node1:eth0", to: "host/web-0" };
    const told = await askAfter(source, [fault], query);
    expect(told.verdict.reason).toBe("rp-filter");
    expect(told.cause).toBe(
      "node1 takes nothing from 10.244.24.99 by eth0: its way back leaves by another device (rp_filter)",
    );
    const { host = "", command = "" } = told.remedies[0] ?? {};
    const after = await askAfter(source, [fault, [host, command]], query);
    expect(after.verdict.disposition).toBe("NO_REPLY");
  });
});
