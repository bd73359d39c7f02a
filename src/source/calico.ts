import type { EnvVar } from "kubernetes-types/core/v1.js";
import { parseIpv4 } from "../address/ipv4.ts";
import { covers, formatPrefix4, networkOf, type Prefix4, parsePrefix4 } from "../address/prefix.ts";
import {
  type CalicoNetwork,
  type CalicoPool,
  ENCAPSULATIONS,
  type Encapsulation,
} from "../cni/calico/network.ts";
import { isPool, POOL_DEFAULTS, readPool } from "../cni/calico/pool.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { describeObject, type KubernetesObject } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { type Findings, finding } from "../object/object-report.ts";
import { formatPlace } from "../object/place.ts";

/** How a source's Calico joins the nodes, and where that was read. */
export interface DetectedCalico {
  readonly network: CalicoNetwork;
  readonly from: "input" | "assumed";
  /** `IPPool default-ipv4-ippool (calico.yaml:12)`, or why it was assumed. */
  readonly where: string;
}

/**
 * Calico's set-up, from what says most: its IPPools; the operator's Installation; what calico-node is told to make of itself
 * when there is no pool (`CALICO_IPV4POOL_*`); else what Calico's own manifest says, with the whole cluster as one pool.
 */
export function detectCalico(objects: Lister, clusterCidr: Prefix4): DetectedCalico {
  const environment = environmentOf(objects);
  const installation = installationOf(objects);
  const map = objects.list("ConfigMap").find(({ metadata }) => metadata.name === "calico-config");
  const mtu = Number(map?.data?.["veth_mtu"] ?? 0);
  const shared = {
    backend: backendOf(map?.data?.["calico_backend"], environment, installation),
    mtu: mtu > 0 ? mtu : null,
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
    const network = networkOfInstallation(installation.network, clusterCidr);
    if (network !== undefined)
      return { network: { ...shared, ...network }, from: "input", where: placed(installation.object) };
  }
  const encapsulation = (name: string, otherwise: Encapsulation): Encapsulation => {
    const value = environment?.values.get(name);
    return ENCAPSULATIONS.find((mode) => mode === value) ?? otherwise;
  };
  const vxlan = encapsulation("CALICO_IPV4POOL_VXLAN", "Never");
  const blockSize = Number(environment?.values.get("CALICO_IPV4POOL_BLOCK_SIZE") ?? POOL_DEFAULTS.blockSize);
  const pool: CalicoPool = {
    ...POOL_DEFAULTS,
    cidr: prefixOf(environment?.values.get("CALICO_IPV4POOL_CIDR")) ?? clusterCidr,
    blockSize:
      Number.isInteger(blockSize) && blockSize >= 20 && blockSize <= 32 ? blockSize : POOL_DEFAULTS.blockSize,
    ipip:
      vxlan === "Never"
        ? encapsulation("CALICO_IPV4POOL_IPIP", environment === undefined ? "Always" : "Never")
        : "Never",
    vxlan,
    natOutgoing: environment?.values.get("CALICO_IPV4POOL_NAT_OUTGOING") !== "false",
  };
  return {
    network: { ...shared, pools: [pool] },
    ...(environment === undefined
      ? { from: "assumed", where: "Calico's own manifest has it so" }
      : { from: "input", where: placed(environment.object) }),
  };
}

/** The pool that calico-node is told to make (`CALICO_IPV4POOL_CIDR`), for whoever looks for the cluster's range. */
export function poolCidrOf(objects: Lister): { readonly text: string; readonly where: string } | undefined {
  const environment = environmentOf(objects);
  const text = environment?.values.get("CALICO_IPV4POOL_CIDR");
  return environment === undefined || text === undefined
    ? undefined
    : { text, where: `${placed(environment.object)} CALICO_IPV4POOL_CIDR` };
}

/**
 * What is wrong with pools: fields that cannot be read; pools that overlap; a pool outside of the range that kube-proxy takes
 * for the cluster's, whose pods it would treat as strangers.
 */
export function checkCalico(
  objects: Lister,
  clusterCidr: { readonly value: Prefix4; readonly where: string; readonly isLaw: boolean },
  findings: Findings,
): void {
  const seen: { readonly pool: CalicoPool; readonly object: KubernetesObject }[] = [];
  for (const object of poolObjects(objects)) {
    const read = readPool(object.metadata.name, specOf(object));
    if (read === null) continue;
    if (!isPool(read)) {
      findings.errors.push(finding(object, read.field === "" ? "spec" : `spec.${read.field}`, read.message));
      continue;
    }
    const clash = seen.find(({ pool }) => covers(pool.cidr, read.cidr) || covers(read.cidr, pool.cidr));
    if (clash !== undefined) {
      const message = `${formatPrefix4(read.cidr)} overlaps ${formatPrefix4(clash.pool.cidr)} of ${placed(clash.object)}: each address is of one pool`;
      findings.errors.push(finding(object, "spec.cidr", message));
    }
    if (!read.disabled && clusterCidr.isLaw && !covers(clusterCidr.value, read.cidr)) {
      const message = `${formatPrefix4(read.cidr)} is outside ${formatPrefix4(clusterCidr.value)}, the cluster's range (${clusterCidr.where}): kube-proxy takes its pods for strangers and masquerades them`;
      findings.warnings.push(finding(object, "spec.cidr", message));
    }
    seen.push({ pool: read, object });
  }
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
  clusterCidr: Prefix4,
): (Pick<CalicoNetwork, "pools"> & Partial<CalicoNetwork>) | undefined {
  const { ipPools, mtu } = network;
  if (!Array.isArray(ipPools)) return undefined;
  const pools = (ipPools as readonly unknown[]).filter(isJsonObject).flatMap((item, i): CalicoPool[] => {
    const text = typeof item["cidr"] === "string" ? item["cidr"] : "";
    if (text.includes(":")) return [];
    const { encapsulation, natOutgoing, blockSize } = item;
    return [
      {
        ...POOL_DEFAULTS,
        name: typeof item["name"] === "string" ? item["name"] : i === 0 ? POOL_DEFAULTS.name : `pool-${i}`,
        cidr: prefixOf(text) ?? clusterCidr,
        blockSize: typeof blockSize === "number" ? blockSize : POOL_DEFAULTS.blockSize,
        ...(OPERATOR_MODES[String(encapsulation ?? "IPIP")] ?? OPERATOR_MODES["IPIP"]),
        natOutgoing: natOutgoing !== "Disabled",
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

function prefixOf(text: string | undefined): Prefix4 | undefined {
  const prefix = text === undefined ? undefined : parsePrefix4(text);
  return prefix === undefined || parseIpv4(text?.split("/")[0] ?? "") === undefined
    ? undefined
    : networkOf(prefix);
}

function specOf(object: KubernetesObject): unknown {
  return (object as KubernetesObject & { readonly spec?: unknown }).spec;
}

function placed(object: KubernetesObject): string {
  return `${describeObject(object)} (${formatPlace(object.place)})`;
}
