import type { ChosenEndpoints } from "../choose-endpoints.ts";
import type { Endpoint } from "../endpoints.ts";
import type { PortModel } from "../model.ts";
import { isExternallyAccessible, usesLocalEndpoints } from "../service-ports.ts";
import { allowsNode } from "../source-ranges.ts";
import { dispatchRules, endpointRules } from "./endpoint-rules.ts";
import { MARK_DROP_CHAIN } from "./fixed-rules.ts";
import { oldServiceLines } from "./old-service-rules.ts";
import { healthCheckLines, type RuleStyle, ruleLine, type ServiceLines } from "./service-lines.ts";

export function serviceLines(
  model: PortModel,
  chosen: ChosenEndpoints,
  nodeIp: string,
  style: RuleStyle,
): ServiceLines {
  return style.features.externalChain
    ? new ServiceRules(model, chosen, nodeIp, style).write()
    : oldServiceLines(model, chosen, nodeIp, style);
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
    this.filter.push(...healthCheckLines(this.model.port));
    this.writeInternalMasquerade();
    if (this.usesExternalChain) this.writeExternalChain();
    if (this.usesFirewall) this.writeFirewallChain();
    this.writePolicyChain(this.model.chains.cluster, this.chosen.cluster);
    this.writePolicyChain(this.model.chains.local, this.chosen.local);
    this.writeEmptyLocalChain();
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
    if (!policyLocal || this.chosen.local.length > 0 || !this.style.features.filterDrops) return null;
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
        ruleLine(
          "KUBE-SERVICES",
          `"${port.name} cluster IP"`,
          this.match(port.clusterIp),
          this.internalChain,
        ),
      );
    } else {
      this.filter.push(
        ruleLine("KUBE-SERVICES", unusable.comment, this.match(port.clusterIp), unusable.target),
      );
    }
  }

  private writeExternalIps(): void {
    const { port, chains } = this.model;
    for (const ip of port.externalIps) {
      if (this.chosen.hasEndpoints) {
        this.natShared.push(
          ruleLine("KUBE-SERVICES", `"${port.name} external IP"`, this.match(ip), chains.external),
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
        this.natShared.push(
          ruleLine("KUBE-SERVICES", `"${port.name} loadbalancer IP"`, this.match(ip), chain),
        );
      }
      if (this.usesFirewall && this.style.features.filterDrops) {
        const comment = `"${port.name} traffic not accepted by ${chains.firewall}"`;
        this.filter.push(ruleLine("KUBE-PROXY-FIREWALL", comment, this.match(ip), "DROP"));
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
        this.natShared.push(ruleLine("KUBE-NODEPORTS", port.name, counted, chains.external));
      }
      this.natShared.push(
        ruleLine("KUBE-NODEPORTS", port.name, this.match(null, port.nodePort), chains.external),
      );
    }
    this.writeUnusableExternal(`-m addrtype --dst-type LOCAL ${this.match(null, port.nodePort)}`);
  }

  private writeUnusableExternal(match: string): void {
    const unusable = this.externalUnusable;
    if (unusable === null) return;
    this.filter.push(ruleLine("KUBE-EXTERNAL-SERVICES", unusable.comment, match, unusable.target));
  }

  private writeInternalMasquerade(): void {
    const { port } = this.model;
    if (this.internalUnusable !== null) return;
    const { masqueradeAll, local } = this.style;
    const match = this.match(port.clusterIp);
    const comment = `"${port.name} cluster IP"`;
    if (masqueradeAll) this.natOwn.push(ruleLine(this.internalChain, comment, match, "KUBE-MARK-MASQ"));
    else if (local !== null) {
      this.natOwn.push(
        ruleLine(this.internalChain, comment, `${match} ${local.ifNotLocal}`, "KUBE-MARK-MASQ"),
      );
    }
  }

  private writeExternalChain(): void {
    const { port, chains } = this.model;
    const { external, cluster, local } = chains;
    const destinations = `${port.name} external destinations`;
    this.ownChains.push(external);
    if (!port.externalPolicyLocal) {
      this.natOwn.push(
        ruleLine(external, `"masquerade traffic for ${destinations}"`, null, "KUBE-MARK-MASQ"),
        `-A ${external} -j ${cluster}`,
      );
      return;
    }
    if (this.style.local !== null) {
      this.natOwn.push(
        ruleLine(external, `"pod traffic for ${destinations}"`, this.style.local.ifLocal, cluster),
      );
    }
    const fromNode = "-m addrtype --src-type LOCAL";
    this.natOwn.push(
      ruleLine(external, `"masquerade LOCAL traffic for ${destinations}"`, fromNode, "KUBE-MARK-MASQ"),
      ruleLine(external, `"route LOCAL traffic for ${destinations}"`, fromNode, cluster),
    );
    if (this.externalUnusable === null) this.natOwn.push(`-A ${external} -j ${local}`);
  }

  private writeFirewallChain(): void {
    const { port, chains } = this.model;
    const { firewall, external } = chains;
    const comment = `"${port.name} loadbalancer IP"`;
    this.ownChains.push(firewall);
    for (const range of port.sourceRanges) {
      this.natOwn.push(ruleLine(firewall, comment, `-s ${range}`, external));
    }
    if (allowsNode(this.model.port, this.nodeIp)) {
      for (const ip of port.vips) this.natOwn.push(ruleLine(firewall, comment, `-s ${ip}`, external));
    }
    this.natOwn.push(
      this.style.features.filterDrops
        ? ruleLine(
            firewall,
            `"other traffic to ${port.name} will be dropped by KUBE-PROXY-FIREWALL"`,
            null,
            null,
          )
        : ruleLine(firewall, comment, null, MARK_DROP_CHAIN),
    );
  }

  private writePolicyChain(chain: string, endpoints: readonly Endpoint[]): void {
    if (endpoints.length === 0) return;
    const { endpointComments, features } = this.style;
    const { name } = this.model.port;
    const comment = ({ text }: Endpoint): string | null => {
      if (!endpointComments) return null;
      return features.endpointInComments ? `"${name} -> ${text}"` : name;
    };
    this.ownChains.push(chain);
    this.natOwn.push(...dispatchRules(chain, endpoints, this.model, { affinity: comment, balance: comment }));
  }

  /** 1.24: who comes here though nobody is here is marked, and dropped in filter. */
  private writeEmptyLocalChain(): void {
    const { port, chains } = this.model;
    const isWanted = this.chosen.hasEndpoints && this.chosen.local.length === 0 && usesLocalEndpoints(port);
    if (!isWanted || this.style.features.filterDrops) return;
    this.ownChains.push(chains.local);
    this.natOwn.push(ruleLine(chains.local, `"${port.name} has no local endpoints"`, null, MARK_DROP_CHAIN));
  }

  private writeEndpointChain(endpoint: Endpoint): void {
    this.ownChains.push(this.model.endpointChains.get(endpoint.text) as string);
    this.natOwn.push(...endpointRules(endpoint, this.model, this.style));
  }
}
