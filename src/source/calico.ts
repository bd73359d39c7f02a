import type { EnvVar } from "kubernetes-types/core/v1.js";
import { formatIpPrefix, type IpPrefix } from "../address/ip-prefix.ts";
import type { Prefix4 } from "../address/prefix.ts";
import type { Prefix6 } from "../address/prefix6.ts";
import {
  type CalicoNetwork,
  type CalicoPool,
  ENCAPSULATIONS,
  type Encapsulation,
} from "../cni/calico/network.ts";
import { faultOfBlockSize, isPool, POOL_DEFAULTS, POOL_DEFAULTS6, readPool } from "../cni/calico/pool.ts";
import {
  containsIp,
  coversNet,
  formatIp,
  formatIpNet,
  fromAddress,
  type Ip,
  type IpNet,
  networkOf,
  parseIp,
  parseIpNet,
} from "../cni/ip.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { describeObject, type KubernetesObject } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { type Findings, finding } from "../object/object-report.ts";
import { formatPlace } from "../object/place.ts";
import type { RangeRules } from "../object/range-rules.ts";
import { felixConfiguration } from "../policy/host-endpoint.ts";

/** How a source's Calico joins the nodes, and where that was read. */
export interface DetectedCalico {
  readonly network: CalicoNetwork;
  readonly from: "input" | "assumed";
  /** `IPPool default-ipv4-ippool (calico.yaml:12)`, or why it was assumed. */
  readonly where: string;
}

/** The pods' ranges of a cluster; null for a family that it does not have. */
export interface ClusterRanges {
  readonly four: Prefix4 | null;
  readonly six: Prefix6 | null;
}

/**
 * Calico's set-up, from what says most: its IPPools; the operator's Installation; what calico-node is told to make of itself
 * when there is no pool (`CALICO_IPV4POOL_*`, `CALICO_IPV6POOL_*`); else what Calico's own manifest says, with the whole
 * cluster as one pool of each family.
 */
export function detectCalico(objects: Lister, ranges: ClusterRanges): DetectedCalico {
  const environment = environmentOf(objects);
  const installation = installationOf(objects);
  const map = objects.list("ConfigMap").find(({ metadata }) => metadata.name === "calico-config");
  const mtu = Number(map?.data?.["veth_mtu"] ?? 0);
  const shared = {
    backend: backendOf(map?.data?.["calico_backend"], environment, installation),
    mtu: mtu > 0 ? mtu : null,
    ...tunnelMtusOf(objects),
  };
  const pools = poolsOf(objects);
  const [first] = pools;
  if (first !== undefined) {
    return {
      network: { ...shared, pools: pools.map(({ pool }) => pool) },
      from: "input",
      where: placed(first.object),
    };
  }
  if (installation !== undefined) {
    const network = networkOfInstallation(installation.network, ranges);
    if (network !== undefined)
      return { network: { ...shared, ...network }, from: "input", where: placed(installation.object) };
  }
  const made = [poolOfEnvironment(environment, ranges), pool6OfEnvironment(environment, ranges)];
  return {
    network: { ...shared, pools: made.filter((pool) => pool !== null) },
    ...(environment === undefined
      ? { from: "assumed", where: "Calico's own manifest has it so" }
      : { from: "input", where: placed(environment.object) }),
  };
}

/** As the FelixConfiguration for all nodes says; 0 is what is not said. */
function tunnelMtusOf(objects: Lister): Pick<CalicoNetwork, "tunnelMtus"> {
  const { ipipMTU, vxlanMTU, vxlanMTUV6 } = felixConfiguration(objects);
  const said = (value: unknown) => (Number.isInteger(value) && Number(value) > 0 ? Number(value) : null);
  const [ipip, four, six] = [said(ipipMTU), said(vxlanMTU), said(vxlanMTUV6)] as const;
  return [ipip, four, six].every((mtu) => mtu === null)
    ? {}
    : { tunnelMtus: { ipip: ipip ?? null, vxlan: { 4: four ?? null, 6: six ?? null } } };
}

function poolOfEnvironment(environment: Environment | undefined, { four }: ClusterRanges): CalicoPool | null {
  const said = rangeOf(environment?.values.get("CALICO_IPV4POOL_CIDR"), 4);
  const cidr = said ?? (four === null ? null : netOf(four));
  if (cidr === null) return null;
  const vxlan = encapsulationOf(environment, "CALICO_IPV4POOL_VXLAN", "Never");
  return {
    ...POOL_DEFAULTS,
    ...{ cidr, vxlan },
    blockSize: blockSizeOf(environment, "CALICO_IPV4POOL_BLOCK_SIZE", cidr, POOL_DEFAULTS.blockSize),
    ipip:
      vxlan === "Never"
        ? encapsulationOf(environment, "CALICO_IPV4POOL_IPIP", environment === undefined ? "Always" : "Never")
        : "Never",
    natOutgoing: environment?.values.get("CALICO_IPV4POOL_NAT_OUTGOING") !== "false",
    nodeSelector: environment?.values.get("CALICO_IPV4POOL_NODE_SELECTOR") ?? "",
    hidden: environment?.values.get("CALICO_IPV4POOL_DISABLE_BGP_EXPORT") === "true",
  };
}

/** calico-node leaves IPv6 alone unless it is told to look for an address of it (`IP6`). */
function pool6OfEnvironment(environment: Environment | undefined, { six }: ClusterRanges): CalicoPool | null {
  const said = rangeOf(environment?.values.get("CALICO_IPV6POOL_CIDR"), 6);
  const ip6 = environment?.values.get("IP6") ?? "none";
  const isOff = environment !== undefined && said === undefined && (ip6 === "none" || ip6 === "");
  const cidr = said ?? (six === null || isOff ? null : netOf(six));
  if (cidr === null) return null;
  return {
    ...POOL_DEFAULTS6,
    cidr,
    blockSize: blockSizeOf(environment, "CALICO_IPV6POOL_BLOCK_SIZE", cidr, POOL_DEFAULTS6.blockSize),
    vxlan: encapsulationOf(environment, "CALICO_IPV6POOL_VXLAN", "Never"),
    natOutgoing: environment?.values.get("CALICO_IPV6POOL_NAT_OUTGOING") === "true",
    nodeSelector: environment?.values.get("CALICO_IPV6POOL_NODE_SELECTOR") ?? "",
    hidden: environment?.values.get("CALICO_IPV6POOL_DISABLE_BGP_EXPORT") === "true",
  };
}

function encapsulationOf(
  environment: Environment | undefined,
  name: string,
  otherwise: Encapsulation,
): Encapsulation {
  const value = environment?.values.get(name)?.toLowerCase();
  return ENCAPSULATIONS.find((mode) => mode.toLowerCase() === value) ?? otherwise;
}

function blockSizeOf(
  environment: Environment | undefined,
  name: string,
  cidr: IpNet,
  otherwise: number,
): number {
  const said = Number(environment?.values.get(name) ?? otherwise);
  return faultOfBlockSize(said, cidr) === null ? said : Math.max(otherwise, cidr.length);
}

/** The pools that calico-node is told to make (`CALICO_IPV4POOL_CIDR`), for whoever looks for the cluster's range. */
export function poolCidrsOf(objects: Lister): { readonly text: string; readonly where: string }[] {
  const environment = environmentOf(objects);
  if (environment === undefined) return [];
  return ["CALICO_IPV4POOL_CIDR", "CALICO_IPV6POOL_CIDR"].flatMap((name) => {
    const text = environment.values.get(name);
    return text === undefined ? [] : [{ text, where: `${placed(environment.object)} ${name}` }];
  });
}

/**
 * What is wrong with pools: fields that cannot be read; pools that overlap; a pool outside of the range that kube-proxy takes
 * for the cluster's, whose pods it would treat as strangers; one that holds addresses of Services or of nodes.
 */
export function checkCalico(
  objects: Lister,
  { clusterCidrs, serviceCidrs }: Required<Pick<RangeRules, "clusterCidrs" | "serviceCidrs">>,
  findings: Findings,
): void {
  const seen: { readonly pool: CalicoPool; readonly object: KubernetesObject }[] = [];
  const nodes = addressesOfNodes(objects);
  for (const object of poolObjects(objects)) {
    const read = readPool(object.metadata.name, specOf(object));
    if (!isPool(read)) {
      findings.errors.push(finding(object, read.field === "" ? "spec" : `spec.${read.field}`, read.message));
      continue;
    }
    const clash = seen.find(({ pool }) => overlap(pool.cidr, read.cidr));
    if (clash !== undefined) {
      const message = `${formatIpNet(read.cidr)} overlaps ${formatIpNet(clash.pool.cidr)} of ${placed(clash.object)}: each address is of one pool`;
      findings.errors.push(finding(object, "spec.cidr", message));
    }
    seen.push({ pool: read, object });
    if (read.disabled) continue;
    const warn = (message: string) =>
      findings.warnings.push(finding(object, "spec.cidr", `${formatIpNet(read.cidr)} ${message}`));
    const own = clusterCidrs.find(({ value }) => netOf(value).ip.family === read.cidr.ip.family);
    // Where nobody says the cluster's range, it was taken from a pool itself.
    const isLaw = own?.isLaw === true && !own.where.startsWith("IPPool ");
    if (isLaw && !coversNet(netOf(own.value), read.cidr)) {
      warn(
        `is outside ${formatIpPrefix(own.value)}, the cluster's range (${own.where}): kube-proxy takes its pods for strangers and masquerades them`,
      );
    }
    const services = serviceCidrs.find(({ value }) => overlap(netOf(value), read.cidr));
    if (services?.isLaw === true) {
      warn(
        `overlaps ${formatIpPrefix(services.value)}, the service CIDR (${services.where}): a pod may get an address of a Service`,
      );
    }
    const node = nodes.find(({ ip }) => containsIp(read.cidr, ip));
    if (node !== undefined) {
      warn(
        `holds ${formatIp(node.ip)}, the address of ${placed(node.object)}: a pod may get an address of a node, and packets to nodes count as packets to pods`,
      );
    }
  }
}

function overlap(a: IpNet, b: IpNet): boolean {
  return coversNet(a, b) || coversNet(b, a);
}

function addressesOfNodes(objects: Lister): { readonly object: KubernetesObject; readonly ip: Ip }[] {
  return objects.list("Node").flatMap((object) =>
    (object.status?.addresses ?? []).flatMap(({ type, address }) => {
      const ip = type === "InternalIP" ? parseIp(address) : undefined;
      return ip === undefined ? [] : [{ object, ip }];
    }),
  );
}

function poolObjects(objects: Lister): readonly KubernetesObject[] {
  return objects.list("IPPool").filter(({ apiVersion }) => apiVersion.includes("projectcalico.org"));
}

function poolsOf(objects: Lister): { readonly pool: CalicoPool; readonly object: KubernetesObject }[] {
  return poolObjects(objects).flatMap((object) => {
    const pool = readPool(object.metadata.name, specOf(object));
    return isPool(pool) ? [{ pool, object }] : [];
  });
}

interface Environment {
  readonly object: KubernetesObject;
  readonly values: ReadonlyMap<string, string>;
}

/** What calico-node's container is started with. */
function environmentOf(objects: Lister): Environment | undefined {
  for (const object of objects.list("DaemonSet")) {
    for (const { name, env = [] } of object.spec.template.spec?.containers ?? []) {
      if (name === "calico-node") return { object, values: new Map(env.map(settingOf)) };
    }
  }
  return undefined;
}

function settingOf({ name, value = "" }: EnvVar): readonly [string, string] {
  return [name, value];
}

/** `operator.tigera.io` Installation. */
function installationOf(
  objects: Lister,
): { readonly object: KubernetesObject; readonly network: Json } | undefined {
  for (const object of objects.list("Installation")) {
    const spec = specOf(object);
    const network = isJsonObject(spec) ? spec["calicoNetwork"] : undefined;
    if (isJsonObject(network)) return { object, network };
  }
  return undefined;
}

/** What the operator's `encapsulation` comes to. */
const OPERATOR_MODES: Readonly<Record<string, Pick<CalicoPool, "ipip" | "vxlan">>> = {
  IPIP: { ipip: "Always", vxlan: "Never" },
  IPIPCrossSubnet: { ipip: "CrossSubnet", vxlan: "Never" },
  VXLAN: { ipip: "Never", vxlan: "Always" },
  VXLANCrossSubnet: { ipip: "Never", vxlan: "CrossSubnet" },
  None: { ipip: "Never", vxlan: "Never" },
};

function networkOfInstallation(
  network: Json,
  { four, six }: ClusterRanges,
): (Pick<CalicoNetwork, "pools"> & Partial<CalicoNetwork>) | undefined {
  const { ipPools, mtu } = network;
  if (!Array.isArray(ipPools)) return undefined;
  const pools = (ipPools as readonly unknown[]).filter(isJsonObject).flatMap((item, i): CalicoPool[] => {
    const text = typeof item["cidr"] === "string" ? item["cidr"] : "";
    const family = text.includes(":") ? 6 : 4;
    const range = family === 6 ? six : four;
    const cidr = rangeOf(text, family) ?? (range === null ? undefined : netOf(range));
    if (cidr === undefined) return [];
    const defaults = family === 6 ? POOL_DEFAULTS6 : POOL_DEFAULTS;
    const { encapsulation, natOutgoing, blockSize, nodeSelector } = item;
    return [
      {
        ...defaults,
        name: typeof item["name"] === "string" ? item["name"] : i === 0 ? defaults.name : `pool-${i}`,
        cidr,
        blockSize: faultOfBlockSize(blockSize, cidr) === null ? Number(blockSize) : defaults.blockSize,
        ...(OPERATOR_MODES[String(encapsulation ?? (family === 6 ? "None" : "IPIP"))] ??
          OPERATOR_MODES["IPIP"]),
        natOutgoing: natOutgoing !== "Disabled",
        nodeSelector: typeof nodeSelector === "string" ? nodeSelector : "",
        hidden: item["disableBGPExport"] === true,
      },
    ];
  });
  if (pools.length === 0) return undefined;
  return { pools, ...(typeof mtu === "number" && mtu > 0 ? { mtu } : {}) };
}

function backendOf(
  named: string | undefined,
  environment: Environment | undefined,
  installation: { readonly network: Json } | undefined,
): CalicoNetwork["backend"] {
  const said = environment?.values.get("CALICO_NETWORKING_BACKEND") || named;
  if (said === "vxlan" || said === "none") return said;
  return installation?.network["bgp"] === "Disabled" ? "vxlan" : "bird";
}

function rangeOf(text: string | undefined, family: 4 | 6): IpNet | undefined {
  const net = parseIpNet(text ?? "");
  return net?.ip.family === family ? networkOf(net) : undefined;
}

function netOf({ address, length }: IpPrefix): IpNet {
  return networkOf({ ip: fromAddress(address), length });
}

function specOf(object: KubernetesObject): unknown {
  return (object as KubernetesObject & { readonly spec?: unknown }).spec;
}

function placed(object: KubernetesObject): string {
  return `${describeObject(object)} (${formatPlace(object.place)})`;
}
