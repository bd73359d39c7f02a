import type { Lister } from "../object/object-map.ts";

/** An endpoint of a Service as rules by `services` ask for it (felix `serviceindex`): ready or not, of any slice. */
export interface ServiceEndpoint {
  readonly address: string;
  /** Those of its slice that have a number. */
  readonly ports: readonly { readonly protocol: string; readonly port: number }[];
}

/** `service`: `namespace/name`. */
export function endpointsOfService(objects: Lister, service: string): ServiceEndpoint[] {
  const [namespace = "", name = ""] = service.split("/");
  return objects
    .withLabel("EndpointSlice", namespace, "kubernetes.io/service-name", name)
    .flatMap(({ addressType, endpoints, ports }) => {
      if (addressType === "FQDN") return [];
      const own = (ports ?? []).flatMap(({ port, protocol }) =>
        port === undefined || port === null || port === 0 ? [] : [{ port, protocol: protocol ?? "TCP" }],
      );
      return endpoints.flatMap(({ addresses }) => addresses.map((address) => ({ address, ports: own })));
    });
}
