import { formatIp } from "../address/ip.ts";
import { singleAddress } from "../address/masked.ts";
import type { TcpMatch } from "../kernel/netfilter/match/tcp.ts";
import type { UdpMatch } from "../kernel/netfilter/match/udp.ts";
import type { Rule } from "../kernel/netfilter/rule.ts";
import { namespaceOf, type Service } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import type { World } from "../world/world.ts";
import { commentsOf } from "./owner/placed-rule.ts";
import { portInComment } from "./owner/service-comment.ts";

/** A port that a Service offers. */
export interface KnownPort {
  readonly service: KnownService;
  readonly name: string;
  readonly proto: string;
  readonly port: number;
  readonly nodePort: number | null;
  /** Its place in `spec.ports`; null where only rules tell of it. */
  readonly index: number | null;
}

export interface KnownService {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIps: ReadonlySet<string>;
  /** External IPs and the load balancer's addresses. */
  readonly otherIps: ReadonlySet<string>;
  readonly ports: readonly KnownPort[];
  /** null where only kube-proxy's rules tell of it. */
  readonly object: Service | null;
}

/** The Services there are, by their addresses and node ports: of the objects, and of the rules kube-proxy wrote elsewhere. */
export class Services {
  readonly #list: readonly KnownService[];
  readonly #byAddress = new Map<string, KnownService>();
  readonly #byNodePort = new Map<string, KnownPort>();

  constructor(world: World, objects: Lister | null) {
    this.#list =
      objects !== null && objects.list("Service").length > 0
        ? objects.list("Service").map(ofObject)
        : ofRules(world);
    for (const service of this.#list) {
      for (const address of [...service.clusterIps, ...service.otherIps])
        this.#byAddress.set(address, service);
      for (const port of service.ports)
        if (port.nodePort !== null) this.#byNodePort.set(`${port.nodePort}/${port.proto}`, port);
    }
  }

  get list(): readonly KnownService[] {
    return this.#list;
  }

  at(address: string): KnownService | undefined {
    return this.#byAddress.get(address);
  }

  atNodePort(port: number, proto: string): KnownPort | undefined {
    return this.#byNodePort.get(`${port}/${proto}`);
  }

  named(namespace: string, name: string): KnownService | undefined {
    return this.#list.find((service) => service.namespace === namespace && service.name === name);
  }

  /** The port that a packet to this address and port is for. */
  portAt(address: string, port: number, proto: string): KnownPort | undefined {
    return (
      this.at(address)?.ports.find((each) => each.port === port && each.proto === proto) ??
      this.atNodePort(port, proto)
    );
  }
}

/** `svc/shop/db` */
export function serviceText({
  namespace,
  name,
}: {
  readonly namespace: string;
  readonly name: string;
}): string {
  return `Service ${namespace}/${name}`;
}

type Draft = { -readonly [K in keyof KnownService]: KnownService[K] } & {
  clusterIps: Set<string>;
  otherIps: Set<string>;
  ports: KnownPort[];
};

function ofObject(object: Service): KnownService {
  const { spec, status, metadata } = object;
  const clusterIps = [spec.clusterIP ?? "", ...(spec.clusterIPs ?? [])].filter(isAddress);
  const ingress = (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? "");
  const service: Draft = {
    namespace: namespaceOf(object),
    name: metadata.name,
    clusterIps: new Set(clusterIps),
    otherIps: new Set([...(spec.externalIPs ?? []), ...ingress].filter(isAddress)),
    ports: [],
    object,
  };
  service.ports = (spec.ports ?? []).map((port, index) => ({
    service,
    name: port.name ?? "",
    proto: (port.protocol ?? "TCP").toLowerCase(),
    port: port.port,
    nodePort: port.nodePort ?? null,
    index,
  }));
  return service;
}

function isAddress(text: string): boolean {
  return text !== "" && text !== "None";
}

/** A rule of KUBE-SERVICES names a Service in its comment, and asks for one of its addresses and ports. */
function ofRules(world: World): KnownService[] {
  const found = new Map<string, Draft>();
  // Hosts share the chains they have in common.
  const seen = new Set<readonly Rule[]>();
  for (const { iptables } of world.hosts.values()) {
    for (const table of iptables?.tables.values() ?? []) {
      for (const chain of ["KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS"]) {
        const rules = table.chains.get(chain)?.rules ?? [];
        if (!seen.has(rules)) for (const rule of rules) take(found, table.name, chain, rule);
        seen.add(rules);
      }
    }
  }
  return [...found.values()];
}

function take(found: Map<string, Draft>, table: string, chain: string, rule: Rule): void {
  const named = portInComment({ table, chain, rule });
  const ports = rule.matches.find((match) => match.kind === "tcp" || match.kind === "udp") as
    | TcpMatch
    | UdpMatch
    | undefined;
  if (named === undefined || ports?.dport == null) return;
  const key = `${named.namespace}/${named.service}`;
  const service: Draft = found.get(key) ?? {
    namespace: named.namespace,
    name: named.service,
    clusterIps: new Set(),
    otherIps: new Set(),
    ports: [],
    object: null,
  };
  found.set(key, service);
  const number = ports.dport.value.min;
  const ours = (port: KnownPort): boolean => port.name === named.port && port.proto === ports.kind;
  const before = service.ports.find(ours);
  const add = (more: Partial<KnownPort>): void => {
    const none = { service, name: named.port, proto: ports.kind, port: 0, nodePort: null, index: null };
    service.ports = [...service.ports.filter((port) => !ours(port)), { ...none, ...before, ...more }];
  };
  const single = rule.dst === null ? null : singleAddress(rule.dst.value);
  if (single === null) {
    if (!commentsOf(rule).some((text) => text.endsWith("health check node port"))) add({ nodePort: number });
    return;
  }
  const address = formatIp(single);
  const isOther = commentsOf(rule).some((text) => /(external|loadbalancer) IP$/.test(text));
  if (isOther || chain === "KUBE-EXTERNAL-SERVICES") service.otherIps.add(address);
  else service.clusterIps.add(address);
  add({ port: number });
}
