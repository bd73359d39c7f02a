import type { ChosenEndpoints } from "../choose-endpoints.ts";
import type { Endpoint } from "../endpoints.ts";
import type { PortModel } from "../model.ts";
import { allowsNode } from "../source-ranges.ts";
import { dispatchRules, endpointRules } from "./endpoint-rules.ts";
import { MARK_DROP_CHAIN } from "./fixed-rules.ts";
import { healthCheckLines, type RuleStyle, ruleLine, type ServiceLines } from "./service-lines.ts";

/**
 * The rules of a port of a Service as releases 1.20 to 1.23 write them: KUBE-SVC for every kind of traffic, its first
 * rules saying what of it is masqueraded; KUBE-XLB for what policy Local keeps on the node; KUBE-FW for each port with a
 * load balancer's address.
 */
export function oldServiceLines(
  model: PortModel,
  chosen: ChosenEndpoints,
  nodeIp: string,
  style: RuleStyle,
): ServiceLines {
  return new OldServiceRules(model, chosen, nodeIp, style).write();
}

class OldServiceRules {
  private readonly model: PortModel;
  private readonly local: readonly Endpoint[];
  private readonly nodeIp: string;
  private readonly style: RuleStyle;
  private readonly filter: string[] = [];
  private readonly natShared: string[] = [];
  private readonly ownChains: string[] = [];
  private readonly natOwn: string[] = [];
  /** Of internal policy Local the others do not count at all, whoever asks. */
  private readonly endpoints: readonly Endpoint[];

  constructor(model: PortModel, chosen: ChosenEndpoints, nodeIp: string, style: RuleStyle) {
    this.model = model;
    this.local = chosen.local;
    this.endpoints = model.port.internalPolicyLocal ? chosen.local : chosen.cluster;
    this.nodeIp = nodeIp;
    this.style = style;
  }

  write(): ServiceLines {
    const { port, chains } = this.model;
    if (this.hasEndpoints) this.ownChains.push(chains.cluster);
    if (port.externalPolicyLocal) this.ownChains.push(chains.localExternal);
    this.writeClusterIp();
    this.writeExternalIps();
    this.writeVips();
    this.writeNodePort();
    this.filter.push(...healthCheckLines(this.model.port));
    if (this.hasEndpoints) {
      this.writeDispatch();
      if (port.externalPolicyLocal) this.writeLocalExternal();
    }
    const { filter, natShared, ownChains, natOwn } = this;
    return { filter, natShared, ownChains, natOwn };
  }

  private get hasEndpoints(): boolean {
    return this.endpoints.length > 0;
  }

  private get externalChain(): string {
    const { port, chains } = this.model;
    return port.externalPolicyLocal ? chains.localExternal : chains.cluster;
  }

  private match(address: string | null, port = this.model.port.port): string {
    const { protocol } = this.model.port;
    return `-m ${protocol} -p ${protocol}${address === null ? "" : ` -d ${address}`} --dport ${port}`;
  }

  private reject(chain: string, match: string): void {
    this.filter.push(ruleLine(chain, `"${this.model.port.name} has no endpoints"`, match, "REJECT"));
  }

  private writeClusterIp(): void {
    const { port, chains } = this.model;
    const match = this.match(port.clusterIp);
    if (!this.hasEndpoints) {
      this.reject("KUBE-SERVICES", match);
      return;
    }
    const comment = `"${port.name} cluster IP"`;
    const { masqueradeAll, local } = this.style;
    if (masqueradeAll) this.natOwn.push(ruleLine(chains.cluster, comment, match, "KUBE-MARK-MASQ"));
    else if (local !== null) {
      const fromOthers = `${match} ${local.ifNotLocal}`;
      this.natOwn.push(ruleLine(chains.cluster, comment, fromOthers, "KUBE-MARK-MASQ"));
    }
    this.natShared.push(ruleLine("KUBE-SERVICES", comment, match, chains.cluster));
  }

  private writeExternalIps(): void {
    const { port, chains } = this.model;
    const comment = `"${port.name} external IP"`;
    for (const ip of port.externalIps) {
      const match = this.match(ip);
      if (!this.hasEndpoints) {
        this.reject("KUBE-EXTERNAL-SERVICES", match);
        continue;
      }
      if (!port.externalPolicyLocal) {
        const { local } = this.style;
        const fromOthers = local === null ? match : `${match} ${local.ifNotLocal}`;
        this.natOwn.push(ruleLine(chains.cluster, comment, fromOthers, "KUBE-MARK-MASQ"));
      }
      this.natShared.push(ruleLine("KUBE-SERVICES", comment, match, this.externalChain));
    }
  }

  private writeVips(): void {
    const { port, chains } = this.model;
    const { firewall } = chains;
    const comment = `"${port.name} loadbalancer IP"`;
    for (const [i, ip] of port.vips.entries()) {
      if (!this.hasEndpoints) {
        this.reject("KUBE-EXTERNAL-SERVICES", this.match(ip));
        continue;
      }
      if (i === 0) this.ownChains.push(firewall);
      this.natShared.push(ruleLine("KUBE-SERVICES", comment, this.match(ip), firewall));
      const into = (match: string | null, target: string): void =>
        void this.natOwn.push(ruleLine(firewall, comment, match, target));
      if (!port.externalPolicyLocal) into(null, "KUBE-MARK-MASQ");
      if (port.sourceRanges.length === 0) into(null, this.externalChain);
      for (const range of port.sourceRanges) into(`-s ${range}`, this.externalChain);
      if (allowsNode(this.model.port, this.nodeIp)) into(`-s ${ip}`, this.externalChain);
      into(null, MARK_DROP_CHAIN);
    }
  }

  private writeNodePort(): void {
    const { port, chains } = this.model;
    if (port.nodePort === 0) return;
    const match = this.match(null, port.nodePort);
    if (!this.hasEndpoints) {
      this.reject("KUBE-EXTERNAL-SERVICES", `-m addrtype --dst-type LOCAL ${match}`);
      return;
    }
    if (port.externalPolicyLocal) {
      const loopback = this.nodeIp.includes(":") ? "::1/128" : "127.0.0.0/8";
      this.natShared.push(ruleLine("KUBE-NODEPORTS", port.name, `-s ${loopback} ${match}`, "KUBE-MARK-MASQ"));
    } else this.natOwn.push(ruleLine(chains.cluster, port.name, match, "KUBE-MARK-MASQ"));
    this.natShared.push(ruleLine("KUBE-NODEPORTS", port.name, match, this.externalChain));
  }

  private writeDispatch(): void {
    const { port, chains, endpointChains } = this.model;
    const comment = () => (this.style.endpointComments ? port.name : null);
    this.natOwn.push(
      ...dispatchRules(chains.cluster, this.endpoints, this.model, { affinity: comment, balance: comment }),
    );
    for (const endpoint of this.endpoints) {
      this.ownChains.push(endpointChains.get(endpoint.text) as string);
      this.natOwn.push(...endpointRules(endpoint, this.model, this.style));
    }
  }

  /** KUBE-XLB: pods and the node itself are let through to all endpoints, the rest to those that are here. */
  private writeLocalExternal(): void {
    const { port, chains } = this.model;
    const { localExternal, cluster } = chains;
    const fromNode = "-m addrtype --src-type LOCAL";
    if (this.style.local !== null) {
      const comment = '"Redirect pods trying to reach external loadbalancer VIP to clusterIP"';
      this.natOwn.push(ruleLine(localExternal, comment, this.style.local.ifLocal, cluster));
    }
    this.natOwn.push(
      ruleLine(
        localExternal,
        `"masquerade LOCAL traffic for ${port.name} LB IP"`,
        fromNode,
        "KUBE-MARK-MASQ",
      ),
      ruleLine(
        localExternal,
        `"route LOCAL traffic for ${port.name} LB IP to service chain"`,
        fromNode,
        cluster,
      ),
    );
    if (this.local.length === 0) {
      const comment = `"${port.name} has no local endpoints"`;
      this.natOwn.push(ruleLine(localExternal, comment, null, MARK_DROP_CHAIN));
      return;
    }
    const comments = {
      affinity: () => (this.style.endpointComments ? port.name : null),
      balance: (_: Endpoint, i: number) => `"Balancing rule ${i} for ${port.name}"`,
    };
    this.natOwn.push(...dispatchRules(localExternal, this.local, this.model, comments));
  }
}
