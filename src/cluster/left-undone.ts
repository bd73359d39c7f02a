import type { NetworkList } from "../cni/network-config.ts";
import { isJsonObject } from "../kernel/json-fields.ts";
import { describeObject, isObserved, keyOf, namespaceOf, type Pod } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { waitsForNetwork } from "./node-agents.ts";
import { portMappings } from "./pod-network.ts";

/** What objects ask for and the cluster does not do, one line each. */
export function leftUndone(objects: Lister): string[] {
  return [
    ...furtherNetworks(objects),
    ...withoutNetwork(objects),
    ...withoutHints(objects),
    ...withoutClusterIp(objects),
  ];
}

/** Multus reads it: NetworkAttachmentDefinitions by name, or a list of objects. */
const FURTHER_NETWORKS = "k8s.v1.cni.cncf.io/networks";
const MOST_OF_NAMES = 80;

/** A hostPort is nobody's work where the list has no `portmap`: the API takes it, and nothing serves it. */
export function unservedPorts(objects: Lister, { plugins }: NetworkList): string[] {
  const serves = plugins.some(
    ({ capabilities }) => isJsonObject(capabilities) && capabilities["portMappings"] === true,
  );
  const asking = serves ? [] : objects.list("Pod").filter((pod) => portMappings(pod).length > 0);
  const [first] = asking;
  if (first === undefined) return [];
  const more = asking.length === 1 ? "" : ` and ${asking.length - 1} more`;
  return [
    `hostPort of Pod ${keyOf(first)}${more} has no effect: no plugin of the conflist has the capability portMappings (portmap has it)`,
  ];
}

/** Interfaces that pods ask for beside their first one: told, and not made. */
function furtherNetworks(objects: Lister): string[] {
  const asking = objects
    .list("Pod")
    .filter(({ metadata }) => (metadata.annotations?.[FURTHER_NETWORKS] ?? "") !== "");
  const [first] = asking;
  if (first === undefined) return [];
  const more = asking.length === 1 ? "" : ` and ${asking.length - 1} more`;
  const named = first.metadata.annotations?.[FURTHER_NETWORKS] ?? "";
  return [
    `Pod ${keyOf(first)}${more} asks for further interfaces (${FURTHER_NETWORKS}: ${named.replaceAll(/\s+/g, " ").slice(0, MOST_OF_NAMES)}): they are noted, and not made`,
  ];
}

/** The service CIDR is used up. */
function withoutClusterIp(objects: Lister): string[] {
  const waiting = objects
    .list("Service")
    .filter(({ spec }) => spec.type !== "ExternalName" && (spec.clusterIP ?? "") === "");
  const [first] = waiting;
  if (first === undefined) return [];
  const more = waiting.length === 1 ? " has" : ` and ${waiting.length - 1} more have`;
  return [`${describeObject(first)}${more} no cluster IP: the service CIDR has none left`];
}

/** Hints by the topology-mode annotation go by the nodes' processors and are only kept where the input has them. */
function withoutHints(objects: Lister): string[] {
  const asking = objects.list("Service").filter((service) => {
    const { metadata, spec } = service;
    if (metadata.annotations?.["service.kubernetes.io/topology-mode"]?.toLowerCase() !== "auto") return false;
    const slices = objects.withLabel(
      "EndpointSlice",
      namespaceOf(service),
      "kubernetes.io/service-name",
      metadata.name,
    );
    return spec.clusterIP !== "None" && !slices.some(isObserved);
  });
  const [first] = asking;
  if (first === undefined) return [];
  const more = asking.length === 1 ? "" : ` and ${asking.length - 1} more`;
  return [
    `${describeObject(first)}${more}: its topology-mode annotation asks for hints in proportion to the zones' processors, which are not computed: every endpoint serves every zone`,
  ];
}

/** Pods that wait for an address: their status says why, and so does every answer. */
function withoutNetwork(objects: Lister): string[] {
  const waiting = objects.list("Pod").filter(waitsForNetwork);
  const reasons = new Map<string, Pod[]>();
  for (const pod of waiting) {
    const reason = pod.status?.message ?? "";
    reasons.set(reason, [...(reasons.get(reason) ?? []), pod]);
  }
  return [...reasons].map(([reason, pods]) => {
    const [first] = pods;
    const more = pods.length === 1 ? " has" : ` and ${pods.length - 1} more have`;
    return `Pod ${first === undefined ? "" : keyOf(first)}${more} no network: ${reason}`;
  });
}
