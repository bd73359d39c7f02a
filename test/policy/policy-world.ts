import { sha1 } from "@noble/hashes/legacy.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { formatIpv4, parseIpv4 } from "../../src/address/ipv4.ts";
import { applyOperations } from "../../src/kernel/apply-operation.ts";
import type { Host } from "../../src/kernel/host.ts";
import { reasonName } from "../../src/kernel/reason.ts";
import type { Lister } from "../../src/object/object-map.ts";
import { Felix, type FelixNode, type LocalWorkload } from "../../src/policy/felix/felix.ts";
import { felixOperations } from "../../src/policy/felix/operations.ts";
import { FELIX_DEFAULTS, type FelixSettings } from "../../src/policy/felix/settings.ts";
import { hostEndpointOf } from "../../src/policy/host-endpoint.ts";
import type { Flow, Party } from "../../src/policy/verdict/flow.ts";
import { PolicyVerdicts } from "../../src/policy/verdict/policy-verdict.ts";
import { type Workload, workloadsOf } from "../../src/policy/workload.ts";
import { ASK_DEFAULTS, ask } from "../../src/walk/ask.ts";
import { Network } from "../../src/walk/network.ts";
import { QUERY_DEFAULTS } from "../../src/walk/query.ts";
import { Session } from "../../src/walk/session.ts";
import { Throughput } from "../../src/walk/throughput.ts";
import type { World } from "../../src/world/world.ts";
import { type HostSpec, type LinkSpec, macOf, smallWorld } from "../walk/small-world.ts";

/**
 * Nodes with pods as Calico wires them, each node's policies as Felix programs them, a router between the nodes, and what
 * is outside behind it. Two ways to ask whether a flow may pass: what the objects say, and where its first packet gets.
 */
export class PolicyWorld {
  readonly objects: Lister;
  readonly parties: readonly Party[];
  readonly verdicts: PolicyVerdicts;
  readonly world: World;
  readonly #deviceOf = new Map<Workload, string>();
  readonly #network: Network;
  readonly #throughput: Throughput;
  #flow = 0;

  constructor(objects: Lister, settings: FelixSettings = FELIX_DEFAULTS) {
    this.objects = objects;
    const workloads = workloadsOf(objects);
    const nodes = objects.list("Node").map(({ metadata, status }) => ({
      name: metadata.name,
      address: status?.addresses?.[0]?.address ?? "",
    }));
    for (const workload of workloads) this.#deviceOf.set(workload, deviceOf(workload));
    this.verdicts = new PolicyVerdicts(objects, (node) => hostEndpointOf(objects, cardOf(nodes, node)));
    this.parties = [
      ...workloads.map((workload) => ({ address: ipv4Of(workload), workload, node: null })),
      ...nodes.map(({ name, address }) => ({ address, workload: null, node: name })),
      ...OUTSIDE.map((address) => ({ address, workload: null, node: null })),
    ];
    const felix = new Felix(objects, settings);
    const plain = plainWorld(workloads, nodes, this.#deviceOf);
    const hosts = new Map(plain.hosts);
    for (const { name } of nodes) {
      const local = workloads.filter(({ node }) => node === name);
      const node: FelixNode = {
        name,
        workloads: local.map(
          (workload): LocalWorkload => ({ workload, device: this.#deviceOf.get(workload) ?? "" }),
        ),
        devices: [cardOf(nodes, name)],
        ...{ tunnels: [], hosts: nodes.map(({ address }) => address), pools: [] },
      };
      hosts.set(name, programmed(hosts.get(name) as Host, felix, node));
    }
    this.world = { ...plain, hosts };
    this.#network = new Network(this.world);
    this.#throughput = new Throughput(this.#network);
  }

  says(flow: Flow): boolean {
    return this.verdicts.of(flow).allowed;
  }

  /** Whether a rule drops the flow's first packet on its way. */
  passes(flow: Flow): boolean {
    return flow.source.node === null ? this.#passesOn(flow) : this.#passesFromNode(flow);
  }

  #passesOn({ source, destination, protocol, sourcePort, port }: Flow): boolean {
    const [host, name] = entryOf(source, this.#deviceOf);
    const number = this.#network.hostNumber(host);
    const device = this.#network.host(number)?.deviceNamed(name) ?? null;
    if (device === null) throw new Error(`${host} has no ${name}`);
    this.#throughput.flush();
    const end = this.#throughput.arrive(
      this.#throughput.session.stack(number),
      device,
      parseIpv4(source.address) as number,
      parseIpv4(destination.address) as number,
      protocolNumber(protocol),
      sourcePort ?? 0,
      port ?? 0,
      SYN,
      this.#flow++,
    );
    const reason = end.reason < 0 ? "arrived" : reasonName(end.reason);
    if (!ENDS.has(reason)) throw new Error(`a packet ended by ${reason}, which no policy does`);
    return reason !== "rule-drop";
  }

  /** Its first packet is a socket's. */
  #passesFromNode({ source, destination, protocol, sourcePort, port }: Flow): boolean {
    const trace = ask(
      new Session(this.#network),
      {
        ...QUERY_DEFAULTS,
        host: source.node ?? "",
        proto: protocol === "UDP" ? "udp" : "tcp",
        src: parseIpv4(source.address) ?? null,
        dst: parseIpv4(destination.address) as number,
        ...{ sport: sourcePort, dport: port, raw: true, tcpFlags: protocol === "UDP" ? null : SYN },
      },
      ASK_DEFAULTS,
    );
    const { reason } = trace.verdict;
    if (!ENDS.has(reason)) throw new Error(`a packet ended by ${reason}, which no policy does`);
    return reason !== "rule-drop";
  }
}

const SYN = 0x02;
/** Delivered, or nobody there speaks the protocol, or a rule took it. */
const ENDS = new Set([
  "arrived",
  "answered",
  "no-protocol",
  "no-listener-tcp",
  "no-listener-udp",
  "rule-drop",
]);
export const OUTSIDE: readonly string[] = ["198.51.100.7", "203.0.113.9"];
const NUMBERS: Readonly<Record<string, number>> = { ICMP: 1, TCP: 6, UDP: 17, SCTP: 132 };

function protocolNumber(protocol: string | number): number {
  return typeof protocol === "number" ? protocol : (NUMBERS[protocol] ?? 0);
}

interface NodeAddress {
  readonly name: string;
  readonly address: string;
}

function cardOf(nodes: readonly NodeAddress[], node: string) {
  const address = nodes.find(({ name }) => name === node)?.address ?? "";
  return { node, name: "eth0", addresses: [address] };
}

export function deviceOf({ namespace, name }: Workload): string {
  return `cali${bytesToHex(sha1(utf8ToBytes(`${namespace}.${name}`))).slice(0, 11)}`;
}

function ipv4Of({ addresses }: Workload): string {
  return addresses.find((address) => parseIpv4(address) !== undefined) ?? "";
}

/** Where a flow's first packet comes into the world: from outside by the router's far card. */
function entryOf(
  { workload }: Party,
  devices: ReadonlyMap<Workload, string>,
): [host: string, device: string] {
  return workload === null ? ["router", "out"] : [workload.node, devices.get(workload) ?? ""];
}

function programmed(host: Host, felix: Felix, node: FelixNode): Host {
  const applied = applyOperations(
    host,
    felixOperations(felix.stateFor(node), host, () => 0),
  );
  if (applied.kind === "invalid") throw new Error(applied.errors.map(({ message }) => message).join("; "));
  return applied.host;
}

function plainWorld(
  workloads: readonly Workload[],
  nodes: readonly NodeAddress[],
  devices: ReadonlyMap<Workload, string>,
): World {
  const specs: Record<string, HostSpec> = {};
  const wires: string[] = [];
  const gatewayOf = (address: string) => formatIpv4(((parseIpv4(address) as number) & ~0xff) | 254);
  for (const { name, address } of nodes) {
    const local = workloads.filter(({ node }) => node === name);
    const links: Record<string, string | LinkSpec> = { eth0: `${address}/24` };
    for (const workload of local) links[devices.get(workload) as string] = { mac: "ee:ee:ee:ee:ee:ee" };
    specs[name] = {
      links,
      routes: [
        ...local.map((workload) => `${ipv4Of(workload)}/32 dev ${devices.get(workload)}`),
        `default via ${gatewayOf(address)} dev eth0`,
      ],
      neighbours: local.map(
        (workload) => `${ipv4Of(workload)} ${devices.get(workload)} ${podMac(workloads.indexOf(workload))}`,
      ),
      forward: true,
    };
    for (const workload of local) {
      const host = podName(workload);
      specs[host] = {
        links: { eth0: { addresses: `${ipv4Of(workload)}/32`, mac: podMac(workloads.indexOf(workload)) } },
        routes: ["169.254.1.1/32 dev eth0", "default via 169.254.1.1 dev eth0 onlink"],
        neighbours: ["169.254.1.1 eth0 ee:ee:ee:ee:ee:ee"],
      };
      wires.push(`${host}:eth0 ${name}:${devices.get(workload)}`);
    }
  }
  const links: Record<string, string> = { out: "192.0.2.1/24" };
  for (const [i, { name, address }] of nodes.entries()) {
    links[`to${i}`] = `${gatewayOf(address)}/24`;
    wires.push(`router:to${i} ${name}:eth0`);
  }
  specs["router"] = {
    links,
    routes: [
      ...workloads.map((workload) => {
        const node = nodes.find(({ name }) => name === workload.node);
        return `${ipv4Of(workload)}/32 via ${node?.address}`;
      }),
      ...OUTSIDE.map((address) => `${address}/32 via 192.0.2.2`),
    ],
    forward: true,
  };
  specs["outside"] = {
    links: { eth0: ["192.0.2.2/24", ...OUTSIDE.map((address) => `${address}/32`)].join(" ") },
    routes: ["default via 192.0.2.1 dev eth0"],
  };
  wires.push("outside:eth0 router:out");
  return smallWorld(specs, wires);
}

const podName = ({ namespace, name }: Workload) => `${name}.${namespace}`;
const podMac = (index: number) => macOf(200, index + 1);
