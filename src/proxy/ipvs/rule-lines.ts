import { localMatch, type NodeFacts, type ProxyConfiguration } from "../configuration.ts";
import { MARK_DROP_CHAIN, masqueradeRules, trafficRules } from "../iptables/fixed-rules.ts";
import type { Hook } from "../iptables/hooks.ts";
import { ruleLine } from "../iptables/service-lines.ts";
import type { ProxyFeatures } from "../versions.ts";
import type { BarredAddress } from "./port-state.ts";
import { type KubeSet, matchWords, setComment, setName } from "./sets.ts";

/** The iptables part of IPVS mode: a few rules that ask sets, however many Services there are. */
export interface RuleLines {
  /** Declared, and so emptied, by each sync. */
  readonly natChains: readonly string[];
  readonly filterChains: readonly string[];
  readonly nat: readonly string[];
  readonly filter: readonly string[];
}

/** What the rules depend on beside the configuration. */
export interface RuleInputs {
  /** The sets that hold anything: only these are asked, but for a few. */
  readonly filled: ReadonlySet<KubeSet>;
  readonly barred: readonly BarredAddress[];
}

/** The jumps from built-in chains, in the order they are put on top. */
export function ipvsHooks({ filterDrops, accessFilter, outFilter }: ProxyFeatures): Hook[] {
  const hook = (table: Hook["table"], from: string, to: string, comment: string): Hook => ({
    table,
    from,
    to,
    match: `-m comment --comment "${comment}"`,
  });
  const firewall = "kube-proxy firewall rules";
  return [
    hook("nat", "OUTPUT", "KUBE-SERVICES", "kubernetes service portals"),
    hook("nat", "PREROUTING", "KUBE-SERVICES", "kubernetes service portals"),
    hook("nat", "POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules"),
    hook("filter", "FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules"),
    hook("filter", "INPUT", "KUBE-NODE-PORT", "kubernetes health check rules"),
    ...(filterDrops
      ? ["INPUT", "FORWARD"].map((from) => hook("filter", from, "KUBE-PROXY-FIREWALL", firewall))
      : []),
    ...(accessFilter ? [hook("filter", "INPUT", "KUBE-IPVS-FILTER", "kubernetes ipvs access filter")] : []),
    ...(outFilter ? [hook("filter", "OUTPUT", "KUBE-IPVS-OUT-FILTER", "kubernetes ipvs access filter")] : []),
  ];
}

export function ruleLines(
  configuration: ProxyConfiguration,
  features: ProxyFeatures,
  node: NodeFacts,
  inputs: RuleInputs,
): RuleLines {
  return new RuleWriter(configuration, features, node, inputs).write();
}

/** Rules that are there if their set holds anything: from, target, protocol. */
type SetRule = readonly [set: KubeSet, from: string, target: string, protocol?: string];

/** The Local sets come before the others: they take away. */
const NODE_PORT_RULES: readonly SetRule[] = [
  ["KUBE-NODE-PORT-LOCAL-TCP", "KUBE-NODE-PORT", "RETURN", "tcp"],
  ["KUBE-NODE-PORT-TCP", "KUBE-NODE-PORT", "KUBE-MARK-MASQ", "tcp"],
  ["KUBE-NODE-PORT-LOCAL-UDP", "KUBE-NODE-PORT", "RETURN", "udp"],
  ["KUBE-NODE-PORT-UDP", "KUBE-NODE-PORT", "KUBE-MARK-MASQ", "udp"],
  ["KUBE-NODE-PORT-LOCAL-SCTP-HASH", "KUBE-NODE-PORT", "RETURN", "sctp"],
  ["KUBE-NODE-PORT-SCTP-HASH", "KUBE-NODE-PORT", "KUBE-MARK-MASQ", "sctp"],
];

/** Before 1.25 source ranges were looked at in nat, in a chain that bears the name of the kubelet's in filter. */
const OLD_FIREWALL = "KUBE-FIREWALL";
const FIREWALL = "KUBE-SOURCE-RANGES-FIREWALL";

class RuleWriter {
  private readonly configuration: ProxyConfiguration;
  private readonly features: ProxyFeatures;
  private readonly node: NodeFacts;
  private readonly inputs: RuleInputs;
  private readonly nat: string[] = [];
  private readonly filter: string[] = [];

  constructor(
    configuration: ProxyConfiguration,
    features: ProxyFeatures,
    node: NodeFacts,
    inputs: RuleInputs,
  ) {
    this.configuration = configuration;
    this.features = features;
    this.node = node;
    this.inputs = inputs;
  }

  write(): RuleLines {
    const { filterDrops, accessFilter, outFilter } = this.features;
    // A packet from 127.0.0.0/8 is not routed to a Service anyway.
    if (accessFilter) this.nat.push(`-A KUBE-SERVICES -s ${this.loopback} -j RETURN`);
    this.writeSetRules();
    this.writeClusterIp();
    this.writeExternalIps();
    this.nat.push("-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT");
    this.nat.push("-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ");
    if (filterDrops) this.filter.push(`-A ${FIREWALL} -j DROP`);
    else this.nat.push(`-A ${OLD_FIREWALL} -j ${MARK_DROP_CHAIN}`);
    if (outFilter) this.writeBarred();
    this.writeAccepted();
    this.filter.push(...trafficRules(this.configuration, this.features));
    this.filter.push(this.setRule("KUBE-HEALTH-CHECK-NODE-PORT", "KUBE-NODE-PORT", "ACCEPT"));
    if (accessFilter) this.writeAccessFilter();
    this.nat.push(...masqueradeRules(this.configuration, { ...this.features, filterDrops: true }));
    return {
      natChains: [
        ...["KUBE-SERVICES", "KUBE-POSTROUTING"],
        ...(filterDrops ? [] : [OLD_FIREWALL]),
        ...["KUBE-NODE-PORT", "KUBE-LOAD-BALANCER", "KUBE-MARK-MASQ"],
      ],
      filterChains: [
        ...["KUBE-FORWARD", "KUBE-NODE-PORT"],
        ...(filterDrops ? ["KUBE-PROXY-FIREWALL", FIREWALL] : []),
        ...(accessFilter ? ["KUBE-IPVS-FILTER"] : []),
        ...(outFilter ? ["KUBE-IPVS-OUT-FILTER"] : []),
      ],
      nat: this.nat,
      filter: this.filter,
    };
  }

  private get loopback(): string {
    return this.configuration.family === "IPv4" ? "127.0.0.0/8" : "::1/128";
  }

  private match(set: KubeSet, words = matchWords(set)): string {
    return `-m set --match-set ${setName(set, this.configuration.family)} ${words}`;
  }

  private setRule(set: KubeSet, from: string, target: string, protocol?: string): string {
    const line = ruleLine(from, `"${setComment(set)}"`, this.match(set), target);
    return protocol === undefined ? line : line.replace(`-A ${from}`, `-A ${from} -p ${protocol}`);
  }

  private writeSetRules(): void {
    const { filterDrops } = this.features;
    const sourceRules = (from: string, firewall: string): SetRule[] => [
      ["KUBE-LOAD-BALANCER-FW", from, firewall],
      ["KUBE-LOAD-BALANCER-SOURCE-CIDR", firewall, "RETURN"],
      ["KUBE-LOAD-BALANCER-SOURCE-IP", firewall, "RETURN"],
    ];
    this.writeFilled(this.nat, [
      ["KUBE-LOOP-BACK", "KUBE-POSTROUTING", "MASQUERADE"],
      ["KUBE-LOAD-BALANCER", "KUBE-SERVICES", "KUBE-LOAD-BALANCER"],
      ...(filterDrops ? [] : sourceRules("KUBE-LOAD-BALANCER", OLD_FIREWALL)),
      ["KUBE-LOAD-BALANCER-LOCAL", "KUBE-LOAD-BALANCER", "RETURN"],
      ...NODE_PORT_RULES,
    ]);
    if (filterDrops) this.writeFilled(this.filter, sourceRules("KUBE-PROXY-FIREWALL", FIREWALL));
  }

  private writeFilled(lines: string[], rules: readonly SetRule[]): void {
    for (const [set, from, target, protocol] of rules) {
      if (this.inputs.filled.has(set)) lines.push(this.setRule(set, from, target, protocol));
    }
  }

  /**
   * Without a detector only what has a Service's address as source: a node's own packets to a cluster IP, since that address
   * is the node's.
   */
  private writeClusterIp(): void {
    const set = "KUBE-CLUSTER-IP";
    if (!this.inputs.filled.has(set)) return;
    const { configuration, node } = this;
    const local = localMatch(configuration, node);
    const comment = `"${setComment(set)}"`;
    const match = configuration.masqueradeAll
      ? this.match(set, "dst,dst")
      : local === null
        ? this.match(set, "src,dst")
        : `${this.match(set, "dst,dst")} ${local.ifNotLocal}`;
    this.nat.push(ruleLine("KUBE-SERVICES", comment, match, "KUBE-MARK-MASQ"));
  }

  /** What came from another machine, or is for an address of this one, is done with; a pod's goes on to further rules. */
  private writeExternalIps(): void {
    for (const set of ["KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL"] as const) {
      if (!this.inputs.filled.has(set)) continue;
      const comment = `"${setComment(set)}"`;
      const rule = (match: string, target: string): unknown =>
        this.nat.push(ruleLine("KUBE-SERVICES", comment, `${this.match(set)}${match}`, target));
      if (set === "KUBE-EXTERNAL-IP") rule("", "KUBE-MARK-MASQ");
      rule(" -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL", "ACCEPT");
      rule(" -m addrtype --dst-type LOCAL", "ACCEPT");
    }
  }

  private writeBarred(): void {
    for (const { address, protocol, port } of this.inputs.barred) {
      this.filter.push(
        `-A KUBE-IPVS-OUT-FILTER -s ${address} -m ipvs --vaddr ${address} --vproto ${protocol} --vport ${port} -j DROP`,
      );
    }
  }

  /** Last in KUBE-SERVICES: no other rule shall get at what IPVS takes. */
  private writeAccepted(): void {
    for (const set of ["KUBE-CLUSTER-IP", "KUBE-LOAD-BALANCER"] as const) {
      if (this.inputs.filled.has(set)) {
        this.nat.push(ruleLine("KUBE-SERVICES", null, this.match(set), "ACCEPT"));
      }
    }
  }

  private writeAccessFilter(): void {
    const pass: readonly KubeSet[] = [
      "KUBE-LOAD-BALANCER",
      "KUBE-CLUSTER-IP",
      "KUBE-EXTERNAL-IP",
      "KUBE-EXTERNAL-IP-LOCAL",
      "KUBE-HEALTH-CHECK-NODE-PORT",
    ];
    for (const set of pass) this.filter.push(ruleLine("KUBE-IPVS-FILTER", null, this.match(set), "RETURN"));
    const isNew = `-m conntrack --ctstate NEW ${this.match("KUBE-IPVS-IPS")}`;
    this.filter.push(ruleLine("KUBE-IPVS-FILTER", null, isNew, "REJECT"));
  }
}
