import { describe, expect, it } from "vitest";
import {
  DEFAULT_PROXY_CONFIGURATION,
  type LocalDetector,
  localMatch,
  masqueradeMark,
  nodePortPrefixes,
} from "../../src/proxy/configuration.ts";
import { conntrackOperations } from "../../src/proxy/conntrack-settings.ts";
import { startOperations } from "../../src/proxy/iptables/start-operations.ts";
import {
  type KubeProxyConfiguration,
  proxyConfigurationOf,
} from "../../src/proxy/kube-proxy-configuration.ts";
import { NODE } from "./objects.ts";

describe("what a KubeProxyConfiguration says of local sources", () => {
  it.each<[KubeProxyConfiguration, LocalDetector, string | null]>([
    [{}, { kind: "none" }, null],
    [{ clusterCIDR: "" }, { kind: "none" }, null],
    [
      { clusterCIDR: "fd00::/48,10.244.0.0/16" },
      { kind: "cluster-cidr", cidrs: ["fd00::/48", "10.244.0.0/16"] },
      "-s 10.244.0.0/16",
    ],
    [{ clusterCIDR: "fd00::/48" }, { kind: "cluster-cidr", cidrs: ["fd00::/48"] }, null],
    [{ detectLocalMode: "NodeCIDR", clusterCIDR: "10.244.0.0/16" }, { kind: "node-cidr" }, "-s 10.1.0.0/24"],
    [
      { detectLocalMode: "BridgeInterface", detectLocal: { bridgeInterface: "cni0" } },
      { kind: "bridge-interface", name: "cni0" },
      "-i cni0",
    ],
    [
      { detectLocalMode: "InterfaceNamePrefix", detectLocal: { interfaceNamePrefix: "veth" } },
      { kind: "interface-prefix", prefix: "veth" },
      "-i veth+",
    ],
    [{ detectLocalMode: "BridgeInterface", detectLocal: { bridgeInterface: "" } }, { kind: "none" }, null],
  ])("%j", (document, detector, match) => {
    const configuration = proxyConfigurationOf(document);
    expect(configuration.detector).toEqual(detector);
    expect(localMatch(configuration, NODE)?.ifLocal ?? null).toBe(match);
  });
});

describe("what it says else", () => {
  it("null is the default, as kubeadm writes it", () => {
    const nothing = {
      iptables: { masqueradeAll: null, masqueradeBit: null, localhostNodePorts: null },
      conntrack: { tcpBeLiberal: null },
      nodePortAddresses: null,
      featureGates: null,
    };
    expect(proxyConfigurationOf(nothing)).toEqual(DEFAULT_PROXY_CONFIGURATION);
  });

  it("values are taken over", () => {
    const configuration = proxyConfigurationOf({
      iptables: { masqueradeAll: true, masqueradeBit: 0, localhostNodePorts: false },
      conntrack: { tcpBeLiberal: true },
      nodePortAddresses: ["primary"],
    });
    expect(configuration).toMatchObject({
      masqueradeAll: true,
      localhostNodePorts: false,
      conntrackTcpLiberal: true,
    });
    expect(masqueradeMark(configuration)).toBe("0x1");
    expect(nodePortPrefixes(configuration, NODE)).toEqual(["192.168.1.1/32"]);
  });

  it.each([
    [14, "0x4000"],
    [31, "0x80000000"],
  ])("masquerade bit %i is %s", (masqueradeBit, mark) => {
    expect(masqueradeMark({ ...DEFAULT_PROXY_CONFIGURATION, masqueradeBit })).toBe(mark);
  });

  it.each([[["0.0.0.0/0"]], [["::/0"]], [["fd00::/8"]], [[]]])(
    "node ports on %j are on every local address",
    (list) => {
      expect(nodePortPrefixes({ ...DEFAULT_PROXY_CONFIGURATION, nodePortAddresses: list }, NODE)).toBeNull();
    },
  );
});

describe("what kube-proxy sets when it starts", () => {
  it("loopback sources may be routed where 127.0.0.1 takes node ports", () => {
    expect(startOperations(DEFAULT_PROXY_CONFIGURATION)).toEqual([
      { kind: "sysctl", name: "net.ipv4.conf.all.route_localnet", value: "1" },
    ]);
    expect(startOperations({ ...DEFAULT_PROXY_CONFIGURATION, localhostNodePorts: false })).toEqual([]);
  });

  const tuned = (document: KubeProxyConfiguration, cores: number | null) =>
    conntrackOperations(proxyConfigurationOf(document), cores).map((operation) =>
      operation.kind === "sysctl"
        ? `${operation.name.replace("net.netfilter.nf_conntrack_", "")}=${operation.value}`
        : operation.kind,
    );

  // defaults.go of v1alpha1; `getConntrackMax`, `setupConntrack`
  it.each([
    [{}, null, ["max=131072", "tcp_timeout_established=86400", "tcp_timeout_close_wait=3600"]],
    [{}, 16, ["max=524288", "tcp_timeout_established=86400", "tcp_timeout_close_wait=3600"]],
    [
      {
        conntrack: {
          ...{ maxPerCore: 1000, min: 5000, tcpEstablishedTimeout: "1h0m0s", tcpCloseWaitTimeout: "0s" },
          ...{ tcpBeLiberal: true, udpTimeout: "40s", udpStreamTimeout: "2m10s" },
        },
      },
      4,
      [
        "max=5000",
        "tcp_timeout_established=3600",
        "tcp_be_liberal=1",
        "udp_timeout=40",
        "udp_timeout_stream=130",
      ],
    ],
    [{ conntrack: { maxPerCore: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" } }, 4, []],
  ] as const)("connection tracking: %j on %s cores", (document, cores, expected) => {
    expect(tuned(document, cores)).toEqual(expected);
  });
});
