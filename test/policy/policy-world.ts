import { sha1 } from "@noble/hashes/legacy.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Family } from "../../src/address/ip.ts";
import { addressOnPath } from "../../src/address/ip6-handle.ts";
import { formatIpv4, parseIpv4 } from "../../src/address/ipv4.ts";
import { type Ipv6Words, parseIpv6 } from "../../src/address/ipv6.ts";
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

  readonly family: Family;

  constructor(objects: Lister, family: Family = 4, settings: FelixSettings = FELIX_DEFAULTS) {
    this.objects = objects;
    this.family = family;
    const plan = PLANS[family];
    const workloads = workloadsOf(objects);
    const nodes = objects.list("Node").map(({ metadata, status }) => ({
      name: metadata.name,
      address: ofFamily(
        (status?.addresses ?? []).map((own) => own.address),
        family,
      ),
    }));
    for (const workload of workloads) this.#deviceOf.set(workload, deviceOf(workload));
    this.verdicts = new PolicyVerdicts(objects, (node) => hostEndpointOf(objects, cardOf(nodes, node)));
    this.parties = [
      ...workloads.map((workload) => ({ address: addressOf(workload, plan), workload, node: null })),
      ...nodes.map(({ name, address }) => ({ address, workload: null, node: name })),
      ...plan.outside.map((address) => ({ address, workload: null, node: null })),
    ];
    const felix = new Felix(objects, settings, family);
    const plain = plainWorld(workloads, nodes, this.#deviceOf, plan);
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
    const isWire = this.family === 4 && flow.source.node === null;
    return isWire ? this.#passesOn(flow) : this.#passesFromSocket(flow);
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
  #passesFromSocket({ source, destination, protocol, sourcePort, port }: Flow): boolean {
    const { workload, node } = source;
    const { family } = this;
    const trace = ask(
      new Session(this.#network),
      {
        ...QUERY_DEFAULTS,
        ...{ host: workload === null ? (node ?? "outside") : podName(workload), family },
        proto: protocol === "UDP" ? "udp" : "tcp",
        src: onPath(source.address),
        dst: onPath(destination.address),
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
  "no-listener-sctp",
  "rule-drop",
]);

/** How the world of one family is addressed. */
interface Plan {
  readonly family: Family;
  readonly single: number;
  readonly network: number;
  readonly outside: readonly string[];
  /** The router's way out: its own address and the other end's. */
  readonly exit: readonly [string, string];
  /** What a pod sends everything to. */
  readonly podGateway: string;
  readonly anywhere: string;
  readonly gatewayOf: (node: string) => string;
}

const PLANS: Readonly<Record<Family, Plan>> = {
  4: {
    ...{ family: 4, single: 32, network: 24, anywhere: "default" },
    outside: ["198.51.100.7", "203.0.113.9"],
    exit: ["192.0.2.1", "192.0.2.2"],
    podGateway: "169.254.1.1",
    gatewayOf: (node) => formatIpv4(((parseIpv4(node) as number) & ~0xff) | 254),
  },
  6: {
    ...{ family: 6, single: 128, network: 64, anywhere: "::/0" },
    outside: ["2001:db8:100::7", "2001:db8:113::9"],
    exit: ["2001:db8:2::1", "2001:db8:2::2"],
    podGateway: "fe80::ecee:eeff:feee:eeee",
    gatewayOf: (node) => node.replace(/::1$/, "::fe"),
  },
};

function ofFamily(addresses: readonly string[], family: Family): string {
  return addresses.find((address) => address.includes(":") === (family === 6)) ?? "";
}

function onPath(text: string): number {
  return addressOnPath(parseIpv4(text) ?? (parseIpv6(text) as Ipv6Words));
}
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

function addressOf({ addresses }: Workload, { family }: Plan): string {
  return ofFamily(addresses, family);
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
  plan: Plan,
): World {
  const { gatewayOf, single, network, podGateway, anywhere, exit, outside } = plan;
  const own = (workload: Workload) => addressOf(workload, plan);
  const specs: Record<string, HostSpec> = {};
  const wires: string[] = [];
  for (const [i, { name, address }] of nodes.entries()) {
    const local = workloads.filter(({ node }) => node === name);
    const links: Record<string, string | LinkSpec> = {
      eth0: { addresses: `${address}/${network}`, mac: cardMac(i) },
    };
    for (const workload of local) links[devices.get(workload) as string] = { mac: "ee:ee:ee:ee:ee:ee" };
    specs[name] = {
      links,
      routes: [
        ...local.map((workload) => `${own(workload)}/${single} dev ${devices.get(workload)}`),
        `${anywhere} via ${gatewayOf(address)} dev eth0`,
      ],
      // A host endpoint may forbid the discovery of neighbours, which is no flow of policies.
      neighbours: [
        `${gatewayOf(address)} eth0 ${routerMac(i)}`,
        ...local.map(
          (workload) => `${own(workload)} ${devices.get(workload)} ${podMac(workloads.indexOf(workload))}`,
        ),
      ],
      forward: true,
    };
    for (const workload of local) {
      const host = podName(workload);
      specs[host] = {
        links: {
          eth0: { addresses: `${own(workload)}/${single}`, mac: podMac(workloads.indexOf(workload)) },
        },
        routes: [`${podGateway}/${single} dev eth0`, `${anywhere} via ${podGateway} dev eth0 onlink`],
        neighbours: [`${podGateway} eth0 ee:ee:ee:ee:ee:ee`],
      };
      wires.push(`${host}:eth0 ${name}:${devices.get(workload)}`);
    }
  }
  const links: Record<string, string | LinkSpec> = { out: `${exit[0]}/${network}` };
  for (const [i, { name, address }] of nodes.entries()) {
    links[`to${i}`] = { addresses: `${gatewayOf(address)}/${network}`, mac: routerMac(i) };
    wires.push(`router:to${i} ${name}:eth0`);
  }
  specs["router"] = {
    links,
    neighbours: nodes.map(({ address }, i) => `${address} to${i} ${cardMac(i)}`),
    routes: [
      ...workloads.map((workload) => {
        const node = nodes.find(({ name }) => name === workload.node);
        return `${own(workload)}/${single} via ${node?.address}`;
      }),
      ...outside.map((address) => `${address}/${single} via ${exit[1]}`),
    ],
    forward: true,
  };
  specs["outside"] = {
    links: {
      eth0: [`${exit[1]}/${network}`, ...outside.map((address) => `${address}/${single}`)].join(" "),
    },
    routes: [`${anywhere} via ${exit[0]} dev eth0`],
  };
  wires.push("outside:eth0 router:out");
  return smallWorld(specs, wires);
}

const podName = ({ namespace, name }: Workload) => `${name}.${namespace}`;
const podMac = (index: number) => macOf(200, index + 1);
const cardMac = (index: number) => macOf(201, index + 1);
const routerMac = (index: number) => macOf(202, index + 1);
