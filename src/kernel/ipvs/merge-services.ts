import { type RealServer, selectorKey, serverKey, type VirtualService } from "./virtual-service.ts";

/**
 * One host's services from the two texts that tell of them: `ipvsadm -Sn` has every setting that can be dumped, `-Ln` the
 * order of services and servers and the connections counted. Where only one is there it says what it can.
 */
export function mergeVirtualServices(
  saved: readonly VirtualService[] | null,
  listed: readonly VirtualService[] | null,
): readonly VirtualService[] {
  if (saved === null) return listed ?? [];
  if (listed === null) return saved;
  const order = new Map(listed.map((service, i) => [selectorKey(service.selector), { service, i }]));
  const place = (service: VirtualService): number =>
    order.get(selectorKey(service.selector))?.i ?? listed.length;
  return [...saved]
    .sort((a, b) => place(a) - place(b))
    .map((service) => {
      const found = order.get(selectorKey(service.selector))?.service;
      return found === undefined ? service : { ...service, ...inOrder(service.servers, found) };
    });
}

/** Servers that the list lacks came after it was taken: they stand first. */
function inOrder(
  servers: readonly RealServer[],
  listed: VirtualService,
): Pick<VirtualService, "servers" | "ordered"> {
  const places = new Map(listed.servers.map((server, i) => [serverKey(server), { server, i }]));
  const place = (server: RealServer): number => places.get(serverKey(server))?.i ?? -1;
  return {
    ordered: listed.ordered,
    servers: [...servers]
      .sort((a, b) => place(a) - place(b))
      .map((server) => {
        const { active = 0, inactive = 0 } = places.get(serverKey(server))?.server ?? {};
        return { ...server, active, inactive };
      }),
  };
}
