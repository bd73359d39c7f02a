import type { Container } from "kubernetes-types/core/v1.js";
import { formatIpv4 } from "../address/ipv4.ts";
import { workloadDevice } from "../cni/calico/names.ts";
import {
  type CalicoNetwork,
  familiesOf,
  IPIP_DEVICE,
  usesIpip,
  usesVxlan,
  VXLAN_PORT,
  vxlanDevice,
} from "../cni/calico/network.ts";
import { formatIp, formatIpNet } from "../cni/ip.ts";
import type { Netns } from "../cni/netns.ts";
import type { Pod } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { Felix, type FelixNode } from "../policy/felix/felix.ts";
import { felixOperations, type OriginOf } from "../policy/felix/operations.ts";
import { FELIX_DEFAULTS, felixSettings } from "../policy/felix/settings.ts";
import { felixConfiguration } from "../policy/host-endpoint.ts";
import { workloadOf } from "../policy/workload.ts";
import type { Member } from "./member.ts";
import type { ObjectOrigins } from "./object-origins.ts";

/** Felix of every node: the policies of the whole cluster as rules before the node's own pods. */
export class FelixAgents {
  readonly #felix: readonly Felix[];
  readonly #network: Pick<FelixNode, "tunnels" | "hosts" | "pools">;
  readonly #originOf: OriginOf;

  constructor(objects: Lister, network: CalicoNetwork, members: readonly Member[], origins: ObjectOrigins) {
    const settings = felixSettings(objects, calicoMinor(objects));
    const families = usesIpv6(objects, network) ? ([4, 6] as const) : ([4] as const);
    this.#felix = families.map((family) => new Felix(objects, settings, family));
    const own = origins.ofConfiguration("FelixConfiguration", "default", null);
    this.#originOf = (source) => (source === null ? own : origins.of(source.object, source.field));
    this.#network = {
      tunnels: [
        ...(usesIpip(network) ? [{ kind: "ipip", family: 4, device: IPIP_DEVICE, port: 0 } as const] : []),
        ...([4, 6] as const).flatMap((family) =>
          usesVxlan(network, family)
            ? [{ kind: "vxlan", family, device: vxlanDevice(family), port: VXLAN_PORT } as const]
            : [],
        ),
      ],
      hosts: members.flatMap(tunnelEndsOf),
      pools: network.pools.map(({ cidr, natOutgoing }) => ({
        cidr: formatIpNet(cidr),
        natOutgoing,
      })),
    };
  }

  /** `pods`: those that have a device of their own on the node. */
  program(node: Netns, member: Member, pods: readonly Pod[]): void {
    const { name } = member;
    const workloads = pods.flatMap((pod) => {
      const workload = workloadOf(pod);
      if (workload === undefined) return [];
      return [{ workload, device: workloadDevice(workload.namespace, workload.name) }];
    });
    const devices = [{ node: name, name: "eth0", addresses: addressesOf(member) }];
    for (const felix of this.#felix) {
      const state = felix.stateFor({ ...this.#network, name, workloads, devices });
      node.do(...felixOperations(state, node.host, this.#originOf));
    }
  }
}

/** Of a node, of both families. */
function addressesOf({ address, more }: Member): string[] {
  return [...(address === null ? [] : [formatIpv4(address)]), ...more.map(({ ip }) => formatIp(ip))];
}

/** The one address of each family by which Calico knows a node. */
function tunnelEndsOf({ address, more }: Member): string[] {
  const other = more.find(({ ip }) => ip.family === 6);
  return [
    ...(address === null ? [] : [formatIpv4(address)]),
    ...(other === undefined ? [] : [formatIp(other.ip)]),
  ];
}

/** Calico's manifests turn it off; where nothing says, it goes with the pools. */
function usesIpv6(objects: Lister, network: CalicoNetwork): boolean {
  const { ipv6Support } = felixConfiguration(objects);
  const variables = agentContainers(objects).flatMap(({ env = [] }) => env);
  const said = variables.find(({ name }) => name === "FELIX_IPV6SUPPORT")?.value;
  if (said !== undefined) return said === "true";
  return typeof ipv6Support === "boolean" ? ipv6Support : familiesOf(network).includes(6);
}

/** What its rules are made by where nothing says it. */
export function assumedOfFelix(objects: Lister): string[] {
  if (calicoMinor(objects) !== null) return [];
  return [
    `Felix's rules are those of Calico 3.${FELIX_DEFAULTS.minor}: no image of calico-node says another`,
  ];
}

/** Of Calico 3.x, as the image of its agent says; null where nothing does. */
function calicoMinor(objects: Lister): number | null {
  const minors = agentContainers(objects).map(({ image = "" }) => /calico\/node:v3\.(\d+)/.exec(image)?.[1]);
  const found = minors.find((minor) => minor !== undefined);
  return found === undefined ? null : Number(found);
}

/** Of the DaemonSet that runs Felix. */
function agentContainers(objects: Lister): readonly Container[] {
  return objects
    .list("DaemonSet")
    .filter(({ metadata }) => metadata.name === "calico-node" || metadata.name === "canal")
    .flatMap(({ spec }) => spec.template.spec?.containers ?? []);
}
