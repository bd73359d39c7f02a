import { type Family, familyOfAddress, formatIp, type IpAddress, parseIp } from "../address/ip.ts";
import { addressFromEnd, type IpPrefix } from "../address/ip-prefix.ts";
import { socketAddressText } from "../address/socket-address.ts";
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
  return {
    probability,
    server: server === undefined ? null : serverOf(server),
    client: client.result,
    icmp: client.icmp === undefined ? null : { type: client.icmp.type, code: client.icmp.code },
  };
}

function serverOf({ host, address, port, peer }: NonNullable<Outcome["server"]>): ModeEnd["server"] {
  return {
    host,
    address: port === undefined ? address : socketAddressText(address, port),
    peer: peer.address,
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
  readonly destination: IpAddress;
  /** In which questions are wanted; the first is the question's own. */
  readonly families: readonly Family[];
  readonly port: number;
  readonly proto: string;
  readonly world: World;
  readonly services: Services;
  readonly serviceCidrs: readonly IpPrefix[];
}

/** The kubelet's own port, which every node has. */
const KUBELET_PORT = 10_250;

/** The question itself first, then those that tell the modes apart, of the Service it is about or else of the first there is. */
export function telltalesFor(asked: Asked): Telltale[] {
  const { from, to, families } = asked;
  const list: Telltale[] = [{ title: "the question", from, to }];
  for (const [i, family] of families.entries()) {
    const own = telltalesIn(family, asked);
    list.push(...(i === 0 ? own : own.map((one) => ({ ...one, title: `${one.title}, in IPv${family}` }))));
  }
  const seen = new Set<string>();
  return list.filter((one) => {
    const key = `${one.from} ${one.to}`;
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}

function telltalesIn(family: Family, asked: Asked): Telltale[] {
  const { from } = asked;
  const about = serviceOf(asked, family);
  const node = nodeOf(asked);
  const free = unallocated(asked, family);
  return [
    ...(about === null ? [] : ofService(about, from, node, family).filter((one) => !isSame(one, asked))),
    ...(node === null || about === null ? [] : ofNodePort(about, from, node, asked.world, family)),
    ...(free === null
      ? []
      : [{ title: "an address of no Service", from, to: socketAddressText(formatIp(free), 80) }]),
  ];
}

/** Is it the question itself in other words? */
function isSame({ from, to }: Telltale, asked: Asked): boolean {
  const { destination, port, proto } = asked;
  const address = formatIp(destination);
  return (
    from === asked.from && to === `${proto === "icmp" ? address : socketAddressText(address, port)}/${proto}`
  );
}

interface About {
  readonly service: KnownService;
  readonly port: KnownPort;
  readonly clusterIp: string;
}

function serviceOf({ services, destination, port, proto }: Asked, family: Family): About | null {
  const direct = services.portAt(formatIp(destination), port, proto);
  const known = direct?.service ?? services.at(formatIp(destination));
  for (const service of known === undefined ? services.list : [known]) {
    const clusterIp = [...service.clusterIps].find((address) => isOf(family, address));
    const first = direct ?? service.ports[0];
    if (clusterIp !== undefined && first !== undefined) return { service, port: first, clusterIp };
  }
  return null;
}

function isOf(family: Family, text: string): boolean {
  const address = parseIp(text);
  return address !== undefined && familyOfAddress(address) === family;
}

function ofService(
  { service, port, clusterIp }: About,
  from: string,
  node: string | null,
  family: Family,
): Telltale[] {
  const at = (address: string): string => `${socketAddressText(address, port.port)}/${port.proto}`;
  const taken = new Set(service.ports.map((one) => one.port));
  let wrong = port.port + 1;
  while (taken.has(wrong)) wrong = wrong === 65_535 ? 1 : wrong + 1;
  const others = [...service.otherIps].filter((address) => isOf(family, address));
  return [
    { title: "the cluster IP", from, to: at(clusterIp) },
    ...(node === null
      ? []
      : [{ title: "the cluster IP, from a node itself", from: node, to: at(clusterIp) }]),
    { title: "a ping to the cluster IP", from, to: `${clusterIp}/icmp` },
    {
      title: "a port that the Service does not have",
      from,
      to: `${socketAddressText(clusterIp, wrong)}/tcp`,
    },
    ...(taken.has(KUBELET_PORT)
      ? []
      : [
          {
            title: "the node's own port at the cluster IP",
            from,
            to: `${socketAddressText(clusterIp, KUBELET_PORT)}/tcp`,
          },
        ]),
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

function ofNodePort(
  { port: { nodePort, proto } }: About,
  from: string,
  node: string,
  world: World,
  family: Family,
): Telltale[] {
  if (nodePort === null) return [];
  const host = world.hosts.get(node.slice("node/".length));
  const all = (family === 6 ? host?.addresses6 : host?.addresses) ?? [];
  const own = all.filter(
    ({ dev, scope }) => dev !== "lo" && dev !== "kube-ipvs0" && (family === 4 || scope === "global"),
  );
  const at = (address: string): string => `${socketAddressText(address, nodePort)}/${proto}`;
  const localhost = family === 6 ? "::1" : "127.0.0.1";
  const [primary] = own.filter(({ dev }) => dev === "eth0");
  const other = own.find(({ dev }) => dev !== "eth0");
  return [
    ...(primary === undefined
      ? []
      : [
          { title: "the node port, from outside", from: "external", to: at(formatIp(primary.address)) },
          { title: "the node port, from inside", from, to: at(formatIp(primary.address)) },
        ]),
    ...(other === undefined
      ? []
      : [
          {
            title: "the node port at the address of another interface",
            from,
            to: at(formatIp(other.address)),
          },
        ]),
    { title: `the node port at ${localhost}`, from: node, to: at(localhost) },
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
function unallocated({ serviceCidrs, services }: Asked, family: Family): IpAddress | null {
  const cidr = serviceCidrs.find(({ address }) => familyOfAddress(address) === family);
  const bits = (family === 6 ? 128 : 32) - (cidr?.length ?? 0);
  if (cidr === undefined || bits < 3) return null;
  const most = 2 ** Math.min(bits, 32) - 2;
  for (let back = 1; back <= most; back++) {
    const address = addressFromEnd(cidr, back);
    if (services.at(formatIp(address)) === undefined) return address;
  }
  return null;
}
