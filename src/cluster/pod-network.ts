import { formatPrefix4, type Prefix4 } from "../address/prefix.ts";
import { calicoMtu } from "../cni/calico/network.ts";
import { flannelMtu } from "../cni/flannel/network.ts";
import { type NetworkList, readNetwork } from "../cni/network-config.ts";
import type { Pod } from "../object/kubernetes-object.ts";
import type { ClusterConfiguration } from "./configuration.ts";

/** MTU of the nodes' cards. */
const CARD_MTU = 1500;

/**
 * What the kubelet's conflist comes to on a node: the bridge plugin as flannel delegates to it, or alone; what docker did
 * of itself is the same plugin without a masquerade of its own.
 */
export function podNetwork(configuration: ClusterConfiguration, podCidr: Prefix4): NetworkList {
  const { cni, flannel, clusterCidr } = configuration;
  const isDocker = cni === "docker0";
  const mtu = flannel === null ? CARD_MTU : flannelMtu(flannel, CARD_MTU);
  const routes = isDocker ? [] : [{ dst: formatPrefix4(flannel?.network ?? clusterCidr) }];
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
        ipam: { type: "host-local", ranges: [[{ subnet: formatPrefix4(podCidr) }]], routes },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  });
  return requireNetwork(read);
}

/** The conflist of Calico's manifest, or canal's: there a pod's address is of its node's podCIDR (`usePodCidr`). */
export function calicoNetwork(configuration: ClusterConfiguration, podCidr: Prefix4 | null): NetworkList {
  const { cni, calico, flannel } = configuration;
  const own = calico === null ? CARD_MTU : calicoMtu(calico, CARD_MTU);
  const ranges = podCidr === null ? [] : [[{ subnet: formatPrefix4(podCidr) }]];
  return requireNetwork(
    readNetwork({
      cniVersion: "1.0.0",
      name: "k8s-pod-network",
      plugins: [
        {
          type: "calico",
          mtu: cni === "canal" && flannel !== null ? flannelMtu(flannel, CARD_MTU) : own,
          ipam: cni === "canal" ? { type: "host-local", ranges } : { type: "calico-ipam" },
        },
        { type: "portmap", snat: true, capabilities: { portMappings: true } },
      ],
    }),
  );
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
