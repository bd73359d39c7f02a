import { formatIpv4 } from "../address/ipv4.ts";
import { formatPrefix4, networkOf } from "../address/prefix.ts";
import { workloadDevice } from "../cni/calico/names.ts";
import {
  type CalicoNetwork,
  IPIP_DEVICE,
  usesIpip,
  usesVxlan,
  VXLAN_DEVICE,
  VXLAN_PORT,
} from "../cni/calico/network.ts";
import type { Netns } from "../cni/netns.ts";
import type { Pod } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { Felix, type FelixNode } from "../policy/felix/felix.ts";
import { felixOperations, type OriginOf } from "../policy/felix/operations.ts";
import { felixSettings } from "../policy/felix/settings.ts";
import { workloadOf } from "../policy/workload.ts";
import type { Member } from "./member.ts";
import type { ObjectOrigins } from "./object-origins.ts";

/** Felix of every node: the policies of the whole cluster as rules before the node's own pods. */
export class FelixAgents {
  readonly #felix: Felix;
  readonly #network: Pick<FelixNode, "tunnels" | "hosts" | "pools">;
  readonly #originOf: OriginOf;

  constructor(objects: Lister, network: CalicoNetwork, members: readonly Member[], origins: ObjectOrigins) {
    this.#felix = new Felix(objects, felixSettings(objects, calicoMinor(objects)));
    const own = origins.ofConfiguration("FelixConfiguration", "default", null);
    this.#originOf = (source) => (source === null ? own : origins.of(source.object, source.field));
    this.#network = {
      tunnels: [
        ...(usesIpip(network) ? [{ kind: "ipip" as const, device: IPIP_DEVICE, port: 0 }] : []),
        ...(usesVxlan(network) ? [{ kind: "vxlan" as const, device: VXLAN_DEVICE, port: VXLAN_PORT }] : []),
      ],
      hosts: members.map(({ address }) => formatIpv4(address)),
      pools: network.pools.map(({ cidr, natOutgoing }) => ({
        cidr: formatPrefix4(networkOf(cidr)),
        natOutgoing,
      })),
    };
  }

  /** `pods`: those that have a device of their own on the node. */
  program(node: Netns, { name, address, more }: Member, pods: readonly Pod[]): void {
    const workloads = pods.flatMap((pod) => {
      const workload = workloadOf(pod);
      if (workload === undefined) return [];
      return [{ workload, device: workloadDevice(workload.namespace, workload.name) }];
    });
    const others = more.flatMap(({ ip }) => (ip.family === 4 ? [formatIpv4(Number(ip.value) | 0)] : []));
    const devices = [{ node: name, name: "eth0", addresses: [formatIpv4(address), ...others] }];
    const state = this.#felix.stateFor({ ...this.#network, name, workloads, devices });
    node.do(...felixOperations(state, node.host, this.#originOf));
  }
}

/** Of Calico 3.x, as the image of its agent says; null where nothing does. */
function calicoMinor(objects: Lister): number | null {
  const images = objects
    .list("DaemonSet")
    .filter(({ metadata }) => metadata.name === "calico-node" || metadata.name === "canal")
    .flatMap(({ spec }) => spec.template.spec?.containers ?? [])
    .map(({ image = "" }) => /calico\/node:v3\.(\d+)/.exec(image)?.[1]);
  const found = images.find((minor) => minor !== undefined);
  return found === undefined ? null : Number(found);
}
