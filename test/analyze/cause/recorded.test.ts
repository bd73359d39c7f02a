import { describe, expect, it } from "vitest";
import type { Question } from "../../../src/cli/question.ts";
import { readToolCommand } from "../../../src/cli/step/tool-command.ts";
import { recordedWorld, told } from "../../present/asked.ts";

type Row = readonly [
  recording: string,
  from: string,
  to: string,
  reason: string,
  text: RegExp,
  command: string | null,
  more: Partial<Question>,
];

const ROWS: readonly Row[] = [
  [
    "k-filter-ndp-bridge",
    "web-0",
    "[fd00:10:244:5::21]:8080",
    "no-neighbour",
    /^Let neighbour discovery pass FORWARD on node1/,
    "ip6tables -t filter -I FORWARD -p ipv6-icmp --icmpv6-type 135 -j ACCEPT && ip6tables -t filter -I FORWARD -p ipv6-icmp --icmpv6-type 136 -j ACCEPT",
    {},
  ],
  [
    "k-filter-ndp-router",
    "alice",
    "fd10:1:1::1",
    "no-neighbour",
    /^Let neighbour discovery pass INPUT on fw/,
    "ip6tables -t filter -I INPUT -p ipv6-icmp --icmpv6-type 135 -j ACCEPT && ip6tables -t filter -I INPUT -p ipv6-icmp --icmpv6-type 136 -j ACCEPT",
    {},
  ],
  [
    "d-services-vxlan",
    "laptop",
    "172.18.0.26:31342",
    "rule-drop",
    /^Ask a node that has one, or let it use all/,
    `kubectl -n shop patch service local -p '{"spec":{"externalTrafficPolicy":"Cluster"}}'`,
    {},
  ],
  [
    "d-services-vxlan",
    "laptop",
    "192.0.2.80:80",
    "rule-drop",
    /^Add 203.0.113.11\/32 to spec.loadBalancerSourceRanges of Service shop\/front/,
    `kubectl -n shop patch service front --type=json -p '[{"op":"add","path":"/spec/loadBalancerSourceRanges/-","value":"203.0.113.11/32"}]'`,
    {},
  ],
  [
    "d-services-vxlan",
    "web-1",
    "10.96.2.45:80",
    "rule-reject",
    /^Give Service default\/empty a ready endpoint/,
    null,
    {},
  ],
  [
    "a-bridge-drop-on",
    "web-1",
    "10.244.38.18:8080",
    "policy-drop",
    /at the end of chain FORWARD on node1/,
    "iptables -t filter -A FORWARD -s 10.244.38.19 -d 10.244.38.18 -p tcp --dport 8080 -j ACCEPT",
    {},
  ],
  [
    "a-bridge-brnf-plain",
    "web-0",
    "10.96.1.211:80",
    "bridge-hairpin",
    /send frames back by the port/,
    "bridge link set dev vethecd19db5 hairpin on",
    {},
  ],
  [
    "a-bridge-nobrnf-plain",
    "web-1",
    "10.96.1.153:80",
    "bad-reply",
    /Let bridged frames pass iptables on node1/,
    "sysctl -w net.bridge.bridge-nf-call-iptables=1",
    {},
  ],
  ["b-hostgw-plain", "laptop", "10.244.24.16", "no-route", /^Give gateway a route to 10.244.24.16/, null, {}],
  [
    "b-hostgw-plain",
    "web-0",
    "10.244.14.249:8080",
    "no-neighbour",
    /^Ask a pod that is there: 10.244.14.249 is an address of the pods of node2 \(10.244.14.0\/24\), and free/,
    null,
    {},
  ],
  [
    "c-vxlan-fault-nofdb",
    "web-0",
    "10.244.22.43",
    "vxlan-no-remote",
    /^Tell flannel.1 of node1 behind which node 02:d3:cb:15:a3:24 lies/,
    "bridge fdb append 02:d3:cb:15:a3:24 dev flannel.1 dst 172.18.0.53",
    {},
  ],
  [
    "c-vxlan-fault-vni",
    "web-0",
    "10.244.21.20:8080",
    "vxlan-no-vni",
    /the same VNI: what arrives carries 1/,
    null,
    {},
  ],
  [
    "c-vxlan-two",
    "web-0",
    "10.244.31.29",
    "ttl-exceeded",
    /^Send with a larger TTL: the packet began with 2/,
    null,
    { ttl: 2 },
  ],
  [
    "c-vxlan-mtu",
    "web-0",
    "10.244.1.12",
    "too-big",
    /^Send packets of at most 1450 bytes/,
    null,
    { size: 1440, df: true },
  ],
  [
    "d-hostport-plain",
    "web-1",
    "172.18.0.48:9000",
    "martian-source",
    /^Masquerade on node1/,
    "iptables -t nat -I POSTROUTING 1 -s 10.244.27.53 -d 10.244.27.53 -p tcp --dport 5432 -j MASQUERADE",
    {},
  ],
  [
    "a-bridge-brnf-plain",
    "web-2",
    "10.244.26.15:9",
    "no-listener-tcp",
    /^Start what should listen on 10.244.26.15:9 of web-0/,
    null,
    {},
  ],
];

describe("what to do about it", () => {
  it.each(ROWS)("%s, %s → %s: %s", (recording, from, to, reason, text, command, more) => {
    const trace = told(recording, from, to, more);
    expect(trace.verdict.reason).toBe(reason);
    const [remedy] = trace.remedies;
    expect(remedy?.text).toMatch(text);
    expect(remedy?.command ?? null).toBe(command);
  });

  it.each(ROWS.filter(([, , , , , command]) => command?.startsWith("iptables")))(
    "%s: the command can be given to the host",
    (recording, from, to) => {
      for (const { command, host } of told(recording, from, to).remedies) {
        const node = recordedWorld(recording).hosts.get(host ?? "");
        if (node === undefined || command === undefined) throw new Error("a host and a command are expected");
        expect(readToolCommand(node, command, 0).kind).toBe("ok");
      }
    },
  );

  it("is to agree on a port, where the other end of a tunnel has another", () => {
    const world = recordedWorld("c-vxlan-two");
    const hosts = [...world.hosts].map(([name, host]) => {
      const devices = host.devices.map((device) =>
        device.detail.kind === "vxlan" ? { ...device, detail: { ...device.detail, port: 4789 } } : device,
      );
      return [name, name === "node2" ? { ...host, devices } : host] as const;
    });
    const trace = told({ ...world, hosts: new Map(hosts) }, "web-0", "web-2:8080");
    expect(trace.verdict).toMatchObject({ reason: "no-listener-udp", host: "node2" });
    expect(trace.cause).toBe("no VXLAN device of node2 has the UDP port 8472 that the packet comes with");
    expect(trace.remedies[0]?.text).toMatch(/the same UDP port: what arrives carries 8472\.$/);
  });

  it("is nothing where all arrives", () => {
    expect(told("a-bridge-brnf-plain", "web-1", "10.96.1.211:80").remedies).toEqual([]);
  });

  it("is told once for many outcomes of one cause", () => {
    const trace = told("d-services-vxlan", "laptop", "172.18.0.26:31342");
    expect(new Set(trace.remedies.map(({ text }) => text)).size).toBe(trace.remedies.length);
  });
});
