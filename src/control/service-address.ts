import { type FamilyName, familyNamed, familyOfText } from "../address/family-name.ts";
import type { IpAddress } from "../address/ip.ts";
import { AddressPool, type Block, block4, block6 } from "../address/pool.ts";
import { keyOf, type Service } from "../object/kubernetes-object.ts";
import type { Lister, Writer } from "../object/object-map.ts";
import { familiesOf, familyFault } from "../object/service-families.ts";
import { CLUSTER_KEY, type Controller } from "./controller.ts";
import type { ClusterSettings } from "./settings.ts";

/** The Services whose cluster IPs everybody knows by heart, as offsets in the service CIDR. */
const WELL_KNOWN: ReadonlyMap<string, number> = new Map([
  ["default/kubernetes", 1],
  ["kube-system/kube-dns", 10],
]);

/** Addresses of a service CIDR that are left to those who ask for one. */
const LEAST_BAND = 16;

/**
 * Services without a cluster IP get one, and a second where they are of both families (KEP-563). The API server takes any
 * free one of the upper band, by chance; here it is the lowest (`ipallocator`: the first min(max(16, size/16), 256) addresses
 * are left to those who ask for one). What the API server would refuse is left as it is.
 */
export function serviceAddressController(settings: ClusterSettings): Controller {
  return {
    name: "service address allocator",
    keys: () => [CLUSTER_KEY],
    reconcile(_key, lister, writer) {
      nameFamilies(settings.families, lister, writer);
      for (const family of settings.families) giveAddresses(family, settings, lister, writer);
    },
  };
}

/** In a cluster of IPv4 alone nothing is said of families: there is nothing to choose. */
function nameFamilies(families: readonly FamilyName[], lister: Lister, writer: Writer): void {
  if (families.length === 1 && families[0] === "IPv4") return;
  for (const service of lister.list("Service")) {
    const { spec } = service;
    if (spec.type === "ExternalName" || familyFault(service, families) !== null) continue;
    const ipFamilies = familiesOf(service, families);
    if ((spec.ipFamilies ?? []).join() === ipFamilies.join() && spec.ipFamilyPolicy !== undefined) continue;
    const ipFamilyPolicy =
      spec.ipFamilyPolicy ?? (ipFamilies.length > 1 ? "RequireDualStack" : "SingleStack");
    writer.put({ ...service, spec: { ...spec, ipFamilies: [...ipFamilies], ipFamilyPolicy } } as Service);
  }
}

function giveAddresses(
  family: FamilyName,
  { serviceCidr, six, families }: ClusterSettings,
  lister: Lister,
  writer: Writer,
): void {
  const services = lister.list("Service");
  const waiting = services.filter((service) => needsAddress(service, family, families));
  const block = (
    family === "IPv4" ? block4(serviceCidr) : six === null ? null : block6(six.serviceCidr)
  ) as Block<IpAddress> | null;
  if (waiting.length === 0 || block === null) return;
  const { parse, format } = familyNamed(family);
  const pool = new AddressPool(block);
  const { size } = block;
  // A range as small as the band has none (`calculateRangeOffset`).
  const band = size <= LEAST_BAND ? 0 : Math.min(Math.max(LEAST_BAND, Math.floor(size / 16)), 256);
  for (const { spec } of services) {
    for (const text of clusterIpsOf(spec)) {
      const address = familyOfText(text) === family ? parse(text) : undefined;
      if (address !== undefined) pool.claim(address);
    }
  }
  const late: Service[] = [];
  for (const service of waiting) {
    const offset = WELL_KNOWN.get(keyOf(service));
    if (offset !== undefined && pool.claim(block.at(offset)) === "claimed") give(service, block.at(offset));
    else late.push(service);
  }
  pool.exclude(block.at(0), block.at(band));
  // IPv4's last address is its broadcast one; IPv6 has none.
  if (family === "IPv4") pool.exclude(block.at(size - 1));
  const below = lowerBand(block);
  for (const service of late) {
    const given = pool.next();
    const address = given.kind === "exhausted" ? below.next().value : given.address;
    if (address === undefined) return;
    give(service, address);
  }

  /** What is left of the lower band is given out when all above it is. */
  function* lowerBand({ at }: Block<IpAddress>): Generator<IpAddress, undefined> {
    const taken = new Set(lister.list("Service").flatMap(({ spec }) => clusterIpsOf(spec)));
    for (let i = 1; i <= band; i++) {
      const address = at(i);
      if (!taken.has(format(address))) yield address;
    }
    return undefined;
  }

  function give(service: Service, address: IpAddress): void {
    const { spec } = service;
    const order = spec.ipFamilies ?? [];
    const clusterIPs = [...clusterIpsOf(spec), format(address)].sort(
      (a, b) => order.indexOf(familyOfText(a)) - order.indexOf(familyOfText(b)),
    );
    writer.put({ ...service, spec: { ...spec, clusterIP: clusterIPs[0], clusterIPs } } as Service);
  }
}

function clusterIpsOf({ clusterIP = "", clusterIPs = [] }: Service["spec"]): string[] {
  return [...new Set([clusterIP, ...clusterIPs])].filter((text) => text !== "" && text !== "None");
}

function needsAddress(service: Service, family: FamilyName, cluster: readonly FamilyName[]): boolean {
  const { type, clusterIP, ipFamilies } = service.spec;
  if (type === "ExternalName" || clusterIP === "None" || familyFault(service, cluster) !== null) return false;
  if (!(ipFamilies ?? cluster.slice(0, 1)).includes(family)) return false;
  return !clusterIpsOf(service.spec).some((text) => familyOfText(text) === family);
}
