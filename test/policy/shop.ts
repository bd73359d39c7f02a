import { expect } from "vitest";
import type { Family } from "../../src/address/ip.ts";
import type { Flow, Party } from "../../src/policy/verdict/flow.ts";
import { readText } from "../object/read.ts";
import { PolicyWorld } from "./policy-world.ts";

/** A small shop in three namespaces on two nodes. */
export const SHOP = `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: n1, labels: {zone: a}}, status: {addresses: [{type: InternalIP, address: 10.0.1.1}, {type: InternalIP, address: "fd00:0:1::1"}]}}
- {apiVersion: v1, kind: Node, metadata: {name: n2, labels: {zone: b}}, status: {addresses: [{type: InternalIP, address: 10.0.2.1}, {type: InternalIP, address: "fd00:0:2::1"}]}}
- {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: sales}}}
- {apiVersion: v1, kind: Namespace, metadata: {name: back, labels: {team: store}}}
- {apiVersion: v1, kind: Namespace, metadata: {name: tools}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: robot, namespace: tools, labels: {role: bot}}}
- {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web, tier: front}}, spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 80}, {name: dns, containerPort: 53, protocol: UDP}]}]}, status: {podIP: 10.1.1.2, podIPs: [{ip: 10.1.1.2}, {ip: "fd00:1:1::2"}]}}
- {apiVersion: v1, kind: Pod, metadata: {name: api, namespace: shop, labels: {app: api, tier: middle}}, spec: {nodeName: n2, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}, status: {podIP: 10.1.2.2, podIPs: [{ip: 10.1.2.2}, {ip: "fd00:1:2::2"}]}}
- {apiVersion: v1, kind: Pod, metadata: {name: db, namespace: back, labels: {app: db}}, spec: {nodeName: n1, containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}, status: {podIP: 10.1.1.3, podIPs: [{ip: 10.1.1.3}, {ip: "fd00:1:1::3"}]}}
- {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: back, labels: {app: web}}, spec: {nodeName: n2, containers: [{name: c}]}, status: {podIP: 10.1.2.3, podIPs: [{ip: 10.1.2.3}, {ip: "fd00:1:2::3"}]}}
- {apiVersion: v1, kind: Pod, metadata: {name: probe, namespace: tools, labels: {app: probe}}, spec: {nodeName: n1, serviceAccountName: robot, containers: [{name: c}]}, status: {podIP: 10.1.1.4, podIPs: [{ip: 10.1.1.4}, {ip: "fd00:1:1::4"}]}}
- {apiVersion: v1, kind: Pod, metadata: {name: host, namespace: tools}, spec: {nodeName: n1, hostNetwork: true, containers: [{name: c}]}, status: {podIP: 10.0.1.1}}
- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: front-a, namespace: shop, labels: {kubernetes.io/service-name: front}}, endpoints: [{addresses: [10.1.1.2], conditions: {ready: true}}, {addresses: [10.1.2.2], conditions: {ready: false}}], ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}
- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: front-b, namespace: shop, labels: {kubernetes.io/service-name: front}}, endpoints: [{addresses: [198.51.100.7]}], ports: [{name: tls, port: 443}]}
- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv6, metadata: {name: front-c, namespace: shop, labels: {kubernetes.io/service-name: front}}, endpoints: [{addresses: ["fd00:1:1::2"]}], ports: [{name: http, port: 80}]}
- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: front-a, namespace: tools, labels: {kubernetes.io/service-name: front}}, endpoints: [{addresses: [10.1.1.4]}], ports: [{name: http, port: 8080}]}
`;

export function shopWith(policies: string, family: Family = 4): PolicyWorld {
  const { map, errors } = readText(`${SHOP}---\n${policies}`);
  expect(errors).toEqual([]);
  return new PolicyWorld(map, family);
}

const PORTS: readonly (readonly [string, number])[] = [
  ["TCP", 80],
  ["TCP", 443],
  ["TCP", 8080],
  ["TCP", 5432],
  ["TCP", 6443],
  ["UDP", 53],
  ["UDP", 80],
  ["SCTP", 80],
];

/** Every pair of parties with every port. Of a node's own packets and of IPv6 only TCP and UDP are asked. */
export function flowsOf(world: PolicyWorld): Flow[] {
  const isInside = ({ workload, node }: Party) => workload !== null || node !== null;
  return world.parties.flatMap((source) =>
    world.parties.flatMap((destination) =>
      source === destination || !(isInside(source) || isInside(destination))
        ? []
        : PORTS.filter(
            ([protocol]) => (source.node === null && world.family === 4) || protocol !== "SCTP",
          ).map(([protocol, port]): Flow => ({ source, destination, protocol, port, sourcePort: 40_000 })),
    ),
  );
}

export function describeFlow({ source, destination, protocol, port }: Flow): string {
  const name = ({ workload, node, address }: Party) =>
    workload === null ? (node ?? address) : `${workload.namespace}/${workload.name}`;
  return `${name(source)} -> ${name(destination)}:${port}/${protocol}`;
}

/** Flows of which the rules think otherwise than the objects. */
export function disagreements(world: PolicyWorld, flows = flowsOf(world)): string[] {
  return flows.flatMap((flow) => {
    const [says, passes] = [world.says(flow), world.passes(flow)];
    return says === passes ? [] : [`${describeFlow(flow)}: said ${says}, went ${passes}`];
  });
}
