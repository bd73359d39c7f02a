import { type FamilyName, familyNamed } from "../address/family-name.ts";
import type { IpAddress } from "../address/ip.ts";
import { AddressPool, type Block, block4, block6 } from "../address/pool.ts";
import { formatPrefix4 } from "../address/prefix.ts";
import { formatPrefix6 } from "../address/prefix6.ts";
import { isObserved, type Node, type Pod } from "../object/kubernetes-object.ts";
import type { Lister, Writer } from "../object/object-map.ts";
import type { Controller } from "./controller.ts";
import { internalIpOf } from "./node-address.ts";
import { addressesOfPod } from "./pod-addresses.ts";
import { podCidr6Of, podCidrOf } from "./pod-cidr.ts";
import { isActive } from "./pods-of-owner.ts";

/** Where pods' addresses come from: an IPAM. */
export interface AddressGiver {
  /** undefined: the node has none to give, and its pods stay as they are. */
  begin(node: Node, lister: Lister, writer: Writer): GivenAddresses | undefined;
}

/** Addresses for the pods of one node. */
export interface GivenAddresses {
  /** One of each family that the node gives, the primary first; undefined: there is none left. */
  next(pod: Pod): readonly string[] | undefined;
  /** What the pod is told then: of the last that got none. */
  readonly refusal: string;
}

/**
 * What a kubelet reports of its pods: an address and that they run. A pod of the node's network has the node's address; any
 * other the next one of the IPAM, in the order of the pods' names. Addresses that were observed are kept and passed over; a
 * pod that a dump shows as Pending stays without.
 */
export function podAddressController(giver: AddressGiver, families: readonly FamilyName[]): Controller {
  return {
    name: "kubelet",
    keys: (lister) => lister.list("Node").map(({ metadata }) => metadata.name),
    reconcile(key, lister, writer) {
      const node = lister.get("Node", key);
      if (node === undefined) return;
      const waiting = lister.podsOn(key).filter(isActive).filter(isWaiting);
      if (waiting.length === 0) return;
      const hostIps = families.flatMap((family) => internalIpOf(node, family) ?? []);
      const addresses = giver.begin(node, lister, writer);
      for (const pod of waiting) {
        const given = pod.spec.hostNetwork === true ? hostIps : addresses?.next(pod);
        if (given !== undefined && given.length > 0) writer.put(running(pod, given, hostIps));
        else if (addresses !== undefined && pod.spec.hostNetwork !== true)
          refuse(pod, addresses.refusal, writer.put.bind(writer));
      }
    },
  };
}

/** A node's podCIDRs as host-local gives from them, `.2` first: an address of each, in the order of the families. */
export function podCidrGiver(families: readonly FamilyName[]): AddressGiver {
  return {
    begin(node, lister) {
      const ranges = families.flatMap((family) => rangeOf(node, family) ?? []);
      if (ranges.length === 0) return undefined;
      const pods = lister.podsOn(node.metadata.name).filter(isActive);
      const pools = ranges.map((range) => poolOf(range, pods));
      let full = 0;
      return {
        next: () => {
          const given: string[] = [];
          for (const [i, { family }] of ranges.entries()) {
            const address = nextOf(pools[i], family, lister);
            full = i;
            if (address === undefined) return undefined;
            given.push(address);
          }
          return given;
        },
        get refusal() {
          return `failed to allocate for range ${full}: no IP addresses available in range set: ${ranges[full]?.text ?? ""}`;
        },
      };
    },
  };
}

/** A podCIDR of a node. */
interface PodRange {
  readonly family: FamilyName;
  readonly text: string;
  readonly block: Block<IpAddress>;
}

function rangeOf(node: Node, family: FamilyName): PodRange | undefined {
  const four = family === "IPv4" ? podCidrOf(node) : undefined;
  if (four !== undefined) {
    return { family, text: formatPrefix4(four), block: block4(four) as Block<IpAddress> };
  }
  const six = family === "IPv6" ? podCidr6Of(node) : undefined;
  if (six === undefined) return undefined;
  return { family, text: formatPrefix6(six), block: block6(six) as Block<IpAddress> };
}

function isWaiting({ status, ...pod }: Pod): boolean {
  if ((status?.podIP ?? "") !== "") return false;
  return !isObserved(pod as Pod) || (status?.phase ?? "") === "" || status?.phase === "Running";
}

/** Without the network's own address, its gateway's and IPv4's broadcast one. */
function poolOf({ family, block }: PodRange, pods: readonly Pod[]): AddressPool<IpAddress> | undefined {
  if (block.size < 4) return undefined;
  const pool = new AddressPool(block);
  pool.exclude(block.at(0), block.at(1));
  if (family === "IPv4") pool.exclude(block.at(block.size - 1));
  const { parse } = familyNamed(family);
  for (const pod of pods) {
    const text = pod.spec.hostNetwork === true ? undefined : addressesOfPod(pod)[family];
    const address = text === undefined ? undefined : parse(text);
    if (address !== undefined) pool.claim(address);
  }
  return pool;
}

/** An address that a dump shows on another node, outside of that node's subnet, is passed over too. */
function nextOf(
  pool: AddressPool<IpAddress> | undefined,
  family: FamilyName,
  lister: Lister,
): string | undefined {
  if (pool === undefined) return undefined;
  const { format } = familyNamed(family);
  for (;;) {
    const given = pool.next();
    if (given.kind === "exhausted") return undefined;
    const address = format(given.address);
    if (!lister.podsAt(address).some(isActive)) return address;
  }
}

function running(pod: Pod, podIps: readonly string[], hostIps: readonly string[]): Pod {
  const { status } = pod;
  const conditions = status?.conditions ?? [
    { type: "Ready", status: "True" },
    { type: "PodScheduled", status: "True" },
  ];
  const [hostIP] = hostIps;
  const host =
    hostIP === undefined
      ? {}
      : { hostIP, ...(hostIps.length > 1 ? { hostIPs: hostIps.map((ip) => ({ ip })) } : {}) };
  const [podIP = ""] = podIps;
  const podIPs = podIps.map((ip) => ({ ip }));
  return { ...pod, status: { ...status, phase: "Running", conditions, ...host, podIP, podIPs } };
}

/** As its network plugin fails, so that the pod never leaves ContainerCreating. */
function refuse(pod: Pod, message: string, put: (pod: Pod) => void): void {
  if (pod.status?.message === message) return;
  put({ ...pod, status: { phase: "Pending", message, conditions: [{ type: "Ready", status: "False" }] } });
}
