import { formatIp, type IpAddress, parseIp } from "../address/ip.ts";
import type { Service } from "../object/kubernetes-object.ts";
import type { FieldPath } from "../object/place.ts";

/** An address of a Service that no device of the cluster has: somebody outside must bring its packets to nodes. */
export interface OutsideAddress {
  readonly address: IpAddress;
  readonly service: Service;
  /** The field it stands in. */
  readonly field: FieldPath;
  /**
   * `VIP`: packets come to a node unchanged, as by a router or a direct-return balancer. `Proxy`: the balancer ends the
   * connection's addresses itself and goes on to the node port (`ipMode`, KEP-1860).
   */
  readonly mode: "VIP" | "Proxy";
  /** Only nodes with endpoints of their own take it (`externalTrafficPolicy: Local`): the others fail the health check. */
  readonly localOnly: boolean;
}

/** The load balancers' addresses and the `externalIPs`, those of nodes left out; each once, by the first that has it. */
export function outsideAddresses(
  services: readonly Service[],
  isOfNode: (address: IpAddress) => boolean,
): OutsideAddress[] {
  const found = new Map<string, OutsideAddress>();
  for (const service of services) {
    const localOnly = service.spec.externalTrafficPolicy === "Local";
    const add = (text: string, field: FieldPath, mode: OutsideAddress["mode"]) => {
      const address = parseIp(text);
      if (address === undefined || isOfNode(address) || found.has(formatIp(address))) return;
      found.set(formatIp(address), { address, service, field, mode, localOnly });
    };
    for (const [i, entry] of (service.status?.loadBalancer?.ingress ?? []).entries()) {
      const { ipMode = "VIP" } = entry as typeof entry & { readonly ipMode?: string };
      add(entry.ip ?? "", ["status", "loadBalancer", "ingress", i], ipMode === "Proxy" ? "Proxy" : "VIP");
    }
    for (const [i, text] of (service.spec.externalIPs ?? []).entries()) {
      add(text, ["spec", "externalIPs", i], "VIP");
    }
  }
  return [...found.values()];
}

/** Services that wait for a load balancer's address: nothing outside leads to them but their node ports. */
export function waitingForAddress(services: readonly Service[]): readonly Service[] {
  return services.filter(
    ({ spec, status }) =>
      spec.type === "LoadBalancer" &&
      (status?.loadBalancer?.ingress ?? []).every(
        ({ ip = "", hostname = "" }) => ip === "" && hostname === "",
      ),
  );
}

/** In words, as an assumption. */
export function describeAddress(
  { address, service, mode, localOnly }: OutsideAddress,
  nodes: number,
): string {
  const { name, namespace = "default" } = service.metadata;
  const whom = `${nodes === 1 ? "1 node" : `${nodes} nodes`}${localOnly ? " with endpoints (externalTrafficPolicy Local)" : ""}`;
  const how =
    mode === "VIP" ? "the gateway routes it to" : "a balancer at the gateway sends it to the node port of";
  return `${formatIp(address)} of Service ${namespace}/${name}: ${how} ${whom}, with equal odds`;
}
