import { networkOf, parsePrefix4 } from "../../address/prefix.ts";
import { isJsonObject, type Json } from "../../kernel/json-fields.ts";
import { type CalicoPool, ENCAPSULATIONS, type Encapsulation } from "./network.ts";

/** What calico-node gives the pool that it makes of itself (`CALICO_IPV4POOL_*` unset). */
export const POOL_DEFAULTS = {
  ...{ name: "default-ipv4-ippool", blockSize: 26, ipip: "Never", vxlan: "Never" },
  ...{ natOutgoing: true, disabled: false },
} as const satisfies Partial<CalicoPool>;

const SHORTEST_BLOCK = 20;

export interface PoolFault {
  /** Under `spec`. */
  readonly field: string;
  readonly message: string;
}

/** An IPPool's `spec` (projectcalico.org/v3, crd.projectcalico.org/v1); null for a pool of IPv6. */
export function readPool(name: string, spec: unknown): CalicoPool | PoolFault | null {
  if (!isJsonObject(spec)) return { field: "", message: "is missing: an object with a cidr is expected" };
  const { cidr: text } = spec;
  if (typeof text === "string" && text.includes(":")) return null;
  const cidr = typeof text === "string" ? parsePrefix4(text) : undefined;
  if (cidr === undefined) {
    return { field: "cidr", message: `${JSON.stringify(text)} is no range such as 10.244.0.0/16` };
  }
  const blockSize = spec["blockSize"] ?? POOL_DEFAULTS.blockSize;
  if (
    typeof blockSize !== "number" ||
    !Number.isInteger(blockSize) ||
    blockSize < SHORTEST_BLOCK ||
    blockSize > 32
  ) {
    return { field: "blockSize", message: `${JSON.stringify(blockSize)} is no length from 20 to 32` };
  }
  if (blockSize < cidr.length) {
    return { field: "blockSize", message: `blocks of /${blockSize} do not fit into ${text as string}` };
  }
  const ipip = modeOf(spec, "ipipMode");
  const vxlan = modeOf(spec, "vxlanMode");
  if (typeof ipip !== "string") return ipip;
  if (typeof vxlan !== "string") return vxlan;
  if (ipip !== "Never" && vxlan !== "Never") {
    return { field: "vxlanMode", message: "a pool is wrapped in IPIP or in VXLAN, not in both" };
  }
  return {
    ...{ name, cidr: networkOf(cidr), blockSize, ipip, vxlan },
    natOutgoing: spec["natOutgoing"] === true,
    disabled: spec["disabled"] === true,
  };
}

export function isPool(read: CalicoPool | PoolFault | null): read is CalicoPool {
  return read !== null && "cidr" in read;
}

function modeOf(spec: Json, field: "ipipMode" | "vxlanMode"): Encapsulation | PoolFault {
  const { [field]: given = "Never" } = spec;
  const found = ENCAPSULATIONS.find((mode) => mode === given || (given === "" && mode === "Never"));
  return found ?? { field, message: `${JSON.stringify(given)} is none of ${ENCAPSULATIONS.join(", ")}` };
}
