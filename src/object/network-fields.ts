import {
  address,
  anything,
  count,
  type Fields,
  flag,
  integer,
  list,
  names,
  object,
  optional,
  port,
  portLabel,
  portOrName,
  prefix,
  protocol,
  required,
  text,
  texts,
  word,
} from "./field-table.ts";
import { OBJECT_REFERENCE } from "./metadata-fields.ts";

/** Services, their endpoints, and Nodes: the objects whose fields become rules and routes. */

const SERVICE_PORT: Fields = {
  ...required({ port }),
  ...optional({
    name: portLabel,
    protocol,
    targetPort: portOrName,
    // 0 is what old dumps print for none.
    nodePort: integer(0, 65_535, "a port from 1 to 65535"),
    appProtocol: text,
  }),
};

const TRAFFIC_POLICY = word("", "Cluster", "Local");
const FAMILY = word("IPv4", "IPv6");

export const SERVICE_SPEC: Fields = {
  ...optional({
    type: word("", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    selector: texts,
    ports: list(object(SERVICE_PORT)),
    clusterIP: address("", "None"),
    clusterIPs: list(address("", "None")),
    externalIPs: list(address()),
    externalName: text,
    externalTrafficPolicy: TRAFFIC_POLICY,
    internalTrafficPolicy: TRAFFIC_POLICY,
    healthCheckNodePort: integer(0, 65_535, "a port from 1 to 65535"),
    loadBalancerIP: address(""),
    loadBalancerClass: text,
    // Read by kube-proxy, which trims blanks and takes leading zeros.
    loadBalancerSourceRanges: list(text),
    allocateLoadBalancerNodePorts: flag,
    publishNotReadyAddresses: flag,
    sessionAffinity: word("", "None", "ClientIP"),
    sessionAffinityConfig: object(
      optional({
        clientIP: object(optional({ timeoutSeconds: integer(1, 86_400, "seconds from 1 to 86400") })),
      }),
    ),
    ipFamilies: list(FAMILY),
    ipFamily: FAMILY,
    ipFamilyPolicy: word("SingleStack", "PreferDualStack", "RequireDualStack"),
    trafficDistribution: word("", "PreferClose", "PreferSameZone", "PreferSameNode"),
  }),
  ...names("topologyKeys"),
};

export const SERVICE_STATUS: Fields = {
  ...optional({
    loadBalancer: object(
      optional({
        ingress: list(
          object(
            optional({ ip: address(""), hostname: text, ipMode: word("VIP", "Proxy"), ports: anything }),
          ),
        ),
      }),
    ),
  }),
  ...names("conditions"),
};

const ENDPOINT_ADDRESS: Fields = {
  ...required({ ip: address() }),
  ...optional({ hostname: text, nodeName: text, targetRef: object(OBJECT_REFERENCE) }),
};

const ENDPOINT_PORT: Fields = {
  ...required({ port }),
  ...optional({ name: portLabel, protocol, appProtocol: text }),
};

export const ENDPOINT_SUBSETS = list(
  object(
    optional({
      addresses: list(object(ENDPOINT_ADDRESS)),
      notReadyAddresses: list(object(ENDPOINT_ADDRESS)),
      ports: list(object(ENDPOINT_PORT)),
    }),
  ),
);

const HINTS = list(object(required({ name: text })));

export const ENDPOINT_SLICE: Fields = {
  ...required({ addressType: word("IPv4", "IPv6", "FQDN") }),
  ...optional({
    endpoints: list(
      object({
        ...required({ addresses: list(text) }),
        ...optional({
          conditions: object(optional({ ready: flag, serving: flag, terminating: flag })),
          hostname: text,
          nodeName: text,
          zone: text,
          targetRef: object(OBJECT_REFERENCE),
          hints: object(optional({ forZones: HINTS, forNodes: HINTS })),
          deprecatedTopology: texts,
          topology: texts,
        }),
      }),
    ),
    ports: list(
      object(
        optional({
          name: portLabel,
          protocol,
          port: integer(0, 65_535, "a port from 1 to 65535"),
          appProtocol: text,
        }),
      ),
    ),
  }),
};

export const NODE_SPEC: Fields = {
  ...optional({
    podCIDR: prefix,
    podCIDRs: list(prefix),
    unschedulable: flag,
    taints: list(
      object({
        ...required({ key: text, effect: word("NoSchedule", "PreferNoSchedule", "NoExecute") }),
        ...optional({ value: text, timeAdded: anything }),
      }),
    ),
    providerID: text,
  }),
  ...names("configSource externalID doNotUseExternalID"),
};

export const NODE_STATUS: Fields = {
  ...optional({
    addresses: list(object(required({ type: text, address: text }))),
    conditions: list(anything),
  }),
  ...names(`allocatable capacity config daemonEndpoints declaredFeatures features images nodeInfo phase
    runtimeHandlers volumesAttached volumesInUse`),
};

export const CONFIG_MAP: Fields = optional({ data: texts, binaryData: anything, immutable: flag });

/** As many as Kubernetes itself is made for. */
const pods = integer(0, 150_000, "a whole number of pods, at most 150000");

/** The fields that all workloads with replicas have. */
export const REPLICAS: Fields = optional({ replicas: pods, minReadySeconds: count });
