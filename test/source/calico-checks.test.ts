import { describe, expect, it } from "vitest";
import { readSource } from "../../src/source/read-source.ts";

/** One mistake, one line; what is accepted without effect is a warning. */

const object = (kind: string, spec: string, name = "default") =>
  `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const NODE =
  '---\napiVersion: v1\nkind: Node\nmetadata: {name: n0}\nstatus: {addresses: [{type: InternalIP, address: 10.0.0.1}, {type: InternalIP, address: "fd00::1"}]}\n';

function found(text: string) {
  const { errors, warnings } = readSource([{ name: "c.yaml", text: text + NODE }], {});
  const lines = (list: typeof errors) => list.map(({ field, message }) => `${field}: ${message}`);
  return { errors: lines(errors), warnings: lines(warnings) };
}

describe("pools", () => {
  it.each([
    ['{cidr: "fd00::/112", blockSize: 26}', "blockSize: 26 is no length from 116 to 128"],
    ['{cidr: "fd00::/124"}', "blockSize: blocks of /122 do not fit into fd00::/124"],
    ["{cidr: 10.0.0.0/16, blockSize: 33}", "blockSize: 33 is no length from 20 to 32"],
    ["{cidr: 10.0.0.0/16, blockSize: 26.5}", "blockSize: 26.5 is no length from 20 to 32"],
    ['{cidr: "fd00::/64", ipipMode: Always}', "ipipMode: Always is not possible: IPIP carries IPv4 alone"],
    ["{cidr: 10.0.0.7/16}", "cidr: 10.0.0.7/16 has bits behind its prefix: 10.0.0.0/16 is expected"],
    ['{cidr: "fe80::/64"}', "cidr: fe80::/64 overlaps fe80::/10, which is of links alone"],
    [
      "{cidr: 10.0.0.0/16, nodeSelector: rack = b}",
      'nodeSelector: "rack = b" is no selector: = has no meaning there',
    ],
    [
      "{cidr: 10.0.0.0/16, allowedUses: [Everything]}",
      'allowedUses: "Everything" is none of Workload, Tunnel, LoadBalancer',
    ],
    ["{cidr: nowhere}", 'cidr: "nowhere" is no range such as 10.244.0.0/16 or fd00:10:244::/64'],
  ])("%s", (spec, line) => {
    expect(found(object("IPPool", spec, "p")).errors).toEqual([`IPPool p spec.${line}`]);
  });

  it("of both families go together, and those of one may not overlap", () => {
    const both = `${object("IPPool", "{cidr: 10.0.0.0/16}", "p")}---\n${object("IPPool", '{cidr: "fd00:1::/64"}', "q")}`;
    expect(found(both).errors).toEqual([]);
    const clash = `${both}---\n${object("IPPool", '{cidr: "fd00:1::/96"}', "r")}`;
    expect(found(clash).errors[0]).toContain("fd00:1::/96 overlaps fd00:1::/64 of IPPool q");
  });

  it("outside of the cluster's range are told, in each family", () => {
    const kubeadm =
      'apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nnetworking: {podSubnet: "10.244.0.0/16,fd00:10:244::/56"}\n---\n';
    const six = object("IPPool", '{cidr: "fd00:99::/64"}', "p");
    expect(found(kubeadm + six).warnings.join("\n")).toContain(
      "fd00:99::/64 is outside fd00:10:244::/56, the cluster's range",
    );
    const inside = object("IPPool", '{cidr: "fd00:10:244::/64"}', "p");
    expect(found(kubeadm + inside).warnings.join("\n")).not.toContain("outside");
  });
});

describe("other objects", () => {
  it.each([
    ["BGPPeer", "{}", "peerIP: is missing: it, or else a peerSelector, is expected"],
    [
      "BGPPeer",
      "{peerIP: 10.0.0, asNumber: 64512}",
      'peerIP: "10.0.0" is no address, with a port or without',
    ],
    ["BGPPeer", "{peerSelector: all(), asNumber: 64512}", "asNumber: does not go with peerSelector"],
    ["BGPPeer", "{node: n0, nodeSelector: all(), peerIP: 10.0.0.1}", "node: does not go with nodeSelector"],
    ["BGPPeer", "{peerSelector: 'rack =='}", null],
    [
      "BGPPeer",
      "{peerIP: 10.0.0.1, asNumber: 5000000000}",
      "asNumber: 5000000000 is no number of an AS (0 to 4294967295)",
    ],
    [
      "BGPConfiguration",
      "{nodeToNodeMeshEnabled: maybe}",
      'nodeToNodeMeshEnabled: "maybe" is neither true nor false',
    ],
    [
      "BGPConfiguration",
      "{serviceClusterIPs: [{cidr: 10.96}]}",
      "serviceClusterIPs[0].cidr: 10.96 is no range such as 10.96.0.0/12",
    ],
    [
      "FelixConfiguration",
      "{chainInsertMode: Before}",
      'chainInsertMode: "Before" is none of Insert, Append',
    ],
    [
      "FelixConfiguration",
      "{defaultEndpointToHostAction: Reject}",
      'defaultEndpointToHostAction: "Reject" is none of Drop, Accept, Return',
    ],
    [
      "FelixConfiguration",
      "{failsafeInboundHostPorts: [{protocol: icmp, port: 22}]}",
      'failsafeInboundHostPorts[0].protocol: "icmp" is none of tcp, udp, sctp',
    ],
    [
      "FelixConfiguration",
      "{failsafeInboundHostPorts: [{protocol: tcp, port: 70000}]}",
      "failsafeInboundHostPorts[0].port: 70000 is no port",
    ],
    ["FelixConfiguration", "{vxlanMTU: big}", 'vxlanMTU: "big" is no MTU (0 for what the card leaves)'],
    ["BlockAffinity", "{cidr: nonsense, node: n0}", 'cidr: "nonsense" is no block such as 10.244.166.128/26'],
    ["BlockAffinity", "{cidr: 10.0.0.0/26}", "node: is missing: the name of a Node is expected"],
    [
      "IPReservation",
      "{reservedCIDRs: [10.0.0.300]}",
      'reservedCIDRs[0]: "10.0.0.300" is no address and no range',
    ],
  ])("%s %s", (kind, spec, line) => {
    const { errors } = found(object(kind, spec));
    expect(errors).toHaveLength(1);
    if (line !== null) expect(errors[0]).toBe(`${kind} default spec.${line}`);
    else expect(errors[0]).toContain("is no selector");
  });

  it.each([
    ["FelixConfiguration", "{bpfEnabled: true}", "eBPF dataplane is not modelled"],
    ["FelixConfiguration", "{wireguardEnabled: true}", "WireGuard between the nodes is not modelled"],
    ["FelixConfiguration", "{nftablesMode: Enabled}", "nftables dataplane is not modelled"],
    ["FelixConfiguration", "{floatingIPs: Enabled}", "floating addresses are not modelled"],
    ["FelixConfiguration", "{routeSource: WorkloadIPs}", "routes for each workload are not modelled"],
    ["BGPConfiguration", "{serviceClusterIPs: [{cidr: 10.96.0.0/12}]}", "tell it to routers outside alone"],
    ["BGPPeer", "{peerIP: 192.0.2.1, asNumber: 64600}", "192.0.2.1 is no node's"],
    ["StagedGlobalNetworkPolicy", "{selector: all()}", "has no effect: the policy is staged"],
    [
      "GlobalNetworkPolicy",
      "{tier: nowhere, selector: all()}",
      "there is no Tier nowhere: the policy has no effect",
    ],
    [
      "GlobalNetworkPolicy",
      "{selector: all(), ingress: [{action: Allow, http: {methods: [GET]}}]}",
      "has no effect in the kernel",
    ],
  ])("%s %s: told", (kind, spec, message) => {
    const { errors, warnings } = found(object(kind, spec));
    expect(errors).toEqual([]);
    expect(warnings.join("\n")).toContain(message);
  });

  it("a peer that is a node, of either family and with a port, is told of nothing", () => {
    for (const address of ["10.0.0.1", "10.0.0.1:179", "fd00::1", "[fd00::1]:179"]) {
      const { errors, warnings } = found(object("BGPPeer", `{peerIP: "${address}"}`));
      expect([...errors, ...warnings].filter((line) => line.startsWith("BGPPeer"))).toEqual([]);
    }
  });
});
