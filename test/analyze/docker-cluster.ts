import { formatPrefix4, networkOf } from "../../src/address/prefix.ts";
import { buildCluster, type Cluster, type ClusterConfiguration } from "../../src/cluster/build-cluster.ts";
import { NOTHING_YET } from "../../src/cluster/fabric.ts";
import { podSockets } from "../../src/cluster/pod-sockets.ts";
import { addDocker0 } from "../../src/cni/docker0.ts";
import { Machine, MemoryFiles, newNetns } from "../../src/cni/machine.ts";
import { HASHED_NAMES } from "../../src/cni/names.ts";
import { Netns } from "../../src/cni/netns.ts";
import { readNetwork } from "../../src/cni/network-config.ts";
import { Runtime } from "../../src/cni/runtime.ts";
import { podCidrOf } from "../../src/control/pod-cidr.ts";
import { keyOf, type Pod } from "../../src/object/kubernetes-object.ts";
import { ObjectMap } from "../../src/object/object-map.ts";

/** One node whose pods hang on docker's own bridge, the rest as `buildCluster` makes it: the way before CNI. */
export function buildDockerCluster(objects: ObjectMap, configuration: ClusterConfiguration): Cluster {
  const attached = (object: { readonly kind: string }): object is Pod =>
    object.kind === "Pod" && (object as Pod).spec.hostNetwork !== true;
  const cluster = buildCluster(
    new ObjectMap(objects.all().filter((object) => !attached(object))),
    configuration,
  );
  const [node] = objects.list("Node");
  const cidr = node === undefined ? undefined : podCidrOf(node);
  const host = cluster.world.hosts.get(node?.metadata.name ?? "");
  if (cidr === undefined || host === undefined) throw new Error("the node has no podCIDR");
  const pods = objects.list("Pod").filter(attached);
  const hosts = new Map([[host.name, host]]);
  const hostOfPod = new Map(cluster.hostOfPod);
  for (const pod of pods) {
    const netns = new Netns(newNetns(`${pod.metadata.name}.${pod.metadata.namespace}`, "pod"));
    netns.do(...NOTHING_YET);
    hosts.set(netns.name, netns.host);
    hostOfPod.set(keyOf(pod), netns.name);
  }
  const machine = new Machine({ node: host.name, hosts, wires: [] }, new MemoryFiles(), HASHED_NAMES);
  const gateway = networkOf(cidr).address + 1;
  addDocker0(machine.node, { address: gateway, length: cidr.length }, HASHED_NAMES);
  const network = readNetwork(networkList(formatPrefix4(networkOf(cidr))));
  if (network.kind === "invalid") throw new Error(network.message);
  for (const pod of pods) {
    const name = hostOfPod.get(keyOf(pod)) as string;
    const outcome = new Runtime(machine, network.value).add({
      containerId: `${pod.metadata.namespace}_${pod.metadata.name}`,
      netns: `/run/netns/${name}`,
      ifName: "eth0",
      args: `IgnoreUnknown=1;IP=${pod.status?.podIP}`,
      capabilities: {},
    });
    if (outcome.kind === "error") throw new Error(outcome.error.msg);
    const netns = machine.netns(`/run/netns/${name}`);
    netns?.setUp("lo");
    netns?.do({ kind: "sockets", sockets: podSockets(pod) });
  }
  const state = machine.finish();
  return {
    ...cluster,
    hostOfPod,
    world: {
      ...cluster.world,
      hosts: new Map([...cluster.world.hosts, ...state.hosts]),
      wires: [...cluster.world.wires, ...state.wires],
    },
  };
}

/** Ports of docker0, their default route by its address. */
function networkList(subnet: string): Record<string, unknown> {
  return {
    cniVersion: "1.0.0",
    name: "docker",
    plugins: [
      {
        type: "bridge",
        bridge: "docker0",
        hairpinMode: true,
        ipam: { type: "host-local", ranges: [[{ subnet }]], routes: [{ dst: "0.0.0.0/0" }] },
      },
    ],
  };
}
