import { prefixHolds } from "../canonical-address.ts";
import type { ChosenEndpoints } from "../choose-endpoints.ts";
import type { LocalMatch } from "../configuration.ts";
import type { Endpoint } from "../endpoints.ts";
import type { PortModel } from "../model.ts";
import { isExternallyAccessible } from "../service-ports.ts";
import { probability } from "./probability.ts";

/** What the rules of all Services of a node have in common. */
export interface RuleStyle {
  readonly local: LocalMatch | null;
  readonly masqueradeAll: boolean;
  /** Node ports on 127.0.0.0/8 are counted in a rule of their own. */
  readonly countLocalhostNodePorts: boolean;
  /** Comments on single endpoints are written (small clusters). */
  readonly endpointComments: boolean;
}

/** The lines of one port of a Service, in the order kube-proxy writes them. */
export interface ServiceLines {
  /** Into chains that all Services share. */
  readonly filter: readonly string[];
  readonly natShared: readonly string[];
  /** The port's own chains and what is in them: left out by a partial sync when nothing changed. */
  readonly ownChains: readonly string[];
  readonly natOwn: readonly string[];
}

export function serviceLines(
  model: PortModel,
  chosen: ChosenEndpoints,
  nodeIp: string,
  style: RuleStyle,
): ServiceLines {
  return new ServiceRules(model, chosen, nodeIp, style).write();
}

/** Traffic that no endpoint may take: what is done to it, and why. */
interface Unusable {
  readonly target: "REJECT" | "DROP";
  readonly comment: string;
}

class ServiceRules {
  private readonly model: PortModel;
  private readonly chosen: ChosenEndpoints;
  private readonly nodeIp: string;
  private readonly style: RuleStyle;
  private readonly filter: string[] = [];
  private readonly natShared: string[] = [];
  private readonly ownChains: string[] = [];
  private readonly natOwn: string[] = [];

  constructor(model: PortModel, chosen: ChosenEndpoints, nodeIp: string, style: RuleStyle) {
    this.model = model;
    this.chosen = chosen;
    this.nodeIp = nodeIp;
    this.style = style;
  }

  write(): ServiceLines {
    this.writeClusterIp();
    this.writeExternalIps();
    this.writeVips();
    this.writeNodePort();
    this.writeHealthCheck();
    this.writeInternalMasquerade();
    if (this.usesExternalChain) this.writeExternalChain();
    if (this.usesFirewall) this.writeFirewallChain();
    this.writePolicyChain(this.model.chains.cluster, this.chosen.cluster);
    this.writePolicyChain(this.model.chains.local, this.chosen.local);
    for (const endpoint of this.chosen.reachable) this.writeEndpointChain(endpoint);
    const { filter, natShared, ownChains, natOwn } = this;
    return { filter, natShared, ownChains, natOwn };
  }

  private get internalUnusable(): Unusable | null {
    return this.unusable(this.model.port.internalPolicyLocal);
  }

  private get externalUnusable(): Unusable | null {
    return this.unusable(this.model.port.externalPolicyLocal);
  }

  /** Remote endpoints still serve what the policy sends to them elsewhere, so for policy Local the packet is dropped. */
  private unusable(policyLocal: boolean): Unusable | null {
    const { name } = this.model.port;
    if (!this.chosen.hasEndpoints) return { target: "REJECT", comment: `"${name} has no endpoints"` };
    if (!policyLocal || this.chosen.local.length > 0) return null;
    return { target: "DROP", comment: `"${name} has no local endpoints"` };
  }

  /** Even with no endpoint for outside traffic: pods and the node itself are let through to the others. */
  private get usesExternalChain(): boolean {
    return this.chosen.hasEndpoints && isExternallyAccessible(this.model.port);
  }

  private get usesFirewall(): boolean {
    const { vips, sourceRanges } = this.model.port;
    return this.chosen.hasEndpoints && vips.length > 0 && sourceRanges.length > 0;
  }

  private get internalChain(): string {
    const { port, chains } = this.model;
    return port.internalPolicyLocal ? chains.local : chains.cluster;
  }

  /** `-m tcp -p tcp`, with the address if any, and the port. */
  private match(address: string | null, port = this.model.port.port): string {
    const { protocol } = this.model.port;
    const destination = address === null ? "" : ` -d ${address}`;
    return `-m ${protocol} -p ${protocol}${destination} --dport ${port}`;
  }

  private writeClusterIp(): void {
    const { port } = this.model;
    const unusable = this.internalUnusable;
    if (unusable === null) {
      this.natShared.push(
        rule("KUBE-SERVICES", `"${port.name} cluster IP"`, this.match(port.clusterIp), this.internalChain),
      );
    } else {
      this.filter.push(rule("KUBE-SERVICES", unusable.comment, this.match(port.clusterIp), unusable.target));
    }
  }

  private writeExternalIps(): void {
    const { port, chains } = this.model;
    for (const ip of port.externalIps) {
      if (this.chosen.hasEndpoints) {
        this.natShared.push(
          rule("KUBE-SERVICES", `"${port.name} external IP"`, this.match(ip), chains.external),
        );
      }
      this.writeUnusableExternal(this.match(ip));
    }
  }

  private writeVips(): void {
    const { port, chains } = this.model;
    const chain = this.usesFirewall ? chains.firewall : chains.external;
    for (const ip of port.vips) {
      if (this.chosen.hasEndpoints) {
        this.natShared.push(rule("KUBE-SERVICES", `"${port.name} loadbalancer IP"`, this.match(ip), chain));
      }
      if (this.usesFirewall) {
        const comment = `"${port.name} traffic not accepted by ${chains.firewall}"`;
        this.filter.push(rule("KUBE-PROXY-FIREWALL", comment, this.match(ip), "DROP"));
      }
    }
    for (const ip of port.vips) this.writeUnusableExternal(this.match(ip));
  }

  private writeNodePort(): void {
    const { port, chains } = this.model;
    if (port.nodePort === 0) return;
    if (this.chosen.hasEndpoints) {
      if (this.style.countLocalhostNodePorts) {
        const counted = `${this.match("127.0.0.0/8", port.nodePort)} -m nfacct --nfacct-name localhost_nps_accepted_pkts`;
        this.natShared.push(rule("KUBE-NODEPORTS", port.name, counted, chains.external));
      }
      this.natShared.push(
        rule("KUBE-NODEPORTS", port.name, this.match(null, port.nodePort), chains.external),
      );
    }
    this.writeUnusableExternal(`-m addrtype --dst-type LOCAL ${this.match(null, port.nodePort)}`);
  }

  private writeUnusableExternal(match: string): void {
    const unusable = this.externalUnusable;
    if (unusable === null) return;
    this.filter.push(rule("KUBE-EXTERNAL-SERVICES", unusable.comment, match, unusable.target));
  }

  /** Answered by kube-proxy itself, so let in whether or not there are local endpoints. */
  private writeHealthCheck(): void {
    const { name, healthCheckNodePort } = this.model.port;
    if (healthCheckNodePort === 0) return;
    const match = `-m tcp -p tcp --dport ${healthCheckNodePort}`;
    this.filter.push(rule("KUBE-NODEPORTS", `"${name} health check node port"`, match, "ACCEPT"));
  }

  private writeInternalMasquerade(): void {
    const { port } = this.model;
    if (this.internalUnusable !== null) return;
    const { masqueradeAll, local } = this.style;
    const match = this.match(port.clusterIp);
    const comment = `"${port.name} cluster IP"`;
    if (masqueradeAll) this.natOwn.push(rule(this.internalChain, comment, match, "KUBE-MARK-MASQ"));
    else if (local !== null) {
      this.natOwn.push(rule(this.internalChain, comment, `${match} ${local.ifNotLocal}`, "KUBE-MARK-MASQ"));
    }
  }

  private writeExternalChain(): void {
    const { port, chains } = this.model;
    const { external, cluster, local } = chains;
    const destinations = `${port.name} external destinations`;
    this.ownChains.push(external);
    if (!port.externalPolicyLocal) {
      this.natOwn.push(
        rule(external, `"masquerade traffic for ${destinations}"`, null, "KUBE-MARK-MASQ"),
        `-A ${external} -j ${cluster}`,
      );
      return;
    }
    if (this.style.local !== null) {
      this.natOwn.push(
        rule(external, `"pod traffic for ${destinations}"`, this.style.local.ifLocal, cluster),
      );
    }
    const fromNode = "-m addrtype --src-type LOCAL";
    this.natOwn.push(
      rule(external, `"masquerade LOCAL traffic for ${destinations}"`, fromNode, "KUBE-MARK-MASQ"),
      rule(external, `"route LOCAL traffic for ${destinations}"`, fromNode, cluster),
    );
    if (this.externalUnusable === null) this.natOwn.push(`-A ${external} -j ${local}`);
  }

  private writeFirewallChain(): void {
    const { port, chains } = this.model;
    const { firewall, external } = chains;
    const comment = `"${port.name} loadbalancer IP"`;
    this.ownChains.push(firewall);
    for (const range of port.sourceRanges) {
      this.natOwn.push(rule(firewall, comment, `-s ${range}`, external));
    }
    if (allowsNode(this.model, this.nodeIp)) {
      for (const ip of port.vips) this.natOwn.push(rule(firewall, comment, `-s ${ip}`, external));
    }
    this.natOwn.push(
      rule(firewall, `"other traffic to ${port.name} will be dropped by KUBE-PROXY-FIREWALL"`, null, null),
    );
  }

  private writePolicyChain(chain: string, endpoints: readonly Endpoint[]): void {
    if (endpoints.length === 0) return;
    const { port } = this.model;
    this.ownChains.push(chain);
    if (port.affinitySeconds !== null) {
      for (const endpoint of endpoints) {
        const target = this.endpointChain(endpoint);
        const recent = `-m recent --name ${target} --rcheck --seconds ${port.affinitySeconds} --reap`;
        this.natOwn.push(rule(chain, this.dispatchComment(endpoint), recent, target));
      }
    }
    endpoints.forEach((endpoint, i) => {
      const left = endpoints.length - i;
      const chance = left === 1 ? null : `-m statistic --mode random --probability ${probability(left)}`;
      this.natOwn.push(rule(chain, this.dispatchComment(endpoint), chance, this.endpointChain(endpoint)));
    });
  }

  private writeEndpointChain(endpoint: Endpoint): void {
    const { name, protocol, affinitySeconds } = this.model.port;
    const chain = this.endpointChain(endpoint);
    const comment = this.style.endpointComments ? name : null;
    const recent = affinitySeconds === null ? "" : `-m recent --name ${chain} --set `;
    this.ownChains.push(chain);
    this.natOwn.push(
      rule(chain, comment, `-s ${endpoint.ip}`, "KUBE-MARK-MASQ"),
      rule(
        chain,
        comment,
        `${recent}-m ${protocol} -p ${protocol}`,
        `DNAT --to-destination ${endpoint.text}`,
      ),
    );
  }

  private dispatchComment({ text }: Endpoint): string | null {
    return this.style.endpointComments ? `"${this.model.port.name} -> ${text}"` : null;
  }

  private endpointChain({ text }: Endpoint): string {
    return this.model.endpointChains.get(text) as string;
  }
}

/** A node in the source ranges may talk to a load balancer address it holds itself, and then that is its source. */
export function allowsNode({ port }: PortModel, nodeIp: string): boolean {
  return port.sourceRanges.some((range) => prefixHolds(range, nodeIp));
}

function rule(chain: string, comment: string | null, match: string | null, target: string | null): string {
  let text = `-A ${chain}`;
  if (comment !== null) text += ` -m comment --comment ${comment}`;
  if (match !== null) text += ` ${match}`;
  if (target !== null) text += ` -j ${target}`;
  return text;
}
