import { isJsonObject, type Json } from "../kernel/json-fields.ts";

/**
 * Old `kubectl cluster-info dump`s print Kubernetes' internal types instead of the API's: Go field names (`Spec.PodCIDR`,
 * `Items`), the metadata not in `metadata` but beside `Spec`, no kind. Here they become what the API would have shown.
 */

/** Maps whose keys are the user's, not names of fields. */
const USERS_KEYS: ReadonlySet<string> = new Set([
  ...["labels", "annotations", "nodeSelector", "matchLabels", "data", "binaryData"],
  ...["capacity", "allocatable", "limits", "requests", "selector"],
]);

/** Fields of a pod's security context that the API has in the pod's spec. */
const OF_POD_SPEC: readonly string[] = [
  "hostNetwork",
  "hostPID",
  "hostIPC",
  "shareProcessNamespace",
  "hostUsers",
];

/** Whether a JSON object is of internal form: `Spec`, `Items`, `Subsets` or `Data` in capitals, and no API form of it. */
export function isInternalForm(json: Json): boolean {
  const has = (name: string) => Object.hasOwn(json, name);
  return (
    (has("Items") && !has("items")) || ((has("Spec") || has("Subsets") || has("Status")) && !has("metadata"))
  );
}

/** `PodCIDR` is podCIDR, `IP` ip, `DNSPolicy` dnsPolicy, `ExternalIPs` externalIPs. */
function apiName(name: string): string {
  const run = /^[A-Z]+/.exec(name)?.[0] ?? "";
  if (run === "") return name;
  // A capital before a small letter begins the next word, unless it begins the name: DNSPolicy is DNS and Policy.
  const isWhole = run.length === name.length || !/[a-z]/.test(name.charAt(run.length));
  const lower = isWhole || run.length === 1 ? run.length : run.length - 1;
  return name.slice(0, lower).toLowerCase() + name.slice(lower);
}

/** An object or a List of internal form, in the API's form. */
export function fromInternalForm(json: Json): Json {
  const renamed = renameKeys(json) as Record<string, unknown>;
  const { items } = renamed;
  if (Array.isArray(items)) {
    return { ...renamed, items: items.map((item) => (isJsonObject(item) ? withMetadata(item) : item)) };
  }
  return withMetadata(renamed);
}

function renameKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renameKeys);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const name = apiName(key);
      return [name, USERS_KEYS.has(name) && !isLabelSelector(inner) ? inner : renameKeys(inner)];
    }),
  );
}

function isLabelSelector(value: unknown): boolean {
  return isJsonObject(value) && (Object.hasOwn(value, "matchLabels") || Object.hasOwn(value, "MatchLabels"));
}

const OUTSIDE_METADATA: ReadonlySet<string> = new Set([
  ...["apiVersion", "kind", "metadata", "spec", "status", "subsets", "data", "binaryData", "immutable"],
]);

function withMetadata(json: Json): Json {
  const { metadata: given } = json;
  const metadata: Record<string, unknown> = isJsonObject(given) ? { ...given } : {};
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(json)) {
    if (OUTSIDE_METADATA.has(name)) rest[name] = value;
    else metadata[name] = value;
  }
  return { ...liftPodFields(rest), metadata };
}

function liftPodFields(json: Json): Json {
  const { spec } = json;
  if (!isJsonObject(spec)) return json;
  const { securityContext, template } = spec;
  const lifted: Record<string, unknown> = {};
  if (isJsonObject(securityContext)) {
    for (const name of OF_POD_SPEC)
      if (Object.hasOwn(securityContext, name)) lifted[name] = securityContext[name];
  }
  const inner = isJsonObject(template) ? { template: withMetadata(template) } : {};
  return { ...json, spec: { ...spec, ...lifted, ...inner } };
}

/** The kind that a `selfLink` speaks of: `/api/v1/namespaces/default/pods/web` is a `pods`. */
export function pluralOfSelfLink(
  link: string,
): { readonly apiVersion: string; readonly plural: string } | null {
  const found =
    /^\/(?:api\/(v\w+)|apis\/([\w.-]+\/v\w+))\/(?:namespaces\/[^/]+\/(?=[^/]))?([a-z]+)(?:\/|$)/.exec(link);
  if (found === null) return null;
  return { apiVersion: found[1] ?? found[2] ?? "v1", plural: found[3] ?? "" };
}
