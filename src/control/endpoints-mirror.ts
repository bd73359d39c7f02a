import type { EndpointAddress, EndpointSubset } from "kubernetes-types/core/v1.js";
import { parseIpv6 } from "../address/ipv6.ts";
import { isObserved, keyOf, type SliceEndpoint } from "../object/kubernetes-object.ts";
import type { Controller } from "./controller.ts";
import { type EndpointGroup, slicesOf, writeSlices } from "./service-slices.ts";

const BY = "endpointslice mirroring controller";
const SKIP = "endpointslice.kubernetes.io/skip-mirror";

/**
 * Endpoints that people write for Services without a selector become slices, which is what kube-proxy reads. So do the
 * Endpoints of a dump that holds no slices: from before there were any, or not asked for.
 */
export const endpointsMirrorController: Controller = {
  name: BY,
  keys: (lister) => lister.list("Endpoints").map(keyOf),
  reconcile(key, lister, writer) {
    const endpoints = lister.get("Endpoints", key);
    if (endpoints === undefined || endpoints.metadata.labels?.[SKIP] === "true") return;
    // Leader elections of old clusters kept their state in Endpoints of no Service.
    if (lister.get("Service", key) === undefined || slicesOf(endpoints, lister).some(isObserved)) return;
    const groups = (endpoints.subsets ?? []).flatMap(groupsOf);
    writeSlices(
      { owner: endpoints, groups, by: BY, manager: "endpointslicemirroring-controller.k8s.io" },
      lister,
      writer,
    );
  },
};

/** A subset by family: a slice holds addresses of one. */
function groupsOf({ addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset): EndpointGroup[] {
  const endpoints = [
    ...addresses.map((address) => endpointOf(address, true)),
    ...notReadyAddresses.map((address) => endpointOf(address, false)),
  ];
  const isIpv6 = ({ addresses: [address = ""] }: SliceEndpoint) => parseIpv6(address) !== undefined;
  const named = ports.map((port) => ({ name: "", ...port }));
  const families: EndpointGroup[] = [
    { addressType: "IPv4", ports: named, endpoints: endpoints.filter((endpoint) => !isIpv6(endpoint)) },
    { addressType: "IPv6", ports: named, endpoints: endpoints.filter(isIpv6) },
  ];
  return families.filter(({ endpoints: found }) => found.length > 0);
}

function endpointOf({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): SliceEndpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(targetRef === undefined ? {} : { targetRef }),
  };
}
