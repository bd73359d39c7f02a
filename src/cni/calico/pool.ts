import { isJsonObject, type Json } from "../../kernel/json-fields.ts";
import { parseCalicoSelector } from "../../object/calico-selector.ts";
import { coversNet, formatIpNet, type IpNet, networkOf, parseIpNet, sameNet } from "../ip.ts";
import { type CalicoPool, ENCAPSULATIONS, type Encapsulation, POOL_USES, type PoolUse } from "./network.ts";

/** What calico-node gives the pool that it makes of itself (`CALICO_IPV4POOL_*` unset). */
export const POOL_DEFAULTS = {
  ...{ name: "default-ipv4-ippool", blockSize: 26, ipip: "Never", vxlan: "Never" },
  ...{ natOutgoing: true, disabled: false, nodeSelector: "", uses: ["Workload", "Tunnel"], hidden: false },
} as const satisfies Partial<CalicoPool>;

/** The same of IPv6 (`CALICO_IPV6POOL_*`), whose addresses are fit for the world outside. */
export const POOL_DEFAULTS6 = {
  ...POOL_DEFAULTS,
  ...{ name: "default-ipv6-ippool", blockSize: 122, natOutgoing: false },
} as const satisfies Partial<CalicoPool>;

/** Of the blocks: the shortest and the longest. */
const BLOCK_SIZES = { 4: [20, 32], 6: [116, 128] } as const;

/** `blockSize` of a pool of a family, or what is wrong with it. */
export function faultOfBlockSize(blockSize: unknown, { ip, length }: IpNet): string | null {
  const [first, last] = BLOCK_SIZES[ip.family];
  if (!Number.isInteger(blockSize) || Number(blockSize) < first || Number(blockSize) > last) {
    return `${JSON.stringify(blockSize)} is no length from ${first} to ${last}`;
  }
  return Number(blockSize) < length
    ? `blocks of /${Number(blockSize)} do not fit into ${formatIpNet({ ip, length })}`
    : null;
}

/** The ranges that are of links and not of pods. */
const LINK_LOCAL = ["169.254.0.0/16", "fe80::/10"].flatMap((text) => parseIpNet(text) ?? []);

export interface PoolFault {
  /** Under `spec`. */
  readonly field: string;
  readonly message: string;
}

/** An IPPool's `spec` (projectcalico.org/v3, crd.projectcalico.org/v1), of either family. */
export function readPool(name: string, spec: unknown): CalicoPool | PoolFault {
  if (!isJsonObject(spec)) return { field: "", message: "is missing: an object with a cidr is expected" };
  const cidr = rangeOf(spec["cidr"]);
  if ("message" in cidr) return cidr;
  const { family } = cidr.ip;
  const defaults = family === 6 ? POOL_DEFAULTS6 : POOL_DEFAULTS;
  // 0 is what is not said, as the API's defaults have it.
  const blockSize = spec["blockSize"] || defaults.blockSize;
  const fault = faultOfBlockSize(blockSize, cidr);
  if (fault !== null) return { field: "blockSize", message: fault };
  const ipip = modeOf(spec, "ipipMode");
  const vxlan = modeOf(spec, "vxlanMode");
  if (typeof ipip !== "string") return ipip;
  if (typeof vxlan !== "string") return vxlan;
  if (ipip !== "Never" && family === 6) {
    return { field: "ipipMode", message: `${ipip} is not possible: IPIP carries IPv4 alone` };
  }
  if (ipip !== "Never" && vxlan !== "Never") {
    return { field: "vxlanMode", message: "a pool is wrapped in IPIP or in VXLAN, not in both" };
  }
  const uses = usesOf(spec["allowedUses"]);
  if (typeof uses === "string") return { field: "allowedUses", message: uses };
  const nodeSelector = spec["nodeSelector"] ?? "";
  const selector = parseCalicoSelector(String(nodeSelector));
  if (selector.kind === "invalid") return { field: "nodeSelector", message: selector.message };
  return {
    ...{ name, cidr: networkOf(cidr), blockSize: Number(blockSize), ipip, vxlan },
    ...{ nodeSelector: String(nodeSelector), uses },
    natOutgoing: spec["natOutgoing"] === true,
    disabled: spec["disabled"] === true,
    hidden: spec["disableBGPExport"] === true,
  };
}

export function isPool(read: CalicoPool | PoolFault): read is CalicoPool {
  return "cidr" in read;
}

function rangeOf(text: unknown): IpNet | PoolFault {
  const field = "cidr";
  const cidr = typeof text === "string" ? parseIpNet(text) : undefined;
  if (cidr === undefined) {
    const message = `${JSON.stringify(text)} is no range such as 10.244.0.0/16 or fd00:10:244::/64`;
    return { field, message };
  }
  if (!sameNet(cidr, networkOf(cidr))) {
    const message = `${text as string} has bits behind its prefix: ${formatIpNet(networkOf(cidr))} is expected`;
    return { field, message };
  }
  const link = LINK_LOCAL.find((net) => coversNet(net, cidr) || coversNet(cidr, net));
  if (link === undefined) return cidr;
  return { field, message: `${text as string} overlaps ${formatIpNet(link)}, which is of links alone` };
}

function modeOf(spec: Json, field: "ipipMode" | "vxlanMode"): Encapsulation | PoolFault {
  const { [field]: given = "Never" } = spec;
  const found = ENCAPSULATIONS.find((mode) => mode === given || (given === "" && mode === "Never"));
  return found ?? { field, message: `${JSON.stringify(given)} is none of ${ENCAPSULATIONS.join(", ")}` };
}

/** An empty list is what is not said. */
function usesOf(given: unknown): readonly PoolUse[] | string {
  if (given === undefined || given === null) return POOL_DEFAULTS.uses;
  if (!Array.isArray(given)) return `${JSON.stringify(given)} is no list of ${POOL_USES.join(", ")}`;
  const uses: PoolUse[] = [];
  for (const one of given as readonly unknown[]) {
    const found = POOL_USES.find((use) => use === one);
    if (found === undefined) return `${JSON.stringify(one)} is none of ${POOL_USES.join(", ")}`;
    uses.push(found);
  }
  return uses.length === 0 ? POOL_DEFAULTS.uses : uses;
}
