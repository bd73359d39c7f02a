import { formatIpv4, parseIpv4 } from "../address/ipv4.ts";
import { AddressPool, block4 } from "../address/pool.ts";
import { firstOf, formatPrefix4, lastOf, type Prefix4 } from "../address/prefix.ts";
import { isObserved, type Node, type Pod } from "../object/kubernetes-object.ts";
import type { Lister, Writer } from "../object/object-map.ts";
import type { Controller } from "./controller.ts";
import { internalIpOf } from "./node-address.ts";
import { podCidrOf } from "./pod-cidr.ts";
import { isActive } from "./pods-of-owner.ts";

/** Where pods' addresses come from: an IPAM. */
export interface AddressGiver {
  /** undefined: the node has none to give, and its pods stay as they are. */
  begin(node: Node, lister: Lister, writer: Writer): GivenAddresses | undefined;
}

/** Addresses for the pods of one node. */
export interface GivenAddresses {
  /** undefined: there is none left. */
  next(): string | undefined;
  /** What the pod is told then. */
  readonly refusal: string;
}

/**
 * What a kubelet reports of its pods: an address and that they run. A pod of the node's network has the node's address; any
 * other the next one of the IPAM, in the order of the pods' names. Addresses that were observed are kept and passed over; a
 * pod that a dump shows as Pending stays without.
 */
export function podAddressController(giver: AddressGiver): Controller {
  return {
    name: "kubelet",
    keys: (lister) => lister.list("Node").map(({ metadata }) => metadata.name),
    reconcile(key, lister, writer) {
      const node = lister.get("Node", key);
      if (node === undefined) return;
      const waiting = lister.podsOn(key).filter(isActive).filter(isWaiting);
      if (waiting.length === 0) return;
      const hostIP = internalIpOf(node);
      const addresses = giver.begin(node, lister, writer);
      for (const pod of waiting) {
        const given = pod.spec.hostNetwork === true ? hostIP : addresses?.next();
        if (given !== undefined) writer.put(running(pod, given, hostIP));
        else if (addresses !== undefined && pod.spec.hostNetwork !== true)
          refuse(pod, addresses.refusal, writer.put.bind(writer));
      }
    },
  };
}

/** The node's podCIDR as host-local gives from it, `.2` first. */
export const POD_CIDR_GIVER: AddressGiver = {
  begin(node, lister) {
    const cidr = podCidrOf(node);
    if (cidr === undefined) return undefined;
    const pool = poolOf(cidr, lister.podsOn(node.metadata.name).filter(isActive));
    return {
      next: () => nextOf(pool, lister),
      refusal: `failed to allocate for range 0: no IP addresses available in range set: ${formatPrefix4(cidr)}`,
    };
  },
};

function isWaiting({ status, ...pod }: Pod): boolean {
  if ((status?.podIP ?? "") !== "") return false;
  return !isObserved(pod as Pod) || (status?.phase ?? "") === "" || status?.phase === "Running";
}

/** Without the network's own address, its gateway's and the broadcast one. */
function poolOf(cidr: Prefix4, pods: readonly Pod[]): AddressPool<number> | undefined {
  if (cidr.length > 30) return undefined;
  const pool = new AddressPool(block4(cidr));
  pool.exclude(firstOf(cidr), (firstOf(cidr) + 1) | 0);
  pool.exclude(lastOf(cidr));
  for (const { status, spec } of pods) {
    const address = spec.hostNetwork === true ? undefined : parseIpv4(status?.podIP ?? "");
    if (address !== undefined) pool.claim(address);
  }
  return pool;
}

/** An address that a dump shows on another node, outside of that node's subnet, is passed over too. */
function nextOf(pool: AddressPool<number> | undefined, lister: Lister): string | undefined {
  if (pool === undefined) return undefined;
  for (;;) {
    const given = pool.next();
    if (given.kind === "exhausted") return undefined;
    const address = formatIpv4(given.address);
    if (!lister.podsAt(address).some(isActive)) return address;
  }
}

function running(pod: Pod, podIP: string, hostIP: string | undefined): Pod {
  const { status } = pod;
  const conditions = status?.conditions ?? [
    { type: "Ready", status: "True" },
    { type: "PodScheduled", status: "True" },
  ];
  const host = hostIP === undefined ? {} : { hostIP };
  return {
    ...pod,
    status: { ...status, phase: "Running", conditions, ...host, podIP, podIPs: [{ ip: podIP }] },
  };
}

/** As its network plugin fails, so that the pod never leaves ContainerCreating. */
function refuse(pod: Pod, message: string, put: (pod: Pod) => void): void {
  if (pod.status?.message === message) return;
  put({ ...pod, status: { phase: "Pending", message, conditions: [{ type: "Ready", status: "False" }] } });
}
