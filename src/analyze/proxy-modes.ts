import { formatIpv4, type Ipv4 } from "../address/ipv4.ts";
import { lastOf, type Prefix4 } from "../address/prefix.ts";
import type { KnownPort, KnownService, Services } from "../inventory/services.ts";
import { PROXY_MODES, type ProxyMode } from "../proxy/configuration.ts";
import type { Fraction, Outcome, Trace } from "../walk/trace.ts";
import type { World } from "../world/world.ts";

/**
 * One set of objects under each of kube-proxy's modes: which questions tell the modes apart, and whether the answers, found
 * by tracing, do.
 */

/** A question with what it shows, FROM and TO as `trace` takes them. */
export interface Telltale {
  readonly title: string;
  readonly from: string;
  readonly to: string;
}

/** How a question ends in one mode, as far as anybody outside kube-proxy notices. */
export interface ModeEnd {
  readonly probability: Fraction | null;
  /** The server, and the address it takes the client for; null where nobody answers. */
  readonly server: { readonly host: string; readonly address: string; readonly peer: string } | null;
  /** What the client makes of it: `refused`, `timeout`, … */
  readonly client: string;
  readonly icmp: { readonly type: number; readonly code: number } | null;
}

export interface ModeAnswer {
  readonly mode: ProxyMode;
  readonly trace: Trace;
  readonly ends: readonly ModeEnd[];
}

export interface Comparison {
  readonly telltale: Telltale;
  readonly differs: boolean;
  readonly answers: readonly ModeAnswer[];
}

/** Asks every question in every mode. `ask` walks a fresh session of the mode's world. */
export function compareModes(
  telltales: readonly Telltale[],
  ask: (mode: ProxyMode, telltale: Telltale) => Trace,
): Comparison[] {
  return telltales.map((telltale) => {
    const answers = PROXY_MODES.map((mode): ModeAnswer => {
      const trace = ask(mode, telltale);
      return { mode, trace, ends: trace.outcomes.map(endOf).sort(byText) };
    });
    const texts = new Set(answers.map(({ ends }) => JSON.stringify(ends)));
    return { telltale, differs: texts.size > 1, answers };
  });
}

function endOf({ probability, server, client }: Outcome): ModeEnd {
  const port = server?.port === undefined ? "" : `:${server.port}`;
  return {
    probability,
    server:
      server === undefined
        ? null
        : { host: server.host, address: `${server.address}${port}`, peer: server.peer.address },
    client: client.result,
    icmp: client.icmp === undefined ? null : { type: client.icmp.type, code: client.icmp.code },
  };
}

function byText(a: ModeEnd, b: ModeEnd): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** What is known of the question asked, and of the cluster. */
export interface Asked {
  readonly from: string;
  readonly to: string;
  /** Host that sends. */
  readonly sender: string;
  readonly destination: Ipv4;
  readonly port: number;
  readonly proto: string;
  readonly world: World;
  readonly services: Services;
  readonly serviceCidr: Prefix4 | null;
}

/** The kubelet's own port, which every node has. */
const KUBELET_PORT = 10_250;

/** The question itself first, then those that tell the modes apart, of the Service it is about or else of the first there is. */
export function telltalesFor(asked: Asked): Telltale[] {
  const { from, to } = asked;
  const about = serviceOf(asked);
  const list: Telltale[] = [{ title: "the question", from, to }];
  const node = nodeOf(asked);
  if (about !== null) list.push(...ofService(about, from, node).filter((one) => !isSame(one, asked)));
  if (node !== null && about !== null) list.push(...ofNodePort(about, from, node, asked.world));
  const free = unallocated(asked);
  if (free !== null) list.push({ title: "an address of no Service", from, to: `${free}:80` });
  const seen = new Set<string>();
  return list.filter((one) => {
    const key = `${one.from} ${one.to}`;
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}

/** Is it the question itself in other words? */
function isSame({ from, to }: Telltale, asked: Asked): boolean {
  const { destination, port, proto } = asked;
  return (
    from === asked.from && to === `${formatIpv4(destination)}${proto === "icmp" ? "" : `:${port}`}/${proto}`
  );
}

interface About {
  readonly service: KnownService;
  readonly port: KnownPort;
  readonly clusterIp: string;
}

function serviceOf({ services, destination, port, proto }: Asked): About | null {
  const direct = services.portAt(formatIpv4(destination), port, proto);
  const known = direct?.service ?? services.at(formatIpv4(destination));
  for (const service of known === undefined ? services.list : [known]) {
    const clusterIp = [...service.clusterIps].find((address) => address.includes("."));
    const first = direct ?? service.ports[0];
    if (clusterIp !== undefined && first !== undefined) return { service, port: first, clusterIp };
  }
  return null;
}

function ofService({ service, port, clusterIp }: About, from: string, node: string | null): Telltale[] {
  const at = (address: string): string => `${address}:${port.port}/${port.proto}`;
  const taken = new Set(service.ports.map((one) => one.port));
  let wrong = port.port + 1;
  while (taken.has(wrong)) wrong = wrong === 65_535 ? 1 : wrong + 1;
  const others = [...service.otherIps].filter((address) => address.includes("."));
  return [
    { title: "the cluster IP", from, to: at(clusterIp) },
    ...(node === null
      ? []
      : [{ title: "the cluster IP, from a node itself", from: node, to: at(clusterIp) }]),
    { title: "a ping to the cluster IP", from, to: `${clusterIp}/icmp` },
    { title: "a port that the Service does not have", from, to: `${clusterIp}:${wrong}/tcp` },
    ...(taken.has(KUBELET_PORT)
      ? []
      : [{ title: "the node's own port at the cluster IP", from, to: `${clusterIp}:${KUBELET_PORT}/tcp` }]),
    ...others
      .slice(0, 1)
      .flatMap((address) => [
        { title: "an address for outside, from outside", from: "external", to: at(address) },
        { title: "an address for outside, from inside", from, to: at(address) },
        ...(node === null
          ? []
          : [{ title: "an address for outside, from a node itself", from: node, to: at(address) }]),
      ]),
  ];
}

function ofNodePort({ port }: About, from: string, node: string, world: World): Telltale[] {
  if (port.nodePort === null) return [];
  const host = world.hosts.get(node.slice("node/".length));
  const own = (host?.addresses ?? []).filter(({ dev }) => dev !== "lo" && dev !== "kube-ipvs0");
  const at = (address: string): string => `${address}:${port.nodePort}/${port.proto}`;
  const [primary] = own.filter(({ dev }) => dev === "eth0");
  const other = own.find(({ dev }) => dev !== "eth0");
  return [
    ...(primary === undefined
      ? []
      : [
          { title: "the node port, from outside", from: "external", to: at(formatIpv4(primary.address)) },
          { title: "the node port, from inside", from, to: at(formatIpv4(primary.address)) },
        ]),
    ...(other === undefined
      ? []
      : [
          {
            title: "the node port at the address of another interface",
            from,
            to: at(formatIpv4(other.address)),
          },
        ]),
    { title: "the node port at 127.0.0.1", from: node, to: at("127.0.0.1") },
  ];
}

/** The node that sends, or that the sender is wired to. */
function nodeOf({ world, sender }: Asked): string | null {
  const isNode = (name: string | undefined): boolean =>
    name !== undefined && world.hosts.get(name)?.kind === "node";
  if (isNode(sender)) return `node/${sender}`;
  for (const { a, b } of world.wires) {
    const other = a.host === sender ? b.host : b.host === sender ? a.host : undefined;
    if (isNode(other)) return `node/${other}`;
  }
  const first = [...world.hosts.values()].find(({ kind }) => kind === "node");
  return first === undefined ? null : `node/${first.name}`;
}

/** The last address of the network of cluster IPs that no Service has, but for the very last. */
function unallocated({ serviceCidr, services }: Asked): string | null {
  if (serviceCidr === null || serviceCidr.length > 29) return null;
  const end = lastOf(serviceCidr);
  for (let back = 1; back < 2 ** (32 - serviceCidr.length) - 1; back++) {
    const address = formatIpv4((end - back) | 0);
    if (services.at(address) === undefined) return address;
  }
  return null;
}
