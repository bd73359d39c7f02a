import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatPrefix4, parsePrefix4 } from "../../src/address/prefix.ts";
import { describeDetected, settingsOf } from "../../src/source/detect.ts";
import { readSource, type SourceFile } from "../../src/source/read-source.ts";
import { formatInputError } from "../../src/world/input-error.ts";

function read(...texts: string[]) {
  return readSource(texts.map((text, i): SourceFile => ({ name: `${i + 1}.yaml`, text })));
}

const KUBEADM = `apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
networking: {podSubnet: 10.10.0.0/16, serviceSubnet: 10.20.0.0/16, dnsDomain: my.local}
controllerManager: {extraArgs: {node-cidr-mask-size: "25"}}
`;
const PROXY = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ipvs
clusterCIDR: 10.30.0.0/16
`;
const NET_CONF = '{"Network": "10.40.0.0/16", "Backend": {"Type": "host-gw"}}';
const CONFLIST = '{"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "bridge", "bridge": "cni0"}]}';
const POD = (name: string, more = "") =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${name}}, spec: {${more}containers: [{name: c}]}}`;

function configMap(name: string, key: string, text: string): string {
  const block = text
    .trim()
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: kube-system}\ndata:\n  ${key}: |\n${block}\n`;
}

/** What was detected, shortened. */
function facts(...texts: string[]) {
  const { detected } = read(...texts);
  const { cni, proxyMode, clusterCidr, serviceCidr, flannelBackend } = detected;
  return [
    cni.value,
    flannelBackend.value,
    proxyMode.value,
    formatPrefix4(clusterCidr.value),
    formatPrefix4(serviceCidr.value),
  ].join(" ");
}

describe("documents are told by what they hold", () => {
  it.each([
    ["nothing but a pod", [POD("a")], "flannel vxlan iptables 10.244.0.0/16 10.96.0.0/12"],
    ["kubeadm's configuration", [KUBEADM], "bridge vxlan iptables 10.10.0.0/16 10.20.0.0/16"],
    ["kube-proxy's", [PROXY], "bridge vxlan ipvs 10.30.0.0/16 10.96.0.0/12"],
    ["flannel's", [NET_CONF], "flannel host-gw iptables 10.40.0.0/16 10.96.0.0/12"],
    ["a conflist", [CONFLIST], "bridge vxlan iptables 10.244.0.0/16 10.96.0.0/12"],
    [
      "kubeadm's word on the pods' network counts more than kube-proxy's",
      [PROXY, KUBEADM],
      "bridge vxlan ipvs 10.10.0.0/16 10.20.0.0/16",
    ],
    [
      "the same within config maps",
      [
        configMap("kubeadm-config", "ClusterConfiguration", KUBEADM),
        configMap("kube-proxy", "config.conf", PROXY),
        configMap("kube-flannel-cfg", "net-conf.json", NET_CONF.replace("10.40.0.0", "10.10.0.0")),
      ],
      "flannel host-gw ipvs 10.10.0.0/16 10.20.0.0/16",
    ],
    [
      "arguments of the control plane's pods",
      [
        POD("kube-apiserver-n1").replace(
          "{name: c}",
          "{name: c, command: [kube-apiserver, --service-cluster-ip-range=10.50.0.0/16]}",
        ),
      ],
      "flannel vxlan iptables 10.244.0.0/16 10.50.0.0/16",
    ],
    [
      "a Calico IPPool",
      [
        "apiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: p}\nspec: {cidr: 192.168.0.0/16}",
      ],
      "calico vxlan iptables 192.168.0.0/16 10.96.0.0/12",
    ],
    [
      "podCIDRs of nodes",
      [
        "{apiVersion: v1, kind: Node, metadata: {name: a}, spec: {podCIDR: 10.1.2.0/24}}",
        "{apiVersion: v1, kind: Node, metadata: {name: b}, spec: {podCIDR: 10.1.9.0/24}}",
      ],
      "bridge vxlan iptables 10.1.0.0/16 10.96.0.0/12",
    ],
  ])("%s", (_name, texts, expected) => {
    const { errors } = read(...texts);
    expect(errors).toEqual([]);
    expect(facts(...texts)).toBe(expected);
  });

  it("each setting says where it was seen, or why it was assumed", () => {
    expect(describeDetected(read(configMap("kube-proxy", "config.conf", PROXY)).detected)).toEqual([
      "CNI bridge (assumed: nothing in the input names a CNI, and without pods it has written nothing)",
      "kube-proxy mode ipvs (ConfigMap kube-system/kube-proxy config.conf (1.yaml:1) mode)",
      "cluster CIDR 10.30.0.0/16 (ConfigMap kube-system/kube-proxy config.conf (1.yaml:1) clusterCIDR)",
      "service CIDR 10.96.0.0/12 (assumed: kubeadm's default)",
    ]);
  });

  it("flags override", () => {
    const clusterCidr = parsePrefix4("10.99.0.0/16");
    const { detected } = readSource([{ name: "a", text: PROXY }], {
      proxyMode: "nftables",
      cni: "bridge",
      clusterCidr,
    });
    expect(detected.proxyMode).toEqual({ value: "nftables", from: "flag", where: "--proxy-mode" });
    expect(detected.cni.from).toBe("flag");
    expect(detected.clusterCidr.value).toEqual(clusterCidr);
  });

  it("an assumed cluster CIDR has a subnet for every node", () => {
    const nodes = Array.from(
      { length: 300 },
      (_, i) => `{apiVersion: v1, kind: Node, metadata: {name: n${i}}}`,
    );
    expect(formatPrefix4(read(nodes.join("\n---\n")).detected.clusterCidr.value)).toBe("10.244.0.0/15");
  });

  it("the nodes' network meets neither pods nor Services", () => {
    const { detected } = read(
      "{apiVersion: kubeadm.k8s.io/v1beta3, kind: ClusterConfiguration, networking: {podSubnet: 172.16.0.0/12, serviceSubnet: 192.168.0.0/16}}",
    );
    expect(formatPrefix4(settingsOf(detected).nodeNetwork)).toBe("10.0.0.0/16");
  });

  it("a Corefile, and one in a config map", () => {
    const text = ".:53 {\n    errors\n    kubernetes cluster.local\n}\n";
    expect(readSource([{ name: "Corefile", text }]).detected.corefile).toBe(text);
    expect(read(configMap("coredns", "Corefile", text)).detected.corefile).toBe(text);
  });

  it("a snapshot beside objects", () => {
    const host = {
      links: [
        {
          ifindex: 1,
          ifname: "lo",
          flags: ["LOOPBACK", "UP"],
          mtu: 65536,
          link_type: "loopback",
          address: "00:00:00:00:00:00",
        },
      ],
      addrs: [],
      routes: [],
    };
    const { snapshots, errors, objects } = read(JSON.stringify({ hosts: { n1: host } }), POD("a"));
    expect(errors.map(formatInputError)).toEqual([]);
    expect(snapshots.map(({ world }) => [...world.hosts.keys()])).toEqual([["n1"]]);
    expect(objects.list("Node")).toEqual([]);
  });

  it("kinds that nobody looks into are kept and counted", () => {
    const { uninterpreted } = read(
      "{apiVersion: batch/v1, kind: Job, metadata: {name: a}}",
      "{apiVersion: x.io/v1, kind: Thing, metadata: {name: a}}",
    );
    expect(uninterpreted).toEqual([
      { kind: "Job", count: 1 },
      { kind: "Thing", count: 1 },
    ]);
  });
});

describe("nodes that are not there", () => {
  it("are three where nothing names one", () => {
    const { objects, assumed } = read(POD("a"));
    expect(objects.list("Node").map(({ metadata }) => metadata.name)).toEqual(["node1", "node2", "node3"]);
    expect(assumed).toEqual(["3 nodes (the input holds no Node)"]);
  });

  it("bear the names that pods give", () => {
    const { objects } = read(POD("a", "nodeName: k1, "));
    expect(objects.list("Node").map(({ metadata }) => metadata.name)).toEqual(["k1"]);
  });

  it("--nodes says how many there are", () => {
    const { objects } = readSource([{ name: "a", text: POD("a") }], { nodes: 5 });
    expect(objects.list("Node")).toHaveLength(5);
  });
});

describe("hostile inputs", () => {
  it.each([
    [
      "nothing known",
      ["hello\n"],
      "1.yaml:1: is no API object, configuration or snapshot that is known here: apiVersion and kind are expected",
    ],
    [
      "a list of texts",
      ["- a\n- b\n"],
      "1.yaml:1: is no API object, configuration or snapshot that is known here: apiVersion and kind are expected",
    ],
    [
      "a broken document among others",
      [`${POD("a")}\n---\na: [\n---\n${POD("b")}`],
      "1.yaml:4: document 2 is no YAML that can be read: deficient indentation (column 1)",
    ],
    [
      "duplicate cluster IPs",
      ["a", "b"].map(
        (name) =>
          `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {clusterIP: 10.96.0.9, ports: [{port: 1}]}}`,
      ),
      "2.yaml:1: Service default/b spec.clusterIP: 10.96.0.9 is the cluster IP of Service default/a (1.yaml:1) too",
    ],
  ])("%s", (_name, texts, message) => {
    expect(read(...texts).errors.map(formatInputError)).toEqual([message]);
  });

  it.each([
    [
      "an object given twice, differently",
      [POD("a"), POD("a", "nodeName: x, ")],
      "2.yaml:1: Pod default/a: is given before, at 1.yaml:1: this one counts",
    ],
    ["an empty file", [POD("a"), "# nothing\n"], "2.yaml: holds nothing"],
    [
      "a kernel tool's text",
      [POD("a"), "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"],
      "2.yaml: is the text of iptables-save: it is read as a part of a snapshot only, and left out here",
    ],
    [
      "a broken template in a config map",
      [configMap("kube-flannel-cfg", "net-conf.json", '{"Network": {{ .Values.podCidr }}}')],
      "ConfigMap kube-system/kube-flannel-cfg net-conf.json (1.yaml:1):1:",
    ],
  ])("%s is a warning", (_name, texts, message) => {
    const { errors, warnings } = read(...texts);
    expect(errors).toEqual([]);
    expect(warnings.map(formatInputError).join("\n")).toContain(message);
  });

  it("the same object twice is none", () => {
    expect(read(POD("a"), POD("a")).warnings).toEqual([]);
  });

  it("no JSON value makes it throw", () => {
    const key = fc.constantFrom(
      "apiVersion",
      "kind",
      "metadata",
      "spec",
      "items",
      "name",
      "ports",
      "Spec",
      "Items",
      "status",
      "hosts",
      "plugins",
      "Network",
      "selfLink",
      "containers",
      "selector",
      "template",
      "data",
    );
    const leaf = fc.constantFrom<unknown>(
      null,
      1,
      "v1",
      "Pod",
      "Service",
      "List",
      "ServiceList",
      "Deployment",
      "EndpointSlice",
      "Node",
      true,
      "***HIDDEN***",
      "/api/v1/pods",
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(key, tie("value"), { maxKeys: 6 }),
      ),
    }));
    fc.assert(
      fc.property(value, (json) => {
        readSource([{ name: "a.json", text: JSON.stringify(json) }]);
      }),
      { numRuns: 3000 },
    );
  });
});
