import type { Service, ServiceSpec } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import {
  DEFAULT_PROXY_CONFIGURATION,
  type NodeFacts,
  type ProxyConfiguration,
} from "../../src/proxy/configuration.ts";

/** `shop/web` with a cluster IP. */
export function service(
  name: string,
  spec: ServiceSpec,
  more: { readonly vips?: readonly object[]; readonly annotations?: Record<string, string> } = {},
): Service {
  const [namespace = "", short = ""] = name.split("/");
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name: short, annotations: more.annotations ?? {} },
    spec: { type: "ClusterIP", ...spec },
    ...(more.vips === undefined
      ? {}
      : { status: { loadBalancer: { ingress: more.vips as { ip: string }[] } } }),
  };
}

export interface EndpointText {
  readonly ip: string;
  /** `n1` is the node asked about. */
  readonly on?: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
}

/** A slice of a Service; ports as `name:number/protocol`. */
export function slice(
  name: string,
  ports: readonly string[],
  endpoints: readonly (EndpointText | string)[],
  suffix = "a1",
): EndpointSlice {
  const [namespace = "", short = ""] = name.split("/");
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      namespace,
      name: `${short}-${suffix}`,
      labels: { "kubernetes.io/service-name": short },
    },
    addressType: "IPv4",
    ports: ports.map((text) => {
      const [, port = "", number = "", protocol = "TCP"] = /^(.*):(\d+)(?:\/(.*))?$/.exec(text) ?? [];
      return { name: port, port: Number(number), protocol };
    }),
    endpoints: endpoints.map((given) => {
      const endpoint: EndpointText = typeof given === "string" ? { ip: given } : given;
      const { ip, on, ready, serving, terminating, zones, nodes } = endpoint;
      const hints = {
        ...(zones === undefined ? {} : { forZones: zones.map((zone) => ({ name: zone })) }),
        ...(nodes === undefined ? {} : { forNodes: nodes.map((node) => ({ name: node })) }),
      };
      return {
        addresses: [ip],
        conditions: {
          ...(ready === undefined ? {} : { ready }),
          ...(serving === undefined ? {} : { serving }),
          ...(terminating === undefined ? {} : { terminating }),
        },
        ...(on === undefined ? {} : { nodeName: on }),
        ...(Object.keys(hints).length === 0 ? {} : { hints }),
      };
    }),
  };
}

export const NODE: NodeFacts = {
  name: "n1",
  ip: "192.168.1.1",
  addresses: ["127.0.0.1", "192.168.1.1", "10.1.0.1"],
  zone: "z1",
  podCidrs: ["10.1.0.0/24"],
  version: "1.34",
};

export const CONFIGURATION: ProxyConfiguration = {
  ...DEFAULT_PROXY_CONFIGURATION,
  detector: { kind: "cluster-cidr", cidrs: ["10.1.0.0/16"] },
};
