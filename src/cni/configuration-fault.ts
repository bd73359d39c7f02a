import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { CniFailure } from "./cni-error.ts";
import { requireFieldTypes } from "./field-types.ts";
import { requireRanges } from "./ipam/host-local.ts";
import { requireAddresses } from "./ipam/static.ts";
import { requirePortmapOptions } from "./plugin/portmap.ts";

/** A mistake that a plugin would tell of its configuration whoever calls it. */
export interface ConfigurationFault {
  /** Names of the field within the configuration; none: where it lies is not known. */
  readonly path: readonly string[];
  /** As the plugin says it. */
  readonly message: string;
}

/** What is wrong with one plugin's configuration before any container is there; null: nothing. */
export function configurationFault(config: Json): ConfigurationFault | null {
  const { type, ipam } = config;
  const ipamType = isJsonObject(ipam) ? ipam["type"] : undefined;
  // An installer may leave the ranges to be filled in on each node.
  const isFilled = isJsonObject(ipam) && (ipam["ranges"] !== undefined || ipam["subnet"] !== undefined);
  return (
    faultOf([], () => requireFieldTypes(String(type), config)) ??
    (type === "portmap" ? faultOf([], () => requirePortmapOptions(config)) : null) ??
    (ipamType === "host-local" && isFilled ? faultOf(["ipam"], () => requireRanges(config)) : null) ??
    (ipamType === "static" ? faultOf(["ipam"], () => requireAddresses(config)) : null)
  );
}

function faultOf(path: readonly string[], check: () => void): ConfigurationFault | null {
  try {
    check();
    return null;
  } catch (error) {
    if (!(error instanceof CniFailure)) throw error;
    const { msg: message } = error.error;
    const [, field] = / field \w*\.([\w.]+) of type /.exec(message) ?? [];
    return { path: field === undefined ? path : field.split("."), message };
  }
}
