import { describeJson, isJsonObject, type Json } from "../kernel/json-fields.ts";
import { field, flag, text, texts } from "./json.ts";
import { VERSIONS } from "./version.ts";

/** A network as a runtime's folder (`/etc/cni/net.d`) holds it: a list of plugins, or one plugin alone. */
export interface NetworkList {
  readonly name: string;
  readonly cniVersion: string;
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly plugins: readonly Json[];
  /** `cni.dev/valid-attachments`, where the configuration itself names them. */
  readonly json: Json;
}

export type ReadNetwork =
  | { readonly kind: "ok"; readonly value: NetworkList }
  | { readonly kind: "invalid"; readonly message: string };

/** Reads either form, where the text is JSON at all; a single plugin's configuration is a list of one. */
export function parseNetwork(content: string): ReadNetwork | { readonly kind: "unreadable" } {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    return { kind: "unreadable" };
  }
  return isJsonObject(json) ? readNetwork(json) : invalid(`an object is expected, not ${describeJson(json)}`);
}

export function readNetwork(json: Json): ReadNetwork {
  const version = field(json, "cniVersion");
  if (version !== undefined && typeof version !== "string")
    return invalid(`cniVersion: ${describeJson(version)} is not a text such as "1.0.0"`);
  const plugins = field(json, "plugins");
  if (plugins === undefined) {
    if (text(json, "type") === "") {
      return invalid('has neither "plugins" (a list) nor "type" (one plugin)');
    }
    return { kind: "ok", value: { ...headOf(json), plugins: [json] } };
  }
  if (!Array.isArray(plugins)) return invalid(`plugins: ${describeJson(plugins)} is not a list`);
  if (plugins.length === 0) return invalid("plugins: holds no plugin");
  for (const [i, plugin] of (plugins as readonly unknown[]).entries()) {
    if (!isJsonObject(plugin)) return invalid(`plugins[${i}]: ${describeJson(plugin)} is not an object`);
    if (text(plugin, "type") === "") return invalid(`plugins[${i}]: "type", the plugin's name, is missing`);
  }
  return { kind: "ok", value: { ...headOf(json), plugins: plugins as readonly Json[] } };
}

function headOf(json: Json): Omit<NetworkList, "plugins"> {
  return {
    name: text(json, "name"),
    cniVersion: versionOf(json),
    disableCheck: flag(json, "disableCheck"),
    disableGC: flag(json, "disableGC"),
    json,
  };
}

/** From 1.1 on a list may name several versions in `cniVersions`: the newest that is known is taken. */
function versionOf(json: Json): string {
  const named = [...texts(json, "cniVersions"), ...[text(json, "cniVersion")].filter((one) => one !== "")];
  const known = VERSIONS.findLast((version) => named.includes(version));
  return known ?? named[0] ?? "0.1.0";
}

function invalid(message: string): ReadNetwork {
  return { kind: "invalid", message };
}
