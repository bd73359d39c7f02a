import type { ServicePort } from "kubernetes-types/core/v1.js";
import type { Service } from "../object/kubernetes-object.ts";
import { CLUSTER_KEY, type Controller } from "./controller.ts";
import type { ClusterSettings } from "./settings.ts";

/**
 * Node ports for the ports of NodePort and LoadBalancer Services that name none, and the health check's port of a
 * LoadBalancer with `externalTrafficPolicy: Local`. As with cluster IPs the lowest of the upper band instead of any.
 */
export function nodePortController({ nodePorts }: ClusterSettings): Controller {
  return {
    name: "node port allocator",
    keys: () => [CLUSTER_KEY],
    reconcile(_key, lister, writer) {
      const services = lister.list("Service");
      const waiting = services.filter((service) => needsNodePort(service) || needsHealthPort(service));
      if (waiting.length === 0) return;
      const taken = new Set(services.flatMap(portsInUse));
      const size = nodePorts.last - nodePorts.first + 1;
      const band = Math.min(Math.max(16, Math.floor(size / 32)), 128);
      let cursor = nodePorts.first + band;
      const next = (): number | undefined => {
        while (taken.has(cursor)) cursor++;
        if (cursor > nodePorts.last) return undefined;
        taken.add(cursor);
        return cursor;
      };
      for (const service of waiting) writer.put(withPorts(service, next));
    },
  };
}

function withPorts(service: Service, next: () => number | undefined): Service {
  const { spec } = service;
  // One number serves TCP and UDP of one port, as DNS has it.
  const shared = new Map<number, { readonly nodePort: number; readonly protocols: Set<string> }>();
  const give = (port: ServicePort): ServicePort => {
    const { protocol = "TCP" } = port;
    const known = shared.get(port.port);
    if (known !== undefined && !known.protocols.has(protocol)) {
      known.protocols.add(protocol);
      return { ...port, nodePort: known.nodePort };
    }
    const nodePort = next();
    if (nodePort === undefined) return port;
    shared.set(port.port, { nodePort, protocols: new Set([protocol]) });
    return { ...port, nodePort };
  };
  const ports = needsNodePort(service)
    ? (spec.ports ?? []).map((port) => (port.nodePort === undefined ? give(port) : port))
    : spec.ports;
  const healthCheckNodePort = needsHealthPort(service) ? next() : undefined;
  return {
    ...service,
    spec: {
      ...spec,
      ...(ports === undefined ? {} : { ports }),
      ...(healthCheckNodePort === undefined ? {} : { healthCheckNodePort }),
    },
  };
}

/** A load balancer that has its address went through this already, and what it lacks it does without. */
function isBalanced({ status }: Service): boolean {
  return (status?.loadBalancer?.ingress ?? []).length > 0;
}

function needsNodePort(service: Service): boolean {
  const { spec } = service;
  const takesPorts =
    spec.type === "NodePort" ||
    (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false && !isBalanced(service));
  return takesPorts && (spec.ports ?? []).some(({ nodePort }) => nodePort === undefined);
}

function needsHealthPort(service: Service): boolean {
  const { spec } = service;
  return (
    !isBalanced(service) &&
    spec.type === "LoadBalancer" &&
    spec.externalTrafficPolicy === "Local" &&
    (spec.healthCheckNodePort === undefined || spec.healthCheckNodePort === 0)
  );
}

function portsInUse({ spec }: Service): number[] {
  const ports = (spec.ports ?? []).flatMap(({ nodePort }) => nodePort ?? []);
  return spec.healthCheckNodePort === undefined ? ports : [...ports, spec.healthCheckNodePort];
}
