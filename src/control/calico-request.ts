import type { CalicoNetwork, CalicoPool } from "../cni/calico/network.ts";
import { formatIpNet, type Ip, networkOf, parseIp, parseIpNet } from "../cni/ip.ts";
import { namespaceOf, type Pod } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";

/** What a pod asks of Calico's IPAM by annotations (cni-plugin, `pkg/k8s`): addresses, or the pools of its own. */
export interface AddressRequest {
  /** At most one of each family. */
  readonly addresses: readonly Ip[];
  /** Where it names none of a family, all of that family will do. */
  readonly pools: readonly CalicoPool[];
}

const ADDRESSES = "cni.projectcalico.org/ipAddrs";
const POOLS = ["cni.projectcalico.org/ipv4pools", "cni.projectcalico.org/ipv6pools"];

/** The pools of a pod's namespace stand where it names none itself; a text says what is wrong. */
export function requestOf(pod: Pod, network: CalicoNetwork, lister: Lister): AddressRequest | string {
  const own = pod.metadata.annotations ?? {};
  const around = lister.get("Namespace", namespaceOf(pod))?.metadata.annotations ?? {};
  const addresses = addressesAsked(own[ADDRESSES]);
  if (typeof addresses === "string") return addresses;
  const pools: CalicoPool[] = [];
  for (const annotation of POOLS) {
    const texts = textsOf(annotation, own[annotation] ?? around[annotation]);
    if (typeof texts === "string") return texts;
    for (const text of texts) {
      const found = network.pools.find((pool) => isCalled(pool, text));
      if (found === undefined || found.disabled)
        return `the given pool (${text}) does not exist, or is not enabled`;
      if ((found.cidr.ip.family === 6) !== (annotation === POOLS[1]))
        return `${annotation}: ${text} is a pool of IPv${found.cidr.ip.family}`;
      pools.push(found);
    }
  }
  return { addresses, pools };
}

/** By its name or its range. */
function isCalled({ name, cidr }: CalicoPool, text: string): boolean {
  const net = parseIpNet(text);
  return net === undefined ? name === text : formatIpNet(networkOf(net)) === formatIpNet(cidr);
}

function addressesAsked(text: string | undefined): readonly Ip[] | string {
  const texts = textsOf(ADDRESSES, text);
  if (typeof texts === "string") return texts;
  if (text !== undefined && texts.length === 0) return `annotation "${ADDRESSES}" specified but empty`;
  const addresses: Ip[] = [];
  for (const one of texts) {
    const ip = parseIp(one);
    if (ip === undefined) return `invalid IP format: ${one}`;
    if (addresses.some(({ family }) => family === ip.family))
      return `cannot have more than one IPv${ip.family} address for "${ADDRESSES}" annotation`;
    addresses.push(ip);
  }
  return addresses;
}

/** A list of texts as JSON. */
function textsOf(annotation: string, text: string | undefined): readonly string[] | string {
  if (text === undefined) return [];
  const fault = `failed to parse '${text}' as JSON: ${annotation} is a list such as ["10.244.0.7"]`;
  try {
    const read: unknown = JSON.parse(text);
    return Array.isArray(read) && read.every((one) => typeof one === "string") ? read : fault;
  } catch {
    return fault;
  }
}
