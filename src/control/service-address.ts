import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import { AddressPool, block4 } from "../address/pool.ts";
import { firstOf, lastOf, sizeOf } from "../address/prefix.ts";
import { keyOf, type Service } from "../object/kubernetes-object.ts";
import { CLUSTER_KEY, type Controller } from "./controller.ts";
import type { ClusterSettings } from "./settings.ts";

/** The Services whose cluster IPs everybody knows by heart, as offsets in the service CIDR. */
const WELL_KNOWN: ReadonlyMap<string, number> = new Map([
  ["default/kubernetes", 1],
  ["kube-system/kube-dns", 10],
]);

/**
 * Services without a cluster IP get one. The API server takes any free one of the upper band, by chance; here it is the
 * lowest (`ipallocator`: the first min(max(16, size/16), 256) addresses are left to those who ask for one).
 */
export function serviceAddressController({ serviceCidr }: ClusterSettings): Controller {
  return {
    name: "service address allocator",
    keys: () => [CLUSTER_KEY],
    reconcile(_key, lister, writer) {
      const services = lister.list("Service");
      const waiting = services.filter(needsAddress);
      if (waiting.length === 0) return;
      const pool = new AddressPool(block4(serviceCidr));
      const first = firstOf(serviceCidr);
      const band = Math.min(Math.max(16, Math.floor(sizeOf(serviceCidr) / 16)), 256, sizeOf(serviceCidr) - 2);
      const at = (offset: number): Ipv4 => (first + offset) | 0;
      for (const { spec } of services) {
        const address = parseIpv4(spec.clusterIP ?? "");
        if (address !== undefined) pool.claim(address);
      }
      const late: Service[] = [];
      for (const service of waiting) {
        const offset = WELL_KNOWN.get(keyOf(service));
        if (offset !== undefined && pool.claim(at(offset)) === "claimed") give(service, at(offset));
        else late.push(service);
      }
      pool.exclude(first, at(band));
      pool.exclude(lastOf(serviceCidr));
      for (const service of late) {
        const given = pool.next();
        if (given.kind === "exhausted") return;
        give(service, given.address);
      }

      function give(service: Service, address: Ipv4): void {
        const clusterIP = formatIpv4(address);
        writer.put({ ...service, spec: { ...service.spec, clusterIP, clusterIPs: [clusterIP] } } as Service);
      }
    },
  };
}

function needsAddress({ spec }: Service): boolean {
  if (spec.type === "ExternalName" || (spec.clusterIP ?? "") !== "") return false;
  // A Service of IPv6 alone: its addresses are not given here.
  return spec.ipFamilies?.[0] !== "IPv6";
}
