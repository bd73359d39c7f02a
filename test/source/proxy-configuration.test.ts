import { describe, expect, it } from "vitest";
import { parsePrefix4 } from "../../src/address/prefix.ts";
import { proxyConfigurationOf } from "../../src/source/proxy-configuration.ts";
import { readSource } from "../../src/source/read-source.ts";

const HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

function configuration(text: string, clusterCidr?: string) {
  const flag = clusterCidr === undefined ? undefined : parsePrefix4(clusterCidr);
  return proxyConfigurationOf(readSource([{ name: "a.yaml", text }], { clusterCidr: flag }).detected);
}

describe("kube-proxy's configuration", () => {
  it.each([
    [
      "no document: kubeadm's way",
      "{apiVersion: v1, kind: Namespace, metadata: {name: a}}",
      { detector: { kind: "cluster-cidr", cidrs: ["10.244.0.0/16"] }, masqueradeAll: false },
    ],
    [
      "an empty one",
      HEAD,
      { detector: { kind: "none" }, masqueradeBit: 14, localhostNodePorts: true, nodePortAddresses: [] },
    ],
    [
      "a cluster CIDR of both families",
      `${HEAD}clusterCIDR: 10.1.0.0/16,fd00::/64\n`,
      { detector: { kind: "cluster-cidr", cidrs: ["10.1.0.0/16", "fd00::/64"] } },
    ],
    ["NodeCIDR", `${HEAD}detectLocalMode: NodeCIDR\n`, { detector: { kind: "node-cidr" } }],
    [
      "a bridge",
      `${HEAD}detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0}\n`,
      { detector: { kind: "bridge-interface", name: "cni0" } },
    ],
    [
      "a prefix of names",
      `${HEAD}detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}\n`,
      { detector: { kind: "interface-prefix", prefix: "veth" } },
    ],
    [
      "the iptables part",
      `${HEAD}iptables: {masqueradeAll: true, masqueradeBit: 12, localhostNodePorts: false}\n`,
      { masqueradeAll: true, masqueradeBit: 12, localhostNodePorts: false },
    ],
    [
      "node ports' addresses, conntrack, gates",
      `${HEAD}nodePortAddresses: [primary]\nconntrack: {tcpBeLiberal: true}\nfeatureGates: {A: true, B: false}\n`,
      { nodePortAddresses: ["primary"], conntrackTcpLiberal: true, featureGates: { A: true, B: false } },
    ],
  ])("%s", (_name, text, expected) => {
    expect(configuration(text)).toMatchObject(expected);
  });

  it("the flag counts more than the document", () => {
    expect(configuration(`${HEAD}clusterCIDR: 10.1.0.0/16\n`, "10.2.0.0/16").detector).toEqual({
      kind: "cluster-cidr",
      cidrs: ["10.2.0.0/16"],
    });
  });
});
