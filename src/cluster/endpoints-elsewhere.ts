import { formatIp, type IpAddress, parseIp } from "../address/ip.ts";
import { contains } from "../address/prefix.ts";
import { contains6 } from "../address/prefix6.ts";
import { formatIp as formatNetIp } from "../cni/ip.ts";
import { isActive } from "../control/pods-of-owner.ts";
import type { EndpointSlice } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import type { Member } from "./member.ts";

/** Where an endpoint that no Pod of the source explains can be said to be. */
export type EndpointPlace =
  /** Among the pods of a node: its podCIDR holds the address, or the slice names the node. */
  | { readonly kind: "pods-of"; readonly node: string }
  /** A node itself. */
  | { readonly kind: "node"; readonly node: string }
  | { readonly kind: "beyond" };

/** An endpoint that only an EndpointSlice names. */
export interface Elsewhere {
  readonly address: IpAddress;
  readonly place: EndpointPlace;
  readonly slice: EndpointSlice;
  /** Its place among the slice's endpoints. */
  readonly index: number;
}

/** Each address once, by the first slice that names it; one of a node once for every slice, as each has its ports. */
export function endpointsElsewhere(objects: Lister, members: readonly Member[]): Elsewhere[] {
  const nodes = new Map<string, string>();
  for (const { name, address, more } of members) {
    if (address !== null) nodes.set(formatIp(address), name);
    for (const { ip } of more) nodes.set(formatNetIp(ip), name);
  }
  const names = new Set(members.map(({ name }) => name));
  const seen = new Set<string>();
  const found: Elsewhere[] = [];
  for (const slice of objects.list("EndpointSlice")) {
    if (slice.addressType === "FQDN") continue;
    for (const [index, { addresses, nodeName = "" }] of slice.endpoints.entries()) {
      const [text = ""] = addresses;
      const address = parseIp(text);
      if (address === undefined || (typeof address === "number") !== (slice.addressType === "IPv4")) continue;
      const key = formatIp(address);
      if (objects.podsAt(text).some(isActive)) continue;
      const own = nodes.get(key);
      if (own === undefined && seen.has(key)) continue;
      seen.add(key);
      found.push({ address, place: placeOf(address, own, nodeName), slice, index });
    }
  }
  return found;

  function placeOf(address: IpAddress, own: string | undefined, nodeName: string): EndpointPlace {
    if (own !== undefined) return { kind: "node", node: own };
    const holder = members.find(({ podCidr, podCidr6 }) =>
      typeof address === "number"
        ? podCidr !== null && contains(podCidr, address)
        : podCidr6 !== null && contains6(podCidr6, address),
    );
    if (holder !== undefined) return { kind: "pods-of", node: holder.name };
    return names.has(nodeName) && members.length === 1
      ? { kind: "pods-of", node: nodeName }
      : { kind: "beyond" };
  }
}
