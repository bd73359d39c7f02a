import type { Json } from "../../kernel/json-fields.ts";
import { fail } from "../cni-error.ts";
import { text } from "../json.ts";
import type { CniDns, CniIp, CniRoute } from "../result.ts";
import type { Store } from "./store.ts";

/** What an IPAM plugin is asked with: the caller's whole configuration, of which it reads `ipam`. */
export interface IpamCall {
  readonly network: string;
  readonly containerId: string;
  readonly ifName: string;
  readonly args: string;
  readonly config: Json;
  /** The store of a network; host-local's `dataDir` is part of the key where it is given. */
  readonly store: (network: string, dataDir: string) => Store;
}

export interface IpamResult {
  readonly ips: readonly CniIp[];
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns;
}

/** What a version before 0.3.0 cannot say: two addresses of one family. */
export function requireOneEach(config: Json, families: readonly (4 | 6)[]): void {
  const version = text(config, "cniVersion") || "0.1.0";
  if (!["0.1.0", "0.2.0"].includes(version) || new Set(families).size === families.length) return;
  fail(`CNI version ${version} does not support more than 1 address per family`);
}

/** An IPAM plugin: it knows addresses and touches no device. */
export interface Ipam {
  readonly add: (call: IpamCall) => IpamResult;
  readonly del: (call: IpamCall) => void;
  readonly check: (call: IpamCall) => void;
}
