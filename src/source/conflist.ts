import { configurationFault } from "../cni/configuration-fault.ts";
import { type NetworkList, readNetwork } from "../cni/network-config.ts";
import { PLUGINS } from "../cni/plugin/registry.ts";
import { CONTAINER_NAME } from "../cni/validate.ts";
import { VERSIONS } from "../cni/version.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import type { Findings } from "../object/object-report.ts";
import type { TextDocument } from "../object/yaml.ts";
import type { DetectedCluster } from "./detect.ts";

/** A CNI configuration as a runtime's folder holds it, and what of it a cluster is attached by. */

/** Plugins that make a container's interface out of nothing but their configuration. */
const MAIN_PLUGINS: ReadonlySet<string> = new Set([
  "bridge",
  "ptp",
  "macvlan",
  "ipvlan",
  "vlan",
  "host-device",
]);

/**
 * Tells every mistake of a list of plugins with its line: what libcni refuses to load, and what `host-local` refuses to read.
 * A chained plugin that is not modelled is a warning, for the list is of use without it.
 */
export function checkConflist({ value, file, line, lineOf }: TextDocument, findings: Findings): void {
  if (!isJsonObject(value)) return;
  const { name, cniVersion, plugins } = value;
  const tell = (path: readonly (string | number)[], field: string, message: string) =>
    findings.errors.push({ file, line: lineOf(path) ?? line, field, message });
  if (name === undefined) {
    if (Array.isArray(plugins)) tell([], "name", "is missing: a network has a name");
  } else if (typeof name !== "string" || !CONTAINER_NAME.test(name)) {
    tell(["name"], "name", `${JSON.stringify(name)} is no name of a network: letters, digits, _ . and -`);
  }
  const isKnown = VERSIONS.some((version) => version === cniVersion);
  if (cniVersion !== undefined && !isKnown) {
    tell(
      ["cniVersion"],
      "cniVersion",
      `${JSON.stringify(cniVersion)} is no version of CNI: ${VERSIONS.join(", ")} are`,
    );
  }
  if (cniVersion !== undefined && typeof cniVersion !== "string") return;
  const read = readNetwork(value);
  if (read.kind === "invalid") {
    tell(["plugins"], "plugins", read.message.replace(/^plugins(?:: |(?=\[))/, ""));
    return;
  }
  const isList = plugins !== undefined;
  for (const [i, plugin] of read.value.plugins.entries()) {
    const path = isList ? ["plugins", i] : [];
    const field = isList ? `plugins[${i}].` : "";
    const { type } = plugin;
    if (i > 0 && !PLUGINS.has(String(type))) {
      findings.warnings.push({
        ...{ file, line: lineOf([...path, "type"]) ?? line, field: `${field}type` },
        message: `${JSON.stringify(type)} is no plugin that is modelled here, and is left out${suggestion(String(type), PLUGINS.keys())}`,
      });
    }
    const fault = configurationFault(plugin);
    if (fault === null) continue;
    const shown = fault.path.join(".");
    tell(
      [...path, ...fault.path],
      shown === "" ? field.replace(/\.$/, "") : `${field}${shown}`,
      fault.message,
    );
  }
}

/** Why a list that begins with a plugin attaches nobody; null: the plugin is none that is known here. */
export function whyNoMainPlugin(type: string): string | null {
  if (!PLUGINS.has(type)) return null;
  return `${type} makes no interface by itself: it is chained behind a plugin such as bridge`;
}

/** What a plugin that is not known may have been meant for. */
export function likelyPlugin(type: string): string {
  return suggestion(type, PLUGINS.keys());
}

/** The list that the cluster's pods are attached by; null where an agent of its own attaches them. */
export function ownNetworkOf({ cni, conflist }: DetectedCluster): NetworkList | null {
  if (conflist === null || cni.from !== "input" || !MAIN_PLUGINS.has(cni.value)) return null;
  const read = readNetwork(conflist);
  if (read.kind === "invalid" || String(read.value.plugins[0]?.["type"]) !== cni.value) return null;
  const isModelled = ({ type }: Json) => PLUGINS.has(String(type));
  return { ...read.value, plugins: read.value.plugins.filter(isModelled) };
}
