import { formatIpv4 } from "../address/ipv4.ts";
import { formatPrefix4, type Prefix4 } from "../address/prefix.ts";
import { formatPrefix6, type Prefix6 } from "../address/prefix6.ts";
import { calicoMtu } from "../cni/calico/network.ts";
import { flannelMtu } from "../cni/flannel/network.ts";
import { type NetworkList, readNetwork } from "../cni/network-config.ts";
import { WEAVE_BRIDGE, WEAVE_MTU, weaveAddressOf } from "../cni/weave/network.ts";
import { isJsonObject } from "../kernel/json-fields.ts";
import type { Pod } from "../object/kubernetes-object.ts";
import type { ClusterConfiguration } from "./configuration.ts";

/** MTU of the nodes' cards. */
const CARD_MTU = 1500;

/**
 * What the kubelet's conflist comes to on a node: the bridge plugin as flannel delegates to it, or alone; what docker did
 * of itself is the same plugin without a masquerade of its own.
 */
export function podNetwork(configuration: ClusterConfiguration, own: PodRanges): NetworkList {
  const { cni, flannel, clusterCidr, clusterCidr6 } = configuration;
  const isDocker = cni === "docker0";
  const mtu = flannel === null ? CARD_MTU : flannelMtu(flannel, CARD_MTU);
  const four = flannel === null ? clusterCidr : flannel.network;
  const six = flannel === null ? clusterCidr6 : flannel.network6;
  const routes = isDocker
    ? []
    : [
        ...(four === null || own.podCidr === null ? [] : [{ dst: formatPrefix4(four) }]),
        ...(six === null || own.podCidr6 === null ? [] : [{ dst: formatPrefix6(six) }]),
      ];
  const read = readNetwork({
    cniVersion: "1.0.0",
    name: isDocker ? "docker0" : flannel === null ? "bridge" : "cbr0",
    plugins: [
      {
        type: "bridge",
        bridge: isDocker ? "docker0" : "cni0",
        isGateway: true,
        isDefaultGateway: true,
        // Of docker's ports the kubelet took care itself (`--hairpin-mode`).
        hairpinMode: true,
        ipMasq: cni === "bridge",
        ...(mtu === CARD_MTU ? {} : { mtu }),
        ipam: { type: "host-local", ranges: rangesOf(own), routes },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  });
  return requireNetwork(read);
}

/** The conflist of Calico's manifest, or canal's: there a pod's address is of its node's podCIDR (`usePodCidr`). */
export function calicoNetwork(configuration: ClusterConfiguration, ranges: PodRanges): NetworkList {
  const { cni, calico, flannel } = configuration;
  const own = calico === null ? CARD_MTU : calicoMtu(calico, CARD_MTU);
  return requireNetwork(
    readNetwork({
      cniVersion: "1.0.0",
      name: "k8s-pod-network",
      plugins: [
        {
          type: "calico",
          mtu: cni === "canal" && flannel !== null ? flannelMtu(flannel, CARD_MTU) : own,
          ipam: cni === "canal" ? { type: "host-local", ranges: rangesOf(ranges) } : { type: "calico-ipam" },
        },
        { type: "portmap", snat: true, capabilities: { portMappings: true } },
      ],
    }),
  );
}

/** Weave's own plugin as the bridge plugin on its bridge: every pod's address is of the whole network, the gateway the node's own. */
export function weaveNetwork(network: Prefix4, own: Prefix4): NetworkList {
  const range = { subnet: formatPrefix4(network), gateway: formatIpv4(weaveAddressOf(own)) };
  return requireNetwork(
    readNetwork({
      cniVersion: "1.0.0",
      name: "weave",
      plugins: [
        {
          ...{
            type: "bridge",
            bridge: WEAVE_BRIDGE,
            isGateway: true,
            isDefaultGateway: true,
            mtu: WEAVE_MTU,
          },
          hairpinMode: true,
          ipam: { type: "host-local", ranges: [[range]] },
        },
        { type: "portmap", snat: true, capabilities: { portMappings: true } },
      ],
    }),
  );
}

/** The subnets of a node. */
export interface PodRanges {
  readonly podCidr: Prefix4 | null;
  readonly podCidr6: Prefix6 | null;
}

/**
 * A user's own list on a node. A conflist is of one node: the ranges of its `host-local` give way to the node's, as nothing
 * else in the objects says which of its addresses are whose.
 */
export function ownNetwork(list: NetworkList, own: PodRanges): NetworkList {
  const plugins = list.plugins.map((plugin) => {
    const { ipam } = plugin;
    if (!isJsonObject(ipam) || ipam["type"] !== "host-local") return plugin;
    const { subnet: _, rangeStart: __, rangeEnd: ___, gateway: ____, ...rest } = ipam;
    return { ...plugin, ipam: { ...rest, ranges: rangesOf(own) } };
  });
  return { ...list, plugins };
}

/** Whether the list's addresses are of the nodes' ranges. */
export function takesNodeRanges(list: NetworkList): boolean {
  return list.plugins.some(({ ipam }) => isJsonObject(ipam) && ipam["type"] === "host-local");
}

/** A set for each family. */
function rangesOf({ podCidr, podCidr6 }: PodRanges): readonly (readonly { readonly subnet: string }[])[] {
  return [
    ...(podCidr === null ? [] : [[{ subnet: formatPrefix4(podCidr) }]]),
    ...(podCidr6 === null ? [] : [[{ subnet: formatPrefix6(podCidr6) }]]),
  ];
}

function requireNetwork(read: ReturnType<typeof readNetwork>): NetworkList {
  if (read.kind === "invalid") throw new Error(read.message);
  return read.value;
}

/** A network whose pods ask for no port of the node: the plugin that would serve them has nothing to do. */
export function withoutPortmap(list: NetworkList): NetworkList {
  return { ...list, plugins: list.plugins.filter(({ type }) => type !== "portmap") };
}

/** What the kubelet hands the runtime for a pod's `hostPort`s. */
export function portMappings(pod: Pod): readonly Readonly<Record<string, unknown>>[] {
  return pod.spec.containers
    .flatMap(({ ports = [] }) => ports)
    .flatMap(({ hostPort, containerPort, protocol = "TCP", hostIP = "" }) =>
      hostPort === undefined || hostPort === 0
        ? []
        : [{ hostPort, containerPort, protocol: protocol.toLowerCase(), hostIP }],
    );
}
