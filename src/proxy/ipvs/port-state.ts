import type { Origin } from "../../kernel/origin.ts";
import type { ChosenEndpoints } from "../choose-endpoints.ts";
import type { NodeFacts } from "../configuration.ts";
import { type Endpoint, endpointsOn } from "../endpoints.ts";
import type { PortModel } from "../model.ts";
import type { Protocol } from "../names.ts";
import type { ServicePort } from "../service-ports.ts";
import { allowsNode } from "../source-ranges.ts";
import type { KubeSet } from "./sets.ts";

/** What stands in a set, in ipset's words: `10.96.0.10,tcp:80`. */
export interface SetEntry {
  readonly set: KubeSet;
  readonly text: string;
}

/** A virtual service of IPVS with its real servers, each of weight 1 and reached by translation. */
export interface VirtualServer {
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** Seconds that a client stays with its server; null: each connection for itself. */
  readonly persistentS: number | null;
  readonly servers: readonly Endpoint[];
  readonly origin: Origin;
}

/** A node port: a virtual server for each of the node's addresses. */
export interface NodePort extends Omit<VirtualServer, "address"> {
  readonly policyLocal: boolean;
}

/** A load balancer's address whose source ranges leave the node out. */
export interface BarredAddress {
  readonly address: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** What IPVS mode keeps for one port of a Service on some nodes: one value for all of them. */
export interface PortState {
  readonly model: PortModel;
  readonly entries: readonly SetEntry[];
  /** The cluster IP's first, whose address is always one of kube-ipvs0; of the others unless the node has it elsewhere. */
  readonly servers: readonly VirtualServer[];
  readonly nodePort: NodePort | null;
  readonly barred: readonly BarredAddress[];
}

export function portState(model: PortModel, chosen: ChosenEndpoints, node: NodeFacts): PortState {
  const { port } = model;
  const { name: on, ip: nodeIp } = node;
  const server = (address: string, policyLocal: boolean): VirtualServer => ({
    address,
    port: port.port,
    protocol: port.protocol,
    persistentS: port.affinitySeconds,
    servers: serversFor(policyLocal, chosen),
    origin: port.origin,
  });
  const { externalIps, vips, nodePort, externalPolicyLocal: isLocal } = port;
  return {
    model,
    entries: [
      ...loopBackEntries(model, on),
      ...addressEntries(port),
      ...sourceEntries(port, nodeIp),
      ...healthEntries(port),
    ],
    servers: [
      server(port.clusterIp, port.internalPolicyLocal),
      ...[...externalIps, ...vips].map((address) => server(address, isLocal)),
    ],
    nodePort: nodePort === 0 ? null : { ...server("", isLocal), port: nodePort, policyLocal: isLocal },
    barred:
      port.sourceRanges.length === 0 || allowsNode(port, nodeIp)
        ? []
        : vips.map((address) => ({ address, protocol: port.protocol, port: port.port })),
  };
}

/** With no local one the policy is not kept to: pods of the node would get nowhere. */
function serversFor(policyLocal: boolean, { local, cluster }: ChosenEndpoints): readonly Endpoint[] {
  return policyLocal && local.length > 0 ? local : cluster;
}

/** Every endpoint of the node, ready or not: whom a translated packet may come back to. */
function loopBackEntries({ port, endpoints }: PortModel, node: string): SetEntry[] {
  return endpointsOn(node, endpoints)
    .filter(({ nodeName }) => nodeName === node)
    .map(({ ip, port: number }) => ({
      set: "KUBE-LOOP-BACK",
      text: `${ip},${port.protocol}:${number},${ip}`,
    }));
}

function addressEntries(port: ServicePort): SetEntry[] {
  const { clusterIp, externalIps, vips, externalPolicyLocal } = port;
  const entry = (set: KubeSet, address: string): SetEntry => ({ set, text: destination(port, address) });
  return [
    entry("KUBE-CLUSTER-IP", clusterIp),
    ...externalIps.map((address) =>
      entry(externalPolicyLocal ? "KUBE-EXTERNAL-IP-LOCAL" : "KUBE-EXTERNAL-IP", address),
    ),
    ...vips.flatMap((address) => [
      entry("KUBE-LOAD-BALANCER", address),
      ...(externalPolicyLocal ? [entry("KUBE-LOAD-BALANCER-LOCAL", address)] : []),
      ...(port.sourceRanges.length > 0 ? [entry("KUBE-LOAD-BALANCER-FW", address)] : []),
    ]),
  ];
}

function sourceEntries(port: ServicePort, nodeIp: string): SetEntry[] {
  return port.vips.flatMap((address) => [
    ...port.sourceRanges.map(
      (range): SetEntry => ({
        set: "KUBE-LOAD-BALANCER-SOURCE-CIDR",
        text: `${destination(port, address)},${range}`,
      }),
    ),
    ...(allowsNode(port, nodeIp)
      ? [
          {
            set: "KUBE-LOAD-BALANCER-SOURCE-IP" as const,
            text: `${destination(port, address)},${address}`,
          },
        ]
      : []),
  ]);
}

function healthEntries({ healthCheckNodePort }: ServicePort): SetEntry[] {
  return healthCheckNodePort === 0
    ? []
    : [{ set: "KUBE-HEALTH-CHECK-NODE-PORT", text: String(healthCheckNodePort) }];
}

/** SCTP, which a set of ports alone does not know, has an entry for each of the node's addresses. */
export function nodePortEntries(
  { port, protocol, policyLocal }: NodePort,
  addresses: readonly string[],
): SetEntry[] {
  const sets: readonly KubeSet[] = {
    tcp: ["KUBE-NODE-PORT-TCP", "KUBE-NODE-PORT-LOCAL-TCP"] as const,
    udp: ["KUBE-NODE-PORT-UDP", "KUBE-NODE-PORT-LOCAL-UDP"] as const,
    sctp: ["KUBE-NODE-PORT-SCTP-HASH", "KUBE-NODE-PORT-LOCAL-SCTP-HASH"] as const,
  }[protocol];
  const texts = protocol === "sctp" ? addresses.map((address) => `${address},sctp:${port}`) : [String(port)];
  return sets.slice(0, policyLocal ? 2 : 1).flatMap((set) => texts.map((text): SetEntry => ({ set, text })));
}

function destination({ protocol, port }: ServicePort, address: string): string {
  return `${address},${protocol}:${port}`;
}
