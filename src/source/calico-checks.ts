import { isPool, readPool } from "../cni/calico/pool.ts";
import { formatIpNet, parseIp, parseIpNet, peerAddressOf } from "../cni/ip.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { parseCalicoSelector } from "../object/calico-selector.ts";
import { describeObject, type KubernetesObject } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { type Findings, finding } from "../object/object-report.ts";
import { natPortsOf } from "../policy/felix/settings.ts";

/** What is wrong with Calico's objects that are no policies, and what of them has no effect here (libcalico-go, `validator/v3`). */
export function checkCalicoObjects(objects: Lister, findings: Findings): void {
  checkDataplane(objects, findings);
  for (const [kind, check] of Object.entries(CHECKS)) {
    for (const object of objects.list(kind)) {
      if (!object.apiVersion.includes("projectcalico.org")) continue;
      const { spec } = object as KubernetesObject & { readonly spec?: unknown };
      check(isJsonObject(spec) ? spec : {}, new Report(object, findings), objects);
    }
  }
}

/** Dataplanes that the operator may be asked for, and what is shown instead. */
const DATAPLANES: Readonly<Record<string, string>> = {
  BPF: "Calico's eBPF dataplane is not modelled: what is shown are the rules of iptables that it replaces",
  Nftables: "Felix's nftables dataplane is not modelled: the same policies are shown as rules of iptables",
  VPP: "Calico's VPP dataplane is not modelled: what is shown are the rules of iptables in its place",
  HNS: "Windows nodes are not modelled",
};

/** Where the dataplane is chosen beside Felix's own configuration: by the operator, and by calico-node's environment. */
function checkDataplane(objects: Lister, findings: Findings): void {
  for (const object of objects.list("Installation")) {
    const { spec } = object as KubernetesObject & { readonly spec?: unknown };
    const network = isJsonObject(spec) ? spec["calicoNetwork"] : undefined;
    const chosen = isJsonObject(network) ? String(network["linuxDataplane"] ?? "Iptables") : "Iptables";
    const message = Object.hasOwn(DATAPLANES, chosen) ? DATAPLANES[chosen] : undefined;
    if (message !== undefined)
      findings.warnings.push(finding(object, "spec.calicoNetwork.linuxDataplane", message));
  }
  for (const object of objects.list("DaemonSet")) {
    for (const { name, env = [] } of object.spec.template.spec?.containers ?? []) {
      if (name !== "calico-node") continue;
      for (const [variable, value, dataplane] of [
        ["FELIX_BPFENABLED", "true", "BPF"],
        ["FELIX_NFTABLESMODE", "enabled", "Nftables"],
      ] as const) {
        const own = env.find((one) => one.name === variable)?.value ?? "";
        if (own.toLowerCase() === value)
          findings.warnings.push(finding(object, variable, DATAPLANES[dataplane] ?? ""));
      }
    }
  }
}

class Report {
  readonly object: KubernetesObject;
  readonly #findings: Findings;

  constructor(object: KubernetesObject, findings: Findings) {
    this.object = object;
    this.#findings = findings;
  }

  /** `field` under `spec`. */
  error(field: string, message: string): void {
    this.#findings.errors.push(finding(this.object, `spec.${field}`, message));
  }

  warning(field: string, message: string): void {
    this.#findings.warnings.push(finding(this.object, field === "" ? "spec" : `spec.${field}`, message));
  }
}

type Check = (spec: Json, report: Report, objects: Lister) => void;

const STAGED: Check = (_spec, report) =>
  report.warning("", "has no effect: the policy is staged, and only what it would do is reported");

/** A datastore's own record of what is given out. */
function checkBlock({ cidr, allocations }: Json, report: Report): void {
  if (typeof cidr !== "string" || parseIpNet(cidr) === undefined)
    report.error("cidr", `${JSON.stringify(cidr)} is no block such as 10.244.166.128/26`);
  if (allocations !== undefined && !Array.isArray(allocations))
    report.error("allocations", `${JSON.stringify(allocations)} is no list, with null for what is free`);
}

const CHECKS: Readonly<Record<string, Check>> = {
  StagedNetworkPolicy: STAGED,
  StagedGlobalNetworkPolicy: STAGED,
  StagedKubernetesNetworkPolicy: STAGED,
  BGPPeer: checkPeer,
  BGPConfiguration: checkBgp,
  FelixConfiguration: checkFelix,
  IPReservation: checkReservation,
  BlockAffinity: checkAffinity,
  IPAMBlock: checkBlock,
  CalicoNetworkPolicy: checkTier,
  GlobalNetworkPolicy: checkTier,
};

/** Tiers that Calico makes itself. */
const OWN_TIERS = ["default", "adminnetworkpolicy", "baselineadminnetworkpolicy"];

function checkTier({ tier }: Json, report: Report, objects: Lister): void {
  if (tier === undefined || tier === "" || OWN_TIERS.includes(String(tier))) return;
  if (objects.get("Tier", String(tier)) === undefined)
    report.warning("tier", `there is no Tier ${String(tier)}: the policy has no effect`);
}

function checkPeer(spec: Json, report: Report, objects: Lister): void {
  const isSet = (field: string) => (spec[field] ?? "") !== "";
  for (const [field, other] of [
    ["node", "nodeSelector"],
    ["peerIP", "peerSelector"],
    ["asNumber", "peerSelector"],
  ] as const) {
    if (isSet(field) && isSet(other)) report.error(field, `does not go with ${other}`);
  }
  for (const field of ["nodeSelector", "peerSelector"]) checkSelector(spec, field, report);
  if (isSet("asNumber")) checkAs(spec, report);
  if (!isSet("peerIP")) {
    if (!isSet("peerSelector")) report.error("peerIP", "is missing: it, or else a peerSelector, is expected");
    return;
  }
  const text = peerAddressOf(String(spec["peerIP"]));
  const address = parseIp(text);
  if (address === undefined) {
    report.error("peerIP", `${JSON.stringify(spec["peerIP"])} is no address, with a port or without`);
    return;
  }
  const isNode = objects
    .list("Node")
    .some(({ status }) => status?.addresses?.some((own) => own.address === text) === true);
  if (!isNode)
    report.warning("peerIP", `${text} is no node's: what a router outside hears of is not modelled`);
}

function checkSelector(spec: Json, field: string, report: Report): void {
  const { [field]: text } = spec;
  if (text === undefined) return;
  const parsed = parseCalicoSelector(String(text));
  if (parsed.kind === "invalid") report.error(field, parsed.message);
}

/** A number, or two of 16 bits with a dot. */
function checkAs({ asNumber }: Json, report: Report): void {
  const [, high, low] = /^(\d+)\.(\d+)$/.exec(String(asNumber)) ?? [];
  const value = high === undefined ? Number(asNumber) : Number(high) * 65_536 + Number(low);
  const isRight = Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
  if (!isRight)
    report.error("asNumber", `${JSON.stringify(asNumber)} is no number of an AS (0 to 4294967295)`);
}

const ADVERTISED = ["serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs"];

function checkBgp(spec: Json, report: Report): void {
  if (spec["asNumber"] !== undefined) checkAs(spec, report);
  const { nodeToNodeMeshEnabled: mesh } = spec;
  if (mesh !== undefined && typeof mesh !== "boolean")
    report.error("nodeToNodeMeshEnabled", `${JSON.stringify(mesh)} is neither true nor false`);
  if (report.object.metadata.name !== "default" && mesh !== undefined)
    report.error("nodeToNodeMeshEnabled", "is of the configuration named default alone");
  for (const field of ADVERTISED) {
    const { [field]: list } = spec;
    if (list === undefined) continue;
    if (!Array.isArray(list)) {
      report.error(field, `${JSON.stringify(list)} is no list of ranges, each as {cidr: …}`);
      continue;
    }
    for (const [i, item] of (list as readonly unknown[]).entries()) {
      const cidr = isJsonObject(item) ? item["cidr"] : undefined;
      if (typeof cidr !== "string" || parseIpNet(cidr) === undefined)
        report.error(`${field}[${i}].cidr`, `${JSON.stringify(cidr)} is no range such as 10.96.0.0/12`);
    }
    if (list.length > 0)
      report.warning(
        field,
        "changes nothing on the nodes: they tell it to routers outside alone, whose routes are not modelled",
      );
  }
}

/** What this Felix would do that is not modelled, and why it matters. */
const NOT_MODELLED: Readonly<Record<string, string>> = {
  bpfEnabled:
    "Calico's eBPF dataplane is not modelled: what is shown are the rules of iptables that it replaces",
  wireguardEnabled: "WireGuard between the nodes is not modelled: packets are shown as without it",
  wireguardEnabledV6: "WireGuard between the nodes is not modelled: packets are shown as without it",
  windowsNetworkName: "Windows nodes are not modelled",
};

/** Fields that take one of these words, whatever the size of their letters. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  defaultEndpointToHostAction: ["Drop", "Accept", "Return"],
  chainInsertMode: ["Insert", "Append"],
  iptablesBackend: ["Auto", "Legacy", "NFT"],
  nftablesMode: ["Disabled", "Enabled", "Auto"],
  floatingIPs: ["Disabled", "Enabled"],
  routeSource: ["CalicoIPAM", "WorkloadIPs"],
  iptablesFilterDenyAction: ["Drop", "Reject"],
};

function checkFelix(spec: Json, report: Report): void {
  for (const [field, message] of Object.entries(NOT_MODELLED)) {
    if (spec[field] === true) report.warning(field, message);
  }
  for (const [field, words] of Object.entries(WORDS)) {
    const { [field]: value } = spec;
    if (value === undefined) continue;
    if (!words.some((word) => word.toLowerCase() === String(value).toLowerCase()))
      report.error(field, `${JSON.stringify(value)} is none of ${words.join(", ")}`);
  }
  const is = (field: string, word: string) => String(spec[field]).toLowerCase() === word.toLowerCase();
  if (is("nftablesMode", "Enabled"))
    report.warning(
      "nftablesMode",
      "Felix's nftables dataplane is not modelled: the same policies are shown as rules of iptables",
    );
  if (is("floatingIPs", "Enabled")) report.warning("floatingIPs", "floating addresses are not modelled");
  if (is("routeSource", "WorkloadIPs"))
    report.warning("routeSource", "routes for each workload are not modelled: those of blocks are shown");
  if (is("iptablesFilterDenyAction", "Reject"))
    report.warning("iptablesFilterDenyAction", "is taken for Drop: that Felix rejects is not modelled");
  const { natPortRange, natOutgoingAddress: address } = spec;
  if (natPortRange !== undefined && natPortsOf(natPortRange) === null)
    report.error(
      "natPortRange",
      `${JSON.stringify(natPortRange)} is no port and no range such as "32768:65535"`,
    );
  if (address !== undefined && address !== "" && parseIp(String(address))?.family !== 4)
    report.error("natOutgoingAddress", `${JSON.stringify(address)} is no IPv4 address`);
  for (const field of ["vxlanMTU", "vxlanMTUV6", "ipipMTU"]) checkMtu(spec, field, report);
  for (const field of ["failsafeInboundHostPorts", "failsafeOutboundHostPorts"])
    checkFailsafes(spec[field], field, report);
}

function checkMtu(spec: Json, field: string, report: Report): void {
  const { [field]: value } = spec;
  if (value === undefined || (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535))
    return;
  report.error(field, `${JSON.stringify(value)} is no MTU (0 for what the card leaves)`);
}

function checkFailsafes(given: unknown, field: string, report: Report): void {
  if (given === undefined || given === null) return;
  if (!Array.isArray(given)) {
    report.error(field, `${JSON.stringify(given)} is no list of ports, each as {protocol: tcp, port: 22}`);
    return;
  }
  for (const [i, item] of (given as readonly unknown[]).entries()) {
    const { protocol = "tcp", port, net = "" } = isJsonObject(item) ? item : {};
    if (!["tcp", "udp", "sctp"].includes(String(protocol).toLowerCase()))
      report.error(`${field}[${i}].protocol`, `${JSON.stringify(protocol)} is none of tcp, udp, sctp`);
    if (!Number.isInteger(port) || Number(port) < 0 || Number(port) > 65_535)
      report.error(`${field}[${i}].port`, `${JSON.stringify(port)} is no port`);
    const text = String(net);
    if (text !== "" && parseIp(text) === undefined && parseIpNet(text) === undefined)
      report.error(`${field}[${i}].net`, `${JSON.stringify(net)} is no range`);
  }
}

function checkAffinity({ cidr, node }: Json, report: Report): void {
  if (typeof cidr !== "string" || parseIpNet(cidr) === undefined)
    report.error("cidr", `${JSON.stringify(cidr)} is no block such as 10.244.166.128/26`);
  if (typeof node !== "string" || node === "")
    report.error("node", "is missing: the name of a Node is expected");
}

function checkReservation({ reservedCIDRs: given }: Json, report: Report, objects: Lister): void {
  if (!Array.isArray(given)) {
    report.error("reservedCIDRs", `${JSON.stringify(given)} is no list of addresses and ranges`);
    return;
  }
  const pools = objects.list("IPPool").flatMap((object) => {
    const pool = readPool(object.metadata.name, (object as { readonly spec?: unknown }).spec);
    return isPool(pool) ? [{ object, cidr: formatIpNet(pool.cidr) }] : [];
  });
  for (const [i, item] of (given as readonly unknown[]).entries()) {
    const text = String(item);
    if (parseIp(text) === undefined && parseIpNet(text) === undefined)
      report.error(`reservedCIDRs[${i}]`, `${JSON.stringify(item)} is no address and no range`);
    const whole = pools.find(({ cidr }) => cidr === text);
    if (whole !== undefined)
      report.warning(
        `reservedCIDRs[${i}]`,
        `leaves nothing of ${describeObject(whole.object)}: no pod gets an address of it by itself`,
      );
  }
}
