import type { ChosenEndpoints } from "../choose-endpoints.ts";
import type { LocalMatch } from "../configuration.ts";
import type { Endpoint } from "../endpoints.ts";
import type { PortModel } from "../model.ts";
import {
  isExternallyAccessible,
  type ServicePort,
  usesClusterEndpoints,
  usesLocalEndpoints,
} from "../service-ports.ts";
import { allowsNode } from "../source-ranges.ts";
import type { ProxyFeatures } from "../versions.ts";
import { type EndpointNames, endpointNames, type PortNames, portNames } from "./names.ts";

/** What the lines of all Services of a node have in common. */
export interface LineStyle {
  readonly table: string;
  readonly features: ProxyFeatures;
  readonly local: LocalMatch | null;
  readonly masqueradeAll: boolean;
}

/** An element of a set or map that Services share. */
export interface PortElement {
  readonly set: string;
  readonly isMap: boolean;
  readonly key: string;
  /** `goto service-…`, `drop`; null in a set. */
  readonly value: string | null;
  readonly comment: string | null;
}

/** A command on a port's own chain or set; `endpoint` where it is there for one alone. */
export interface OwnLine {
  readonly text: string;
  readonly endpoint: Endpoint | null;
}

/** What nftables mode writes of one port of a Service, in kube-proxy's order. */
export interface PortLines {
  readonly chains: readonly { readonly name: string; readonly endpoint: Endpoint | null }[];
  readonly affinitySets: readonly string[];
  readonly elements: readonly PortElement[];
  readonly own: readonly OwnLine[];
}

export function portLines(
  model: PortModel,
  chosen: ChosenEndpoints,
  nodeIp: string,
  style: LineStyle,
): PortLines {
  return new PortWriter(model.port, chosen, nodeIp, style).write();
}

const REJECT = "goto reject-chain";

class PortWriter {
  private readonly port: ServicePort;
  private readonly chosen: ChosenEndpoints;
  private readonly nodeIp: string;
  private readonly style: LineStyle;
  private readonly names: PortNames;
  private readonly ofEndpoint: ReadonlyMap<Endpoint, EndpointNames>;
  private readonly ip: "ip" | "ip6";
  private readonly elements: PortElement[] = [];
  private readonly own: OwnLine[] = [];

  constructor(port: ServicePort, chosen: ChosenEndpoints, nodeIp: string, style: LineStyle) {
    this.port = port;
    this.chosen = chosen;
    this.nodeIp = nodeIp;
    this.style = style;
    this.names = portNames(port);
    this.ofEndpoint = new Map(chosen.reachable.map((one) => [one, endpointNames(port, one)]));
    this.ip = style.table.startsWith("ip6") ? "ip6" : "ip";
  }

  write(): PortLines {
    const { port, names, chosen } = this;
    const usesCluster = chosen.cluster.length > 0 && usesClusterEndpoints(port);
    const usesLocal = chosen.local.length > 0 && usesLocalEndpoints(port);
    this.writeElements();
    if (this.internalVerdict === null) this.writeInternalMasquerade();
    if (this.usesExternalChain) this.writeExternalChain();
    if (this.usesFirewallChain) this.writeFirewallChain();
    this.writeAffinitySets();
    if (usesCluster) this.writeDispatch(names.service, chosen.cluster);
    if (usesLocal) this.writeDispatch(names.local, chosen.local);
    for (const endpoint of chosen.reachable) this.writeEndpointChain(endpoint);
    const chains = [
      ...(usesCluster ? [names.service] : []),
      ...(usesLocal ? [names.local] : []),
      ...(this.usesExternalChain ? [names.external] : []),
      ...(this.usesFirewallChain ? [names.firewall] : []),
    ];
    return {
      chains: [
        ...chosen.reachable.map((endpoint) => ({ name: this.endpoint(endpoint).endpoint, endpoint })),
        ...chains.map((name) => ({ name, endpoint: null })),
      ],
      affinitySets:
        port.affinitySeconds === null ? [] : chosen.reachable.map((one) => this.endpoint(one).affinity),
      elements: this.elements,
      own: this.own,
    };
  }

  private endpoint(one: Endpoint): EndpointNames {
    return this.ofEndpoint.get(one) as EndpointNames;
  }

  /** Traffic that no endpoint may take: what is done to it; null where one may. */
  private verdict(policyLocal: boolean): string | null {
    if (!this.chosen.hasEndpoints) return REJECT;
    return policyLocal && this.chosen.local.length === 0 ? "drop" : null;
  }

  private get internalVerdict(): string | null {
    return this.verdict(this.port.internalPolicyLocal);
  }

  private get externalVerdict(): string | null {
    return this.verdict(this.port.externalPolicyLocal);
  }

  /** Even with no endpoint for outside traffic: pods and the node itself are let through to the others. */
  private get usesExternalChain(): boolean {
    return this.chosen.hasEndpoints && isExternallyAccessible(this.port);
  }

  private get hasFirewall(): boolean {
    return this.port.vips.length > 0 && this.port.sourceRanges.length > 0;
  }

  /** Looked at before any other, so with endpoints or without. */
  private get usesFirewallChain(): boolean {
    return this.hasFirewall && this.style.features.ownChecks;
  }

  private get internalChain(): string {
    return this.port.internalPolicyLocal ? this.names.local : this.names.service;
  }

  private writeElements(): void {
    const { port, names, chosen } = this;
    const { clusterIp, externalIps, vips, nodePort, protocol } = port;
    if (this.style.features.ownChecks) {
      this.elements.push({ set: "cluster-ips", isMap: false, key: clusterIp, value: null, comment: null });
    }
    const internal = this.internalVerdict;
    if (internal === null) this.dispatch(clusterIp, this.internalChain);
    else this.refuse(clusterIp, internal);
    const external = this.externalVerdict;
    for (const ip of externalIps) {
      if (chosen.hasEndpoints) this.dispatch(ip, names.external);
      if (external !== null) this.refuse(ip, external);
    }
    for (const ip of vips) {
      if (chosen.hasEndpoints) this.dispatch(ip, names.external);
      if (this.usesFirewallChain) this.map("firewall-ips", this.destination(ip), `goto ${names.firewall}`);
      else if (this.hasFirewall) this.writeOldFirewall(ip);
    }
    if (external !== null) for (const ip of vips) this.refuse(ip, external);
    if (nodePort === 0) return;
    const key = `${protocol} . ${nodePort}`;
    if (chosen.hasEndpoints) this.map("service-nodeports", key, `goto ${names.external}`);
    if (external !== null) this.map("no-endpoint-nodeports", key, external, port.name);
  }

  private destination(ip: string): string {
    return `${ip} . ${this.port.protocol} . ${this.port.port}`;
  }

  private map(set: string, key: string, value: string, comment: string | null = null): void {
    this.elements.push({ set, isMap: true, key, value, comment });
  }

  private dispatch(ip: string, chain: string): void {
    this.map("service-ips", this.destination(ip), `goto ${chain}`);
  }

  private refuse(ip: string, verdict: string): void {
    this.map("no-endpoint-services", this.destination(ip), verdict, this.port.name);
  }

  private rule(chain: string, rule: string, comment: string | null = null, endpoint: Endpoint | null = null) {
    const said = comment === null ? "" : ` comment "${comment}"`;
    this.own.push({ text: `add rule ${this.style.table} ${chain} ${rule}${said}`, endpoint });
  }

  private writeInternalMasquerade(): void {
    const { port, style } = this;
    const { masqueradeAll, local, features } = style;
    if (!masqueradeAll && local === null) return;
    const words = [
      `${this.ip} daddr ${port.clusterIp}`,
      ...(features.filterPriority ? [] : [`${port.protocol} dport ${port.port}`]),
      ...(masqueradeAll || local === null ? [] : [local.ifNotLocal]),
      "jump mark-for-masquerade",
    ];
    this.rule(this.internalChain, words.join(" "));
  }

  private writeExternalChain(): void {
    const { port, names, style } = this;
    const { external, service, local } = names;
    if (!port.externalPolicyLocal) this.rule(external, "jump mark-for-masquerade");
    else {
      if (style.local !== null) {
        this.rule(external, `${style.local.ifLocal} goto ${service}`, "short-circuit pod traffic");
      }
      this.rule(external, "fib saddr type local jump mark-for-masquerade", "masquerade local traffic");
      this.rule(external, `fib saddr type local goto ${service}`, "short-circuit local traffic");
    }
    if (this.externalVerdict === null) {
      this.rule(external, `goto ${port.externalPolicyLocal ? local : service}`);
    }
  }

  /** The ranges, and with the node in them the addresses it may hold itself. */
  private get allowedSources(): readonly string[] {
    const { sourceRanges, vips } = this.port;
    return allowsNode(this.port, this.nodeIp) ? [...sourceRanges, ...vips] : sourceRanges;
  }

  private writeFirewallChain(): void {
    this.rule(this.names.firewall, `${this.ip} saddr != { ${this.allowedSources.join(", ")} } drop`);
  }

  /** 1.29 */
  private writeOldFirewall(vip: string): void {
    const destination = this.destination(vip);
    const add = (set: string, key: string): unknown =>
      this.elements.push({ set, isMap: false, key, value: null, comment: this.port.name });
    add("firewall", destination);
    for (const source of this.port.sourceRanges) add("firewall-allow", `${destination} . ${source}`);
    if (allowsNode(this.port, this.nodeIp)) add("firewall-allow", `${destination} . ${vip}`);
  }

  private writeAffinitySets(): void {
    const { affinitySeconds } = this.port;
    if (affinitySeconds === null) return;
    for (const endpoint of this.chosen.reachable) {
      const { affinity } = this.endpoint(endpoint);
      const type = this.ip === "ip" ? "ipv4_addr" : "ipv6_addr";
      this.own.push({
        text: `add set ${this.style.table} ${affinity} { type ${type} ; flags dynamic,timeout ; timeout ${affinitySeconds}s ; }`,
        endpoint,
      });
    }
  }

  private writeDispatch(chain: string, endpoints: readonly Endpoint[]): void {
    for (const one of this.port.affinitySeconds === null ? [] : endpoints) {
      const { endpoint, affinity } = this.endpoint(one);
      this.rule(chain, `${this.ip} saddr @${affinity} goto ${endpoint}`);
    }
    const targets = endpoints.map((one, i) => `${i} : goto ${this.endpoint(one).endpoint}`);
    this.rule(chain, `numgen random mod ${endpoints.length} vmap { ${targets.join(" , ")} }`);
  }

  private writeEndpointChain(one: Endpoint): void {
    const { endpoint, affinity } = this.endpoint(one);
    const { affinitySeconds, protocol } = this.port;
    this.rule(endpoint, `${this.ip} saddr ${one.ip} jump mark-for-masquerade`, null, one);
    if (affinitySeconds !== null) this.rule(endpoint, `update @${affinity} { ${this.ip} saddr }`, null, one);
    this.rule(endpoint, `meta l4proto ${protocol} dnat to ${one.text}`, null, one);
  }
}
