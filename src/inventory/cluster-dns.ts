import { type Family, familyOfAddress, type IpAddress, parseIp } from "../address/ip.ts";
import { nearestWord } from "../kernel/nearest-word.ts";
import { keyOf, type Pod, type Service } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";

/** What a name of the cluster's DNS stands for, or in one line why for nothing. */
export type Resolved =
  | { readonly kind: "service"; readonly service: Service; readonly fullName: string }
  /** A pod behind a headless Service: the first that is ready, where the name says none. */
  | { readonly kind: "pod"; readonly address: IpAddress; readonly fullName: string }
  | { readonly kind: "missing"; readonly message: string };

/** `ndots` that the kubelet writes into a pod's resolv.conf: a name with fewer dots goes through the search list first. */
const NDOTS = 5;

/**
 * A name as a pod of `namespace` asks for it: through the search list of its resolv.conf (`NS.svc.DOMAIN svc.DOMAIN DOMAIN`),
 * against the records that the DNS specification of Kubernetes gives to Services. The DNS server itself is not walked to.
 *
 * @param domain the cluster's, such as `cluster.local`
 * @param families of the addresses that are asked for (A, AAAA), the preferred first
 */
export function resolveName(
  name: string,
  namespace: string,
  domain: string,
  objects: Lister,
  families: readonly Family[] = [4, 6],
): Resolved {
  for (const fullName of candidates(name, namespace, domain)) {
    const found = recordOf(fullName, domain, objects, families);
    if (found !== undefined) return found;
  }
  const services = objects.list("Service");
  const [service = "", of = namespace] = name.split(".");
  const there = services
    .filter(({ metadata }) => metadata.namespace === of)
    .map(({ metadata }) => metadata.name);
  const elsewhere = services.find(({ metadata }) => metadata.name === service);
  const near = nearestWord(service, there);
  const hint =
    elsewhere === undefined
      ? near === undefined
        ? ""
        : ` (did you mean ${JSON.stringify(name.replace(service, near))}?)`
      : ` (did you mean ${JSON.stringify(`${service}.${elsewhere.metadata.namespace}`)}?)`;
  return {
    kind: "missing",
    message: `${JSON.stringify(name)} is no name of the cluster's DNS as namespace ${namespace} asks it${hint}: give the address for a name outside`,
  };
}

/** In the order the resolver tries them (resolv.conf(5)). */
function candidates(name: string, namespace: string, domain: string): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const searched = [`${namespace}.svc.${domain}`, `svc.${domain}`, domain].map(
    (suffix) => `${name}.${suffix}`,
  );
  return name.split(".").length - 1 < NDOTS ? [...searched, name] : [name, ...searched];
}

/** `SERVICE.NS.svc.DOMAIN`, or `HOSTNAME.SERVICE.NS.svc.DOMAIN` of a headless one. */
function recordOf(
  fullName: string,
  domain: string,
  objects: Lister,
  families: readonly Family[],
): Resolved | undefined {
  const suffix = `.svc.${domain}`;
  if (!fullName.toLowerCase().endsWith(suffix)) return undefined;
  const labels = fullName.slice(0, -suffix.length).toLowerCase().split(".");
  const [name, namespace] = labels.slice(-2);
  const host = labels.length === 3 ? labels[0] : undefined;
  if (labels.length > 3 || name === undefined || namespace === undefined) return undefined;
  const service = objects.get("Service", `${namespace}/${name}`);
  if (service === undefined) return undefined;
  const isHeadless = service.spec.clusterIP === "None";
  if (!isHeadless)
    return host === undefined && service.spec.type !== "ExternalName"
      ? { kind: "service", service, fullName }
      : undefined;
  const address = headlessAddress(service, host, objects, families);
  return address === undefined
    ? {
        kind: "missing",
        message: `${fullName} has no address: headless Service ${keyOf(service)} has no ready endpoint${host === undefined ? "" : ` called ${host}`}`,
      }
    : { kind: "pod", address, fullName };
}

function headlessAddress(
  service: Service,
  host: string | undefined,
  objects: Lister,
  families: readonly Family[],
): IpAddress | undefined {
  const found: IpAddress[] = [];
  const { namespace = "", name } = service.metadata;
  const counts = service.spec.publishNotReadyAddresses === true;
  for (const { endpoints } of objects.withLabel(
    "EndpointSlice",
    namespace,
    "kubernetes.io/service-name",
    name,
  )) {
    for (const { addresses, conditions, hostname, targetRef } of endpoints) {
      if (conditions?.ready === false && !counts) continue;
      const pod = objects.get("Pod", `${namespace}/${targetRef?.name ?? ""}`);
      if (host !== undefined && hostname !== host && hostnameOf(pod) !== host) continue;
      const address = parseIp(addresses[0] ?? "");
      if (address !== undefined && familyOfAddress(address) === families[0]) return address;
      if (address !== undefined) found.push(address);
    }
  }
  return found.find((address) => families.includes(familyOfAddress(address)));
}

/** What a pod of a StatefulSet is called under its `subdomain`. */
function hostnameOf(pod: Pod | undefined): string | undefined {
  return pod?.spec.hostname ?? pod?.metadata.name;
}
