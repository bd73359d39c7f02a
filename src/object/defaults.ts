import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { isNamespaced } from "./kinds.ts";

/**
 * The defaults that the API server puts into what it is given. What it was given stays; a field that is null is one that
 * is missing.
 */
export function withDefaults(json: Json, defaultNamespace: string): Json {
  const { kind, apiVersion: given } = json;
  const apiVersion = CURRENT_VERSION[String(kind)] ?? given;
  const object = { ...json, apiVersion, metadata: metadataOf(json, String(kind), defaultNamespace) };
  const spec = objectIn(json, "spec");
  switch (kind) {
    case "Service":
      return { ...object, spec: serviceSpec(spec) };
    case "Pod":
      return { ...object, spec: podSpec(spec) };
    case "Deployment":
    case "ReplicaSet":
    case "StatefulSet":
      return { ...object, spec: { replicas: 1, ...present(spec), ...selected(spec), ...templated(spec) } };
    case "DaemonSet":
      return { ...object, spec: { ...present(spec), ...selected(spec), ...templated(spec) } };
    case "ReplicationController":
      return {
        ...object,
        spec: { replicas: 1, selector: labelsOf(spec), ...present(spec), ...templated(spec) },
      };
    case "EndpointSlice":
      return {
        ...object,
        endpoints: objectsIn(json, "endpoints").map(sliceEndpoint),
        ports: objectsIn(json, "ports").map(withProtocol),
      };
    case "Endpoints":
      return { ...object, subsets: objectsIn(json, "subsets").map(subset) };
    case "NetworkPolicy":
      return { ...object, spec: networkPolicySpec(spec) };
    default:
      return object;
  }
}

/** Workloads and slices began in other versions, of the same fields. */
const CURRENT_VERSION: Readonly<Record<string, string>> = {
  Deployment: "apps/v1",
  ReplicaSet: "apps/v1",
  DaemonSet: "apps/v1",
  StatefulSet: "apps/v1",
  EndpointSlice: "discovery.k8s.io/v1",
  NetworkPolicy: "networking.k8s.io/v1",
  // Custom resources of the same fields.
  CalicoNetworkPolicy: "projectcalico.org/v3",
  GlobalNetworkPolicy: "projectcalico.org/v3",
  NetworkSet: "projectcalico.org/v3",
  GlobalNetworkSet: "projectcalico.org/v3",
  HostEndpoint: "projectcalico.org/v3",
  Tier: "projectcalico.org/v3",
  Profile: "projectcalico.org/v3",
};

/** What holds of every object: it lives in a namespace, if its kind does. */
export function withNamespace(json: Json, defaultNamespace: string): Json {
  const { kind } = json;
  return { ...json, metadata: metadataOf(json, String(kind), defaultNamespace) };
}

function metadataOf(json: Json, kind: string, defaultNamespace: string): Json {
  const metadata = present(objectIn(json, "metadata"));
  if (!isNamespaced(kind)) {
    const { namespace: _, ...rest } = metadata;
    return rest;
  }
  const { namespace } = metadata;
  return {
    ...metadata,
    namespace: namespace === undefined || namespace === "" ? defaultNamespace : namespace,
  };
}

function serviceSpec(spec: Json): Json {
  const { type, clusterIP } = spec;
  const isExternalName = type === "ExternalName";
  const isExternal = type === "NodePort" || type === "LoadBalancer";
  const { sessionAffinity, sessionAffinityConfig } = spec;
  const isSticky = sessionAffinity === "ClientIP" && !isJsonObject(sessionAffinityConfig);
  const ports = objectsIn(spec, "ports").map((port) => {
    const { port: number, nodePort, ...rest } = withProtocol(port);
    const kept = nodePort === 0 || nodePort === undefined ? {} : { nodePort };
    return { targetPort: number, ...rest, port: number, ...kept };
  });
  return {
    type: "ClusterIP",
    sessionAffinity: "None",
    ...(isExternalName ? {} : { internalTrafficPolicy: "Cluster" }),
    ...(isExternal ? { externalTrafficPolicy: "Cluster" } : {}),
    ...(isSticky ? { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } } : {}),
    ...(typeof clusterIP === "string" && clusterIP !== "" ? { clusterIPs: [clusterIP] } : {}),
    ...withoutEmpty(present(spec)),
    ports,
  };
}

/** "" is how old clusters print a field that is not set. */
function withoutEmpty(json: Json): Json {
  return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== ""));
}

/** Egress is a policy's matter only if it says so, or holds rules for it. */
function networkPolicySpec(spec: Json): Json {
  const { ingress, egress, policyTypes } = spec;
  const ruled = (name: string, rules: unknown) =>
    Array.isArray(rules)
      ? { [name]: rules.filter(isJsonObject).map((rule) => ({ ...present(rule), ...portsOf(rule) })) }
      : {};
  const hasTypes = Array.isArray(policyTypes) && policyTypes.length > 0;
  const types = Array.isArray(egress) && egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
  return {
    podSelector: {},
    ...present(spec),
    ...(hasTypes ? {} : { policyTypes: types }),
    ...ruled("ingress", ingress),
    ...ruled("egress", egress),
  };
}

function portsOf(rule: Json): Json {
  const { ports } = rule;
  return Array.isArray(ports) ? { ports: objectsIn(rule, "ports").map(withProtocol) } : {};
}

function podSpec(spec: Json): Json {
  const { hostNetwork } = spec;
  const result: Record<string, unknown> = { ...present(spec) };
  for (const field of ["containers", "initContainers"]) {
    if (!Object.hasOwn(result, field)) continue;
    result[field] = objectsIn(spec, field).map((container) =>
      Object.hasOwn(container, "ports")
        ? {
            ...container,
            ports: objectsIn(container, "ports").map((port) => containerPort(port, hostNetwork === true)),
          }
        : container,
    );
  }
  return result;
}

function containerPort(port: Json, isHostNetwork: boolean): Json {
  const { containerPort: number, hostPort, ...rest } = withProtocol(port);
  const own = hostPort === 0 || hostPort === undefined ? undefined : hostPort;
  const taken = isHostNetwork ? (own ?? number) : own;
  return { ...rest, containerPort: number, ...(taken === undefined ? {} : { hostPort: taken }) };
}

function withProtocol(port: Json): Json {
  return { protocol: "TCP", ...present(port) };
}

/** Slices of v1beta1 had the node and the zone among the labels of `topology`. */
function sliceEndpoint(json: Json): Json {
  const { topology, ...rest } = present(json);
  if (!isJsonObject(topology)) return rest;
  const { "kubernetes.io/hostname": nodeName, "topology.kubernetes.io/zone": zone } = topology;
  return {
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...rest,
    deprecatedTopology: topology,
  };
}

function subset(json: Json): Json {
  return { ...present(json), ports: objectsIn(json, "ports").map(withProtocol) };
}

function templated(spec: Json): Json {
  const template = objectIn(spec, "template");
  if (!Object.hasOwn(spec, "template")) return {};
  const inner = objectIn(template, "spec");
  return {
    template: { ...present(template), ...(Object.keys(inner).length === 0 ? {} : { spec: podSpec(inner) }) },
  };
}

/** The first workload APIs took the template's labels where no selector was given. */
function selected(spec: Json): Json {
  const { selector } = spec;
  return isJsonObject(selector) ? {} : { selector: { matchLabels: labelsOf(spec) } };
}

function labelsOf(spec: Json): Json {
  return objectIn(objectIn(objectIn(spec, "template"), "metadata"), "labels");
}

function objectIn(json: Json, name: string): Json {
  const value = Object.hasOwn(json, name) ? json[name] : undefined;
  return isJsonObject(value) ? value : {};
}

function objectsIn(json: Json, name: string): Json[] {
  const value = Object.hasOwn(json, name) ? json[name] : undefined;
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

/** Without the fields that are null. */
function present(json: Json): Json {
  const entries = Object.entries(json);
  return entries.some(([, value]) => value === null)
    ? Object.fromEntries(entries.filter(([, v]) => v !== null))
    : json;
}
