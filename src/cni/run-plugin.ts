import type { Json } from "../kernel/json-fields.ts";
import { isJsonObject } from "../kernel/json-fields.ts";
import { goQuote } from "./chain-name.ts";
import { type CniError, CniFailure, ERROR_CODE, failWith } from "./cni-error.ts";
import { requireFieldTypes, requireText } from "./field-types.ts";
import type { Holder } from "./ipam/store.ts";
import { field, text } from "./json.ts";
import type { Machine } from "./machine.ts";
import type { Plugin, PluginCall } from "./plugin/plugin.ts";
import { PLUGINS } from "./plugin/registry.ts";
import { formatResult, parseResult } from "./result.ts";
import { requireContainerId, requireInterfaceName, requireNetworkName } from "./validate.ts";
import { isAtLeast, isBeyond, type Release, requireVersion, spokenVersions, VERSIONS } from "./version.ts";

/** One plugin called as the specification says: its environment, and its configuration on stdin. */
export interface Environment {
  readonly command: "ADD" | "DEL" | "CHECK" | "VERSION" | "GC" | "STATUS";
  readonly containerId: string;
  readonly netns: string;
  readonly ifName: string;
  readonly args: string;
}

export type Outcome =
  /** null: the command prints nothing. */
  | { readonly kind: "ok"; readonly result: Json | null }
  | { readonly kind: "error"; readonly error: CniError };

/** Runs one plugin on the machine. What a failing one did before it failed stays done. */
export function runPlugin(
  machine: Machine,
  environment: Environment,
  config: Json,
  release: Release,
): Outcome {
  return outcomeOf(() => run(machine, environment, config, release));
}

/** A plugin's giving up as a value. */
export function outcomeOf(work: () => Json | null): Outcome {
  try {
    return { kind: "ok", result: work() };
  } catch (error) {
    if (error instanceof CniFailure) return { kind: "error", error: error.error };
    throw error;
  }
}

function run(machine: Machine, environment: Environment, config: Json, release: Release): Json | null {
  const { command } = environment;
  if (command === "VERSION") {
    return {
      cniVersion: text(config, "cniVersion") || "1.0.0",
      supportedVersions: spokenVersions(release, text(config, "type")),
    };
  }
  requireEnvironment(environment);
  requireText(config, "name", "error unmarshall network config");
  requireNetworkName(text(config, "name"));
  if (command !== "GC" && command !== "STATUS") {
    requireContainerId(environment.containerId);
    requireInterfaceName(environment.ifName);
  }
  requireText(config, "cniVersion", "decoding version from network config");
  const named = text(config, "cniVersion") || "0.1.0";
  if (command === "CHECK") requireCheck(named, release);
  const version = requireVersion(named, release, text(config, "type"));
  const plugin = findPlugin(text(config, "type"));
  requireFieldTypes(text(config, "type"), config);
  const previous = field(config, "prevResult");
  const call: PluginCall = {
    machine,
    containerId: environment.containerId,
    netns: environment.netns,
    ifName: environment.ifName,
    args: environment.args,
    network: text(config, "name"),
    config,
    version,
    release,
    prevResult: isJsonObject(previous) ? parseResult(previous) : null,
  };
  switch (command) {
    case "ADD":
      if (plugin.isUnconverted === true && call.prevResult === null) {
        return { ...formatResult(plugin.add(call), "1.0.0"), cniVersion: version };
      }
      return formatResult(plugin.add(call), version);
    case "DEL":
      plugin.del(call);
      return null;
    case "CHECK":
      plugin.check(call);
      return null;
    case "GC":
      plugin.gc?.(call, validAttachments(config));
      return null;
    case "STATUS":
      plugin.status?.(call);
      return null;
    default:
      command satisfies never;
      throw new Error("unknown command");
  }
}

/** CHECK came with 0.4.0. */
function requireCheck(named: string, release: Release): void {
  const { incompatibleVersion } = ERROR_CODE;
  const known = VERSIONS.find((version) => version === named);
  if (known !== undefined && !isAtLeast(known, "0.4.0")) {
    failWith(incompatibleVersion, "config version does not allow CHECK");
  }
  if (isBeyond(named, release)) failWith(incompatibleVersion, "plugin version does not allow CHECK");
}

/** All that is missing is told at once; DEL may do without a namespace. */
function requireEnvironment({ command, containerId, netns, ifName }: Environment): void {
  if (command === "GC" || command === "STATUS") return;
  const missing = [
    ...(containerId === "" ? ["CNI_CONTAINERID"] : []),
    ...(netns === "" && command !== "DEL" ? ["CNI_NETNS"] : []),
    ...(ifName === "" ? ["CNI_IFNAME"] : []),
  ];
  if (missing.length === 0) return;
  failWith(ERROR_CODE.badEnvironment, `required env variables [${missing.join(",")}] missing`);
}

export function findPlugin(type: string): Plugin {
  return (
    PLUGINS.get(type) ??
    failWith(ERROR_CODE.plugin, `failed to find plugin ${goQuote(type)} in path [/opt/cni/bin]`)
  );
}

export function validAttachments(config: Json): readonly Holder[] {
  const value = config["cni.dev/valid-attachments"];
  if (!Array.isArray(value)) return [];
  return (value as readonly unknown[]).filter(isJsonObject).map((item) => ({
    containerId: text(item, "containerID"),
    ifName: text(item, "ifname"),
  }));
}
