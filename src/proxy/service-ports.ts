import type { Service, ServicePort as ServicePortSpec } from "kubernetes-types/core/v1.js";
import { ORIGIN_NONE, type Origin } from "../kernel/origin.ts";
import { canonicalAddress, canonicalPrefix, type IpFamily } from "./canonical-address.ts";
import { type Protocol, servicePortName } from "./names.ts";

/** What kube-proxy keeps of one port of a Service, for one family: everything canonical, other families dropped. */
export interface ServicePort {
  readonly namespace: string;
  readonly service: string;
  readonly portName: string;
  /** `ns/svc:port` */
  readonly name: string;
  readonly protocol: Protocol;
  readonly clusterIp: string;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  readonly externalIps: readonly string[];
  /** Load balancer addresses that are programmed: those of `ipMode: Proxy` are not. */
  readonly vips: readonly string[];
  readonly sourceRanges: readonly string[];
  /** Seconds of ClientIP affinity, null without it. */
  readonly affinitySeconds: number | null;
  readonly internalPolicyLocal: boolean;
  /** `externalTrafficPolicy: Local`, where it has effect. */
  readonly externalPolicyLocal: boolean;
  /** 0: none. */
  readonly healthCheckNodePort: number;
  /** The topology-mode annotation asks for hints; only old releases look at it. */
  readonly topologyAnnotation: boolean;
  readonly origin: Origin;
}

/** The origin of a rule made for a port: `Service shop/db spec.ports[0]`. */
export type ServiceOrigin = (service: Service, portIndex: number) => Origin;

/** The label by which a Service is left to another proxy. */
const SERVICE_PROXY_NAME = "service.kubernetes.io/service-proxy-name";
const HEADLESS = "service.kubernetes.io/headless";

/** All ports of the Services that count, in the order of their names. */
export function servicePorts(
  services: readonly Service[],
  family: IpFamily,
  origin: ServiceOrigin = () => ORIGIN_NONE,
): ServicePort[] {
  return services.flatMap((service) => portsOf(service, family, origin)).sort(comparePorts);
}

/** The order of rules. */
export function comparePorts(a: ServicePort, b: ServicePort): number {
  return compareText(a.name, b.name) || compareText(a.protocol, b.protocol);
}

/** Can it be reached from outside the cluster: by a node port, a load balancer's address or an external IP? */
export function isExternallyAccessible(port: ServicePort): boolean {
  return port.nodePort !== 0 || port.vips.length > 0 || port.externalIps.length > 0;
}

export function usesClusterEndpoints(port: ServicePort): boolean {
  return !port.internalPolicyLocal || isExternallyAccessible(port);
}

export function usesLocalEndpoints(port: ServicePort): boolean {
  return port.internalPolicyLocal || (port.externalPolicyLocal && isExternallyAccessible(port));
}

/** Plain order of code units, which for names and addresses is byte order. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The protocol as rules spell it; undefined for one that no proxier serves. */
export function protocolOf(text: string | undefined): Protocol | undefined {
  const lower = (text ?? "TCP").toLowerCase();
  return lower === "tcp" || lower === "udp" || lower === "sctp" ? lower : undefined;
}

function portsOf(service: Service, family: IpFamily, origin: ServiceOrigin): ServicePort[] {
  const clusterIp = clusterIpOf(service, family);
  if (clusterIp === undefined || isLeftToOthers(service.metadata?.labels)) return [];
  return (service.spec?.ports ?? []).flatMap((spec, index) => {
    const port = portOf(service, spec, family, clusterIp, origin(service, index));
    return port === undefined ? [] : [port];
  });
}

/** The informers of kube-proxy select by these labels, for Services and EndpointSlices alike. */
export function isLeftToOthers(labels: Readonly<Record<string, string>> | undefined): boolean {
  return labels !== undefined && (SERVICE_PROXY_NAME in labels || HEADLESS in labels);
}

/** The cluster IP of the family; undefined for a headless or external Service and for one of the other family alone. */
function clusterIpOf({ spec }: Service, family: IpFamily): string | undefined {
  const first = spec?.clusterIP ?? "";
  if (first === "" || first === "None" || spec?.type === "ExternalName") return undefined;
  const families = spec?.ipFamilies ?? [];
  const text = families.length === 0 ? first : spec?.clusterIPs?.[families.indexOf(family)];
  return canonicalAddress(text ?? (families[0] === family ? first : ""), family);
}

function portOf(
  service: Service,
  spec: ServicePortSpec,
  family: IpFamily,
  clusterIp: string,
  origin: Origin,
): ServicePort | undefined {
  const protocol = protocolOf(spec.protocol);
  if (protocol === undefined) return undefined;
  const { spec: serviceSpec, metadata } = service;
  const namespace = metadata?.namespace ?? "default";
  const name = metadata?.name ?? "";
  const portName = spec.name ?? "";
  const externalPolicyLocal = isExternalPolicyLocal(service);
  const ofFamily = (address: string): string[] => list(canonicalAddress(address, family));
  const annotations = metadata?.annotations ?? {};
  const topology =
    annotations["service.kubernetes.io/topology-mode"] ??
    annotations["service.kubernetes.io/topology-aware-hints"];
  return {
    namespace,
    service: name,
    portName,
    name: servicePortName(namespace, name, portName),
    protocol,
    clusterIp,
    port: spec.port,
    nodePort: spec.nodePort ?? 0,
    externalIps: (serviceSpec?.externalIPs ?? []).flatMap(ofFamily),
    vips: (service.status?.loadBalancer?.ingress ?? [])
      .filter(({ ipMode }) => (ipMode ?? "VIP") === "VIP")
      .flatMap(({ ip }) => ofFamily(ip ?? "")),
    sourceRanges: (serviceSpec?.loadBalancerSourceRanges ?? []).flatMap((range) =>
      list(canonicalPrefix(range, family)),
    ),
    affinitySeconds:
      serviceSpec?.sessionAffinity === "ClientIP"
        ? (serviceSpec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS)
        : null,
    internalPolicyLocal: serviceSpec?.internalTrafficPolicy === "Local",
    externalPolicyLocal,
    healthCheckNodePort:
      serviceSpec?.type === "LoadBalancer" && externalPolicyLocal
        ? (serviceSpec.healthCheckNodePort ?? 0)
        : 0,
    topologyAnnotation: topology !== undefined && topology !== "" && topology.toLowerCase() !== "disabled",
    origin,
  };
}

/** `DefaultClientIPServiceAffinitySeconds`, three hours. */
const DEFAULT_AFFINITY_SECONDS = 10_800;

function isExternalPolicyLocal({ spec }: Service): boolean {
  if (spec?.externalTrafficPolicy !== "Local") return false;
  const type = spec.type ?? "ClusterIP";
  return (
    type === "NodePort" ||
    type === "LoadBalancer" ||
    (type === "ClusterIP" && (spec.externalIPs ?? []).length > 0)
  );
}

function list<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}
