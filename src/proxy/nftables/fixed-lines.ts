import { canonicalPrefix, type IpFamily, isLoopback, prefixHolds } from "../canonical-address.ts";
import {
  addressesOf,
  masqueradeMark,
  type NodeFacts,
  nodePortPrefixes,
  type ProxyConfiguration,
} from "../configuration.ts";
import type { ProxyFeatures } from "../versions.ts";

/** What of the table is there whatever the Services are, as commands of nft: what `setupNFTables` does. */

/** `ip kube-proxy`, or `ip6 kube-proxy`. */
export function tableOf(family: IpFamily): string {
  return `${family === "IPv4" ? "ip" : "ip6"} kube-proxy`;
}

/** The sets and maps that all Services share, with the comments they carry; `keys` as nft types them. */
interface SharedSet {
  readonly name: string;
  readonly keys: readonly ("address" | "inet_proto" | "inet_service")[];
  readonly isMap: boolean;
  readonly flags: string;
  readonly comment: string;
}

const DESTINATION = ["address", "inet_proto", "inet_service"] as const;
const NODE_PORT = ["inet_proto", "inet_service"] as const;

function set(name: string, keys: SharedSet["keys"], comment: string, flags = ""): SharedSet {
  return { name, keys, isMap: false, flags, comment };
}

function map(name: string, keys: SharedSet["keys"], comment: string): SharedSet {
  return { name, keys, isMap: true, flags: "", comment };
}

const CLUSTER_IPS = set("cluster-ips", ["address"], "Active ClusterIPs");
const NODEPORT_IPS = set("nodeport-ips", ["address"], "IPs that accept NodePort traffic");
const NO_ENDPOINTS = [
  map("no-endpoint-services", DESTINATION, "vmap to drop or reject packets to services with no endpoints"),
  map(
    "no-endpoint-nodeports",
    NODE_PORT,
    "vmap to drop or reject packets to service nodeports with no endpoints",
  ),
];
const FIREWALL_COMMENT = "destinations that are subject to LoadBalancerSourceRanges";
const FIREWALL_IPS = map("firewall-ips", DESTINATION, FIREWALL_COMMENT);
/** Of 1.29, which had no chain for each Service. */
const OLD_FIREWALL = [
  set("firewall", DESTINATION, FIREWALL_COMMENT),
  set(
    "firewall-allow",
    [...DESTINATION, "address"],
    "destinations+sources that are allowed by LoadBalancerSourceRanges",
    "interval",
  ),
];
const SERVICES = [
  map("service-ips", DESTINATION, "ClusterIP, ExternalIP and LoadBalancer IP traffic"),
  map("service-nodeports", NODE_PORT, "NodePort traffic"),
];

/** Name, type, hook and priority. */
type BaseChain = readonly [name: string, type: string, hook: string, priority: number];

const DNAT_PRIORITY = -100;
const SNAT_PRIORITY = 100;

const NAT_CHAINS: readonly BaseChain[] = [
  ["nat-prerouting", "nat", "prerouting", DNAT_PRIORITY],
  ["nat-output", "nat", "output", DNAT_PRIORITY],
  ["nat-postrouting", "nat", "postrouting", SNAT_PRIORITY],
];

function baseChains({ ownChecks, filterPriority }: ProxyFeatures): readonly BaseChain[] {
  const filters = (priority: number): readonly BaseChain[] =>
    ["input", "forward", "output"].map((hook) => [`filter-${hook}`, "filter", hook, priority]);
  const before = DNAT_PRIORITY - 10;
  if (filterPriority) {
    return [
      ["filter-prerouting-pre-dnat", "filter", "prerouting", before],
      ["filter-output-pre-dnat", "filter", "output", before],
      ...filters(0),
      ...NAT_CHAINS,
    ];
  }
  if (!ownChecks) return [...filters(DNAT_PRIORITY - 1), ...NAT_CHAINS];
  return [
    ["filter-prerouting", "filter", "prerouting", before],
    ...filters(before),
    ["filter-output-post-dnat", "filter", "output", DNAT_PRIORITY + 10],
    ...NAT_CHAINS,
  ];
}

/** From a base chain to another, `ct state new` alone or all. */
type Jump = readonly [to: string, from: string, isNew: boolean];

const NAT_JUMPS: readonly Jump[] = [
  ["services", "nat-output", false],
  ["services", "nat-prerouting", false],
  ["masquerading", "nat-postrouting", false],
];

function jumps({ ownChecks, filterPriority }: ProxyFeatures): readonly Jump[] {
  if (!ownChecks) {
    return [
      ["endpoints-check", "filter-input", true],
      ["endpoints-check", "filter-forward", true],
      ["endpoints-check", "filter-output", true],
      ["forward", "filter-forward", false],
      ["firewall-check", "filter-input", true],
      ["firewall-check", "filter-output", true],
      ["firewall-check", "filter-forward", true],
      ...NAT_JUMPS,
    ];
  }
  return [
    ["nodeport-endpoints-check", "filter-input", true],
    ["service-endpoints-check", "filter-input", true],
    ["service-endpoints-check", "filter-forward", true],
    ["service-endpoints-check", "filter-output", true],
    ["firewall-check", filterPriority ? "filter-prerouting-pre-dnat" : "filter-prerouting", true],
    ["firewall-check", filterPriority ? "filter-output-pre-dnat" : "filter-output", true],
    ...NAT_JUMPS,
    ["cluster-ips-check", "filter-forward", true],
    ["cluster-ips-check", filterPriority ? "filter-output" : "filter-output-post-dnat", true],
  ];
}

/**
 * The node's addresses that take node ports, never those of its loopback: what is in `nodeport-ips`; null for every local
 * address, where there is no such set.
 */
export function nodePortIps(
  configuration: ProxyConfiguration,
  node: NodeFacts,
  { primaryNodePorts }: ProxyFeatures,
): string[] | null {
  const { nodePortAddresses, family } = configuration;
  const isDefault = nodePortAddresses.length === 0 && primaryNodePorts;
  const prefixes = nodePortPrefixes(
    isDefault ? { ...configuration, nodePortAddresses: ["primary"] } : configuration,
    node,
  );
  if (prefixes === null) return null;
  return addressesOf(node, family)
    .filter((address) => prefixes.some((prefix) => prefixHolds(prefix, address)))
    .filter((address) => !isLoopback(address, family));
}

/** @param everyAddress node ports are not bound to addresses of `nodeport-ips` */
export function fixedLines(
  configuration: ProxyConfiguration,
  features: ProxyFeatures,
  everyAddress: boolean,
): string[] {
  return new FixedLines(configuration, features, everyAddress).write();
}

class FixedLines {
  private readonly configuration: ProxyConfiguration;
  private readonly features: ProxyFeatures;
  private readonly everyAddress: boolean;
  private readonly table: string;
  private readonly ip: "ip" | "ip6";
  private readonly lines: string[] = [];
  private readonly declared = new Set<string>();

  constructor(configuration: ProxyConfiguration, features: ProxyFeatures, everyAddress: boolean) {
    this.configuration = configuration;
    this.features = features;
    this.everyAddress = everyAddress;
    this.table = tableOf(configuration.family);
    this.ip = configuration.family === "IPv4" ? "ip" : "ip6";
  }

  write(): string[] {
    const { features } = this;
    this.lines.push(`add table ${this.table} { comment "rules for kube-proxy" ; }`);
    for (const [name, type, hook, priority] of baseChains(features)) {
      this.chain(name, `{ type ${type} hook ${hook} priority ${priority} ; }`);
    }
    for (const [to, from, isNew] of jumps(features)) {
      this.chain(to);
      this.rule(from, `${isNew ? "ct state new " : ""}jump ${to}`);
    }
    this.chain("mark-for-masquerade");
    this.writeMasquerading();
    if (features.ownChecks) this.writeClusterIps();
    else if (!this.configuration.conntrackTcpLiberal) this.rule("forward", "ct state invalid drop");
    if (!this.everyAddress) this.set(NODEPORT_IPS);
    this.writeNoEndpoints();
    this.writeFirewall();
    this.writeServices();
    return this.lines;
  }

  private chain(name: string, body = ""): void {
    if (this.declared.has(name)) return;
    this.declared.add(name);
    this.lines.push(
      `add chain ${this.table} ${name}${body === "" ? "" : ` ${body}`}`,
      `flush chain ${this.table} ${name}`,
    );
  }

  private rule(chain: string, rule: string, comment: string | null = null): void {
    this.lines.push(
      `add rule ${this.table} ${chain} ${rule}${comment === null ? "" : ` comment "${comment}"`}`,
    );
  }

  private set({ name, keys, isMap, flags, comment }: SharedSet): void {
    const address = this.ip === "ip" ? "ipv4_addr" : "ipv6_addr";
    const type = keys.map((key) => (key === "address" ? address : key)).join(" . ");
    const kind = isMap ? "map" : "set";
    this.lines.push(
      `add ${kind} ${this.table} ${name} { type ${type}${isMap ? " : verdict" : ""} ; ${flags === "" ? "" : `flags ${flags} ; `}comment "${comment}" ; }`,
      `flush ${kind} ${this.table} ${name}`,
    );
  }

  private writeMasquerading(): void {
    const mark = masqueradeMark(this.configuration);
    this.rule("mark-for-masquerade", `mark set mark or ${mark}`);
    this.rule("masquerading", `mark and ${mark} == 0 return`);
    this.rule("masquerading", `mark set mark xor ${mark}`);
    this.rule("masquerading", "masquerade fully-random");
  }

  /** What was for a cluster IP and not translated has a wrong port or protocol. */
  private writeClusterIps(): void {
    const { serviceCidrs, family } = this.configuration;
    this.set(CLUSTER_IPS);
    this.rule(
      "cluster-ips-check",
      `${this.ip} daddr @cluster-ips reject`,
      "Reject traffic to invalid ports of ClusterIPs",
    );
    const cidrs = serviceCidrs.flatMap((cidr) => canonicalPrefix(cidr, family) ?? []);
    if (!this.features.serviceCidrs || cidrs.length === 0) return;
    this.rule(
      "cluster-ips-check",
      `${this.ip} daddr { ${cidrs.join(", ")} } drop`,
      "Drop traffic to unallocated ClusterIPs",
    );
  }

  private writeNoEndpoints(): void {
    for (const one of NO_ENDPOINTS) this.set(one);
    this.chain("reject-chain", '{ comment "helper for @no-endpoint-services / @no-endpoint-nodeports" ; }');
    this.rule("reject-chain", "reject");
    const { ownChecks } = this.features;
    this.rule(
      ownChecks ? "service-endpoints-check" : "endpoints-check",
      `${this.destination} vmap @no-endpoint-services`,
    );
    // The chain is looked at for packets to the node alone since there are two.
    const local = this.everyAddress && ownChecks ? this.notLocalhost : this.nodePortAddress;
    this.rule(
      ownChecks ? "nodeport-endpoints-check" : "endpoints-check",
      `${local} meta l4proto . th dport vmap @no-endpoint-nodeports`,
    );
  }

  private writeFirewall(): void {
    const { ownChecks } = this.features;
    if (ownChecks) {
      this.set(FIREWALL_IPS);
      this.rule("firewall-check", `${this.destination} vmap @firewall-ips`);
      return;
    }
    for (const one of OLD_FIREWALL) this.set(one);
    this.chain("firewall-allow-check");
    this.rule("firewall-check", `${this.destination} @firewall jump firewall-allow-check`);
    this.rule("firewall-allow-check", `${this.destination} . ${this.ip} saddr @firewall-allow return`);
    this.rule("firewall-allow-check", "drop");
  }

  private writeServices(): void {
    for (const one of SERVICES) this.set(one);
    this.rule("services", `${this.destination} vmap @service-ips`);
    this.rule("services", `${this.nodePortAddress} meta l4proto . th dport vmap @service-nodeports`);
  }

  private get destination(): string {
    return `${this.ip} daddr . meta l4proto . th dport`;
  }

  private get notLocalhost(): string {
    return `${this.ip} daddr != ${this.ip === "ip" ? "127.0.0.0/8" : "::1"}`;
  }

  private get nodePortAddress(): string {
    return this.everyAddress ? `fib daddr type local ${this.notLocalhost}` : `${this.ip} daddr @nodeport-ips`;
  }
}
