import type { ServicePort } from "kubernetes-types/core/v1.js";
import type { EndpointPort } from "kubernetes-types/discovery/v1.js";
import type { FamilyName } from "../address/family-name.ts";
import {
  isObserved,
  keyOf,
  namespaceOf,
  type Pod,
  type Service,
  type SliceEndpoint,
} from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { matches, selectorOfMap } from "../object/selector.ts";
import { familiesSaid } from "../object/service-families.ts";
import { releaseOf } from "../proxy/versions.ts";
import type { Controller } from "./controller.ts";
import { canonicalJson } from "./hash-name.ts";
import { addressesOfPod } from "./pod-addresses.ts";
import { uidOf } from "./pods-of-owner.ts";
import { type EndpointGroup, slicesOf, writeSlices } from "./service-slices.ts";

const BY = "endpointslice controller";

/**
 * The slices of a Service with a selector, from the pods it selects. Slices or Endpoints that a dump holds are kept instead:
 * they say what the cluster had. A named targetPort is looked up in each pod, so pods may fall into groups of ports; each
 * slice is of one family, and a Service of both has some of each.
 */
export const endpointSliceController: Controller = {
  name: BY,
  keys: (lister) => lister.list("Service").map(keyOf),
  reconcile(key, lister, writer) {
    const service = lister.get("Service", key);
    if (service === undefined) return;
    const { selector, type } = service.spec;
    if (selector === undefined || Object.keys(selector).length === 0 || type === "ExternalName") return;
    if (slicesOf(service, lister).some(isObserved)) return;
    const endpoints = lister.get("Endpoints", key);
    if (endpoints !== undefined && isObserved(endpoints)) return;
    const groups = groupsOf(service, lister);
    writeSlices(
      { owner: service, groups, by: BY, manager: "endpointslice-controller.k8s.io" },
      lister,
      writer,
    );
  },
};

function groupsOf(service: Service, lister: Lister): EndpointGroup[] {
  const families = addressTypesOf(service);
  const hintsFor = hintsOf(service, lister);
  const groups = new Map<
    string,
    { addressType: FamilyName; ports: EndpointPort[]; endpoints: SliceEndpoint[] }
  >();
  for (const pod of selectedPods(service, lister)) {
    if (hasEnded(pod)) continue;
    const own = addressesOfPod(pod);
    if (families.every((family) => own[family] === undefined)) continue;
    const ports = (service.spec.ports ?? []).flatMap((port) => portOf(port, pod));
    // A pod that lacks every named port is no endpoint, unless the Service has no ports at all.
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue;
    const ofPorts = canonicalJson(ports);
    for (const addressType of families) {
      const address = own[addressType];
      if (address === undefined) continue;
      const key = `${addressType} ${ofPorts}`;
      const group = groups.get(key) ?? { addressType, ports, endpoints: [] };
      groups.set(key, group);
      group.endpoints.push(withHints(endpointOf(service, pod, address, lister), hintsFor));
    }
  }
  for (const addressType of service.spec.ipFamilies === undefined ? families.slice(0, 1) : families) {
    const hasSome = [...groups.values()].some((group) => group.addressType === addressType);
    if (!hasSome) groups.set(addressType, { addressType, ports: [], endpoints: [] });
  }
  return [...groups.values()];
}

/** `getAddressTypesForService`: a headless Service that says nothing is of whatever family its pods are. */
function addressTypesOf(service: Service): readonly FamilyName[] {
  const said = familiesSaid(service);
  if (said.length > 0) return said;
  return service.spec.clusterIP === "None" ? ["IPv4", "IPv6"] : ["IPv4"];
}

/** In the order of their keys. */
function selectedPods(service: Service, lister: Lister): readonly Pod[] {
  const { selector = {} } = service.spec;
  const [first] = Object.entries(selector);
  if (first === undefined) return [];
  const requirements = selectorOfMap(selector);
  return lister
    .withLabel("Pod", namespaceOf(service), ...first)
    .filter(({ metadata }) => matches(requirements, metadata.labels));
}

function hasEnded({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** A port of the Service as this pod serves it; none where the pod has no port of the name. */
function portOf(
  { name = "", protocol = "TCP", port, targetPort, appProtocol }: ServicePort,
  pod: Pod,
): EndpointPort[] {
  const number = typeof targetPort === "string" ? namedPort(pod, targetPort, protocol) : (targetPort ?? port);
  if (number === undefined) return [];
  return [{ name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }];
}

/** The containers' port of a name and protocol; restartable init containers serve too. */
export function namedPort({ spec }: Pod, name: string, protocol: string): number | undefined {
  const restartable = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  for (const { ports = [] } of [...spec.containers, ...restartable]) {
    const found = ports.find((port) => port.name === name && (port.protocol ?? "TCP") === protocol);
    if (found !== undefined) return found.containerPort;
  }
  return undefined;
}

function endpointOf(service: Service, pod: Pod, address: string, lister: Lister): SliceEndpoint {
  const { nodeName = "", hostname = "", subdomain = "" } = pod.spec;
  const isTerminating = pod.metadata.deletionTimestamp !== undefined;
  const serving = isReady(pod);
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !isTerminating);
  const zone = lister.get("Node", nodeName)?.metadata.labels?.["topology.kubernetes.io/zone"];
  const isNamed = hostname !== "" && subdomain === service.metadata.name;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating: isTerminating },
    targetRef: { kind: "Pod", namespace: namespaceOf(pod), name: pod.metadata.name, uid: uidOf(pod) },
    ...(nodeName === "" ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(isNamed ? { hostname } : {}),
  };
}

/** Whom a Service's endpoints are hinted for. */
type HintsFor = "nobody" | "zone" | "node";

/** The releases whose control plane writes hints by `spec.trafficDistribution`, of itself (KEP-4444, KEP-3015). */
const CLOSE_SINCE = 31;
const SAME_NODE_SINCE = 34;

/** The topology-mode annotation goes first, and its hints go by processors that no manifest tells. */
function hintsOf({ spec, metadata }: Service, lister: Lister): HintsFor {
  const { trafficDistribution: wanted } = spec as { readonly trafficDistribution?: string };
  if (wanted === undefined || wanted === "") return "nobody";
  const mode = metadata.annotations?.["service.kubernetes.io/topology-mode"] ?? "";
  if (mode.toLowerCase() === "auto") return "nobody";
  const releases = lister
    .list("Node")
    .flatMap(({ status }) => releaseOf(status?.nodeInfo?.kubeletVersion ?? "") ?? []);
  // The control plane is as new as the newest of its nodes.
  const release = releases.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...releases);
  if (wanted === "PreferClose") return release >= CLOSE_SINCE ? "zone" : "nobody";
  if (release < SAME_NODE_SINCE) return "nobody";
  return wanted === "PreferSameNode" ? "node" : "zone";
}

/** Each ready endpoint is for its own zone, or its own node before it (`trafficdist.ReconcileHints`). */
function withHints(endpoint: SliceEndpoint, hintsFor: HintsFor): SliceEndpoint {
  const { zone, nodeName, conditions } = endpoint;
  if (hintsFor === "nobody" || conditions?.ready !== true) return endpoint;
  const hints = {
    ...(zone === undefined ? {} : { forZones: [{ name: zone }] }),
    ...(hintsFor === "node" && nodeName !== undefined ? { forNodes: [{ name: nodeName }] } : {}),
  };
  return Object.keys(hints).length === 0 ? endpoint : { ...endpoint, hints };
}

/** As its conditions say; a pod that says nothing of it is assumed to be ready. */
export function isReady({ status }: Pod): boolean {
  const condition = status?.conditions?.find(({ type }) => type === "Ready");
  return condition === undefined ? status?.phase !== "Pending" : condition.status === "True";
}
