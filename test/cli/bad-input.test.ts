import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hopscope } from "./cli.ts";

/** Files as people give them by mistake, each with all that is said of it: `F` stands for the file. */

const folder = mkdtempSync(join(tmpdir(), "hopscope-"));

interface Mistake {
  readonly name: string;
  readonly text: string | Buffer;
  /** Lines of stderr. */
  readonly lines: readonly string[];
}

const documents = (...parts: readonly string[]): string => parts.join("---\n");

const POD = pod("a");
const SELECTOR = "selector: {app: a}";
const KUBEADM = `apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/16}
apiServer: {extraArgs: {service-node-port-range: 30000-30100}}
`;

/** Seven lines with a status, six without. */
function pod(name: string, spec = "", status = ""): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec:
  ${spec}
  containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]
${status === "" ? "" : `status: {${status}}\n`}`;
}

function service(name: string, spec: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;
}

function node(name: string, address: string, podCIDR: string): string {
  return `apiVersion: v1
kind: Node
metadata: {name: ${name}}
spec: {podCIDR: ${podCIDR}}
status: {addresses: [{type: InternalIP, address: ${address}}]}
`;
}

function slice(rest: string): string {
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: b-1, labels: {kubernetes.io/service-name: b}}
${rest}
`;
}

function proxy(rest: string): string {
  return `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n${rest}\n`;
}

const ERRORS: readonly Mistake[] = [
  {
    name: "broken documents beside a wrong one",
    text: documents(
      POD,
      "kind: Service\nmetadata:\n  name: b\n spec: {}\n",
      service("c", "ports: [{port: 99999}]"),
      "a: [1,\n",
    ),
    lines: [
      "F:11: document 2 is no YAML that can be read: bad indentation of a mapping entry (column 2)",
      "F:16: Service default/c spec.ports[0].port: 99999 is not a port from 1 to 65535",
      "F:19: document 4 is no YAML that can be read: deficient indentation (column 1)",
    ],
  },
  {
    name: "unknown fields",
    text: service("b", "ports: [{port: 80, targetport: 8080}], selecter: {app: a}"),
    lines: [
      'F:4: Service default/b spec.selecter: is no known field (did you mean "selector"?)',
      'F:4: Service default/b spec.ports[0].targetport: is no known field (did you mean "targetPort"?)',
    ],
  },
  {
    name: "wrong types",
    text: documents(
      service("b", "ports: {port: 80}, selector: [a], clusterIP: 5"),
      service("c", 'ports: [{port: "80"}, {port: 80.5}], selector: {app: on}'),
    ),
    lines: [
      "F:4: Service default/b spec.selector: a list is not a map of texts",
      "F:4: Service default/b spec.ports: an object is not a list",
      "F:4: Service default/b spec.clusterIP: 5 is not an IP address",
      'F:9: Service default/c spec.selector.app: true is not a text: write it in quotes, "true"',
      'F:9: Service default/c spec.ports[0].port: "80" is not a port from 1 to 65535: write it without quotes',
      "F:9: Service default/c spec.ports[1].port: 80.5 is not a port from 1 to 65535",
    ],
  },
  {
    name: "no addresses",
    text: documents(
      service(
        "b",
        `clusterIP: 10.96.0.256, externalIPs: [1.2.3], ports: [{port: 80}], ${SELECTOR}, type: Nodeport`,
      ),
      service(
        "c",
        `loadBalancerSourceRanges: [10.0.0.0/33, 010.0.0.0/08, x], ports: [{port: 80}], ${SELECTOR}`,
      ),
      node("n1", "192.168.0.300", "10.244.1.5/24"),
    ),
    lines: [
      'F:4: Service default/b spec.type: "Nodeport" is not one of ClusterIP, NodePort, LoadBalancer, ExternalName (did you mean "NodePort"?)',
      'F:4: Service default/b spec.clusterIP: "10.96.0.256" has the part 256, which is above 255',
      'F:4: Service default/b spec.externalIPs[0]: "1.2.3" has 3 parts: an IPv4 address has exactly four, short forms are not read',
      'F:9: Service default/c spec.loadBalancerSourceRanges[0]: "10.0.0.0/33" has the prefix length 33, which is above 32',
      'F:9: Service default/c spec.loadBalancerSourceRanges[2]: "x" has a part that is not a decimal number: "x"',
      "F:14: Node n1 spec.podCIDR: 10.244.1.5/24 has host bits: 10.244.1.0/24 is the network",
      'F:15: Node n1 status.addresses[0].address: "192.168.0.300" has the part 300, which is above 255',
    ],
  },
  {
    name: "a podIP outside its node's podCIDR",
    text: documents(
      node("n1", "192.168.0.2", "10.244.1.0/24"),
      pod("a", "nodeName: n1", "podIP: 10.244.2.5"),
    ),
    lines: [
      "F:7: Pod default/a status.podIP: 10.244.2.5 is outside 10.244.1.0/24, the podCIDR of its node n1",
    ],
  },
  {
    name: "a cluster IP, a node port and a podCIDR outside their ranges",
    text: documents(
      KUBEADM,
      POD,
      service("b", `clusterIP: 10.97.0.5, type: NodePort, ports: [{port: 80, nodePort: 31000}], ${SELECTOR}`),
      node("n1", "192.168.0.2", "10.1.1.0/24"),
    ),
    lines: [
      "F:13: Service default/b spec.clusterIP: 10.97.0.5 is outside 10.96.0.0/16, the service CIDR (F:1 networking.serviceSubnet)",
      "F:13: Service default/b spec.ports[0].nodePort: 31000 is outside 30000-30100, the range of node ports (F:1 apiServer.extraArgs --service-node-port-range)",
      "F:18: Node n1 spec.podCIDR: 10.1.1.0/24 is outside 10.244.0.0/16, the cluster CIDR (F:1 networking.podSubnet)",
    ],
  },
  {
    name: "two pods with one address",
    text: documents(pod("a", "", "podIP: 10.244.2.5"), pod("b", "", "podIP: 10.244.2.5")),
    lines: ["F:9: Pod default/b status.podIP: 10.244.2.5 is the address of Pod default/a (F:1) too"],
  },
  {
    name: "two Services with one cluster IP and one node port",
    text: documents(
      POD,
      service("b", `clusterIP: 10.96.0.5, type: NodePort, ports: [{port: 80, nodePort: 30080}], ${SELECTOR}`),
      service("c", `clusterIP: 10.96.0.5, type: NodePort, ports: [{port: 80, nodePort: 30080}], ${SELECTOR}`),
    ),
    lines: [
      "F:13: Service default/c spec.clusterIP: 10.96.0.5 is the cluster IP of Service default/b (F:8) too",
      "F:13: Service default/c spec.ports[0].nodePort: 30080/TCP is a node port of Service default/b (F:8) too",
    ],
  },
  {
    name: "ports of a Service",
    text: documents(
      service("b", SELECTOR),
      service("c", `${SELECTOR}, ports: [{name: x, port: 80}, {name: x, port: 81}, {port: 82}]`),
      service("d", `${SELECTOR}, ports: [{port: 80, protocol: tcp}, {port: 0, name: x, protocol: ICMP}]`),
      service("e", `${SELECTOR}, ports: [{port: 65536, targetPort: 70000}], clusterIP: None`),
    ),
    lines: [
      "F:4: Service default/b spec.ports: is empty: a Service needs a port, unless it is headless or an ExternalName",
      'F:9: Service default/c spec.ports[1].name: "x" is the name of spec.ports[0] too',
      "F:9: Service default/c spec.ports[2].name: is missing: a Service with several ports names each",
      'F:14: Service default/d spec.ports[0].protocol: "tcp" is not one of TCP, UDP, SCTP (did you mean "TCP"?)',
      "F:14: Service default/d spec.ports[1].port: 0 is not a port from 1 to 65535",
      'F:14: Service default/d spec.ports[1].protocol: "ICMP" is not one of TCP, UDP, SCTP',
      "F:19: Service default/e spec.ports[0].port: 65536 is not a port from 1 to 65535",
      "F:19: Service default/e spec.ports[0].targetPort: 70000 is not a port from 1 to 65535 or the name of a container's port",
    ],
  },
  {
    name: "EndpointSlices of a wrong addressType",
    text: documents(
      slice("addressType: IPv6\nendpoints: [{addresses: [10.244.0.5]}]"),
      slice("addressType: ipv4"),
      slice("endpoints: [{}]"),
    ),
    lines: [
      'F:5: EndpointSlice default/b-1 endpoints[0].addresses[0]: "10.244.0.5" is an IPv4 address in a slice of addressType IPv6',
      'F:10: EndpointSlice default/b-1 addressType: "ipv4" is not one of IPv4, IPv6, FQDN (did you mean "IPv4"?)',
      "F:12: EndpointSlice default/b-1 addressType: is missing: one of IPv4, IPv6, FQDN is expected",
      "F:15: EndpointSlice default/b-1 endpoints[0].addresses: is missing: a list is expected",
    ],
  },
  {
    name: "names",
    text: documents(
      pod("My_Pod"),
      service("1.b", "ports: [{port: 80}]"),
      "apiVersion: v1\nkind: Service\nmetadata: {name: -x, namespace: A}\nspec: {ports: [{port: 1}]}\n",
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {'a b': x, app: c d}}\n",
    ),
    lines: [
      'F:3: Pod default/My_Pod metadata.name: "My_Pod" is no name: small letters, digits, dots and dashes, a letter or digit at both ends',
      'F:10: Service default/1.b metadata.name: "1.b" is no name: small letters, digits and dashes, a letter or digit at both ends',
      'F:15: Service A/-x metadata.name: "-x" is no name: small letters, digits and dashes, a letter or digit at both ends',
      'F:15: Service A/-x metadata.namespace: "A" is no name of a namespace',
      'F:20: Namespace a metadata.labels["a b"]: "a b" is no name of a label',
      'F:20: Namespace a metadata.labels.app: "c d" is no value of a label: at most 63 letters, digits, dashes, dots and underscores, a letter or digit at both ends',
    ],
  },
  {
    name: "podCIDRs and addresses of nodes that clash",
    text: documents(
      node("n1", "192.168.0.2", "10.244.0.0/16"),
      node("n2", "192.168.0.3", "10.244.5.0/24"),
      node("n3", "192.168.0.3", "10.244.5.0/24"),
    ),
    lines: [
      "F:7: Node n2 spec.podCIDR: 10.244.5.0/24 overlaps 10.244.0.0/16, the podCIDR of Node n1 (F:1)",
      "F:13: Node n3 spec.podCIDR: 10.244.5.0/24 overlaps 10.244.0.0/16, the podCIDR of Node n1 (F:1)",
      "F:13: Node n3 status.addresses[0].address: 192.168.0.3 is an address of Node n2 (F:7) too",
    ],
  },
  {
    name: "kube-proxy's configuration",
    text: proxy(
      [
        "mode: iptabels",
        "clusterCIDR: 10.244.0.0/16, fd00::/129",
        "iptables: {masqueradeBit: 40, masqueradeAl: true}",
        "nodePortAddresses: [primary, 10.0.0.0/8]",
        "detectLocalMode: BridgeInterface",
        "featureGates: {A: yes, B: 1}",
        "ipvs: {excludeCIDRs: [10.0.0.0/40]}",
      ].join("\n"),
    ),
    lines: [
      "F:1: KubeProxyConfiguration detectLocal.bridgeInterface: is missing: detectLocalMode BridgeInterface asks for it",
      'F:3: KubeProxyConfiguration mode: "iptabels" is not one of iptables, ipvs, nftables, userspace (did you mean "iptables"?)',
      'F:4: KubeProxyConfiguration clusterCIDR: "fd00::/129" has the prefix length 129, which is above 128',
      'F:5: KubeProxyConfiguration iptables.masqueradeAl: is no known field (did you mean "masqueradeAll"?)',
      "F:5: KubeProxyConfiguration iptables.masqueradeBit: 40 is not a bit from 0 to 31",
      'F:6: KubeProxyConfiguration nodePortAddresses[0]: "primary" stands alone or not at all',
      "F:8: KubeProxyConfiguration featureGates.B: is not true or false",
      'F:9: KubeProxyConfiguration ipvs.excludeCIDRs[0]: "10.0.0.0/40" has the prefix length 40, which is above 32',
    ],
  },
  {
    name: "kube-proxy's configuration in its ConfigMap",
    text: `apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data:
  config.conf: |
    apiVersion: kubeproxy.config.k8s.io/v1alpha1
    kind: KubeProxyConfiguration
    mode: kernelspace
`,
    lines: [
      'ConfigMap kube-system/kube-proxy config.conf (F:1):3: KubeProxyConfiguration mode: "kernelspace" is not one of iptables, ipvs, nftables, userspace',
    ],
  },
  {
    name: "a time of IPVS mode that is no duration",
    text: documents(proxy("mode: ipvs\nipvs: {tcpTimeout: soon}"), POD),
    lines: ['F:4: KubeProxyConfiguration ipvs.tcpTimeout: "soon" is no duration, such as 15m0s'],
  },
  {
    name: "a CNI that is not built",
    text: documents(POD, "cniVersion: 1.0.0\nname: net\nplugins: [{type: azure-vnet}]\n"),
    lines: [
      "the CNI azure-vnet is not built yet (F:8 plugins[0].type): --cni flannel, calico, canal, weave, bridge, docker0 goes on with that one in its place",
    ],
  },
  {
    name: "a backend of flannel that is not built, and one that is none",
    text: '{"Network": "10.244.0.0/16", "Backend": {"Type": "wireguard"}}',
    lines: ["flannel's backend wireguard is not built yet (F:1 Backend.Type): vxlan, host-gw, ipip, udp are"],
  },
  {
    name: "kubeadm's and flannel's networks",
    text: documents(
      "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nnetworking: {podSubnet: 10.244.0.0/99}\n",
      "Network: 10.244.0.0\nBackend: {Type: vxlann}\n",
    ),
    lines: [
      'F:3: ClusterConfiguration networking.podSubnet: "10.244.0.0/99" has the prefix length 99, which is above 32',
      'F:5: net-conf.json Network: "10.244.0.0" has no prefix length: write 10.244.0.0/32 for the single address',
      'F:6: net-conf.json Backend.Type: "vxlann" is not one of vxlan, host-gw, udp, ipip, wireguard, extension, alloc, ipsec, tencent-vpc, ali-vpc, aws-vpc, gce (did you mean "vxlan"?)',
    ],
  },
  {
    name: "unknown versions and kinds",
    text: documents(
      "apiVersion: v2\nkind: Service\nmetadata: {name: b}\nspec: {}\n",
      "apiVersion: app/v1\nkind: Deployment\nmetadata: {name: b}\n",
      "apiVersion: v1\nkind: Servise\nmetadata: {name: b}\n",
      "kind: Service\nmetadata: {name: b}\n",
      "apiVersion: v1\nmetadata: {name: b}\n",
      "apiVersion: v1\nkind: Pod\nmetadata: {generateName: b-}\n",
    ),
    lines: [
      "F:1: Service default/b apiVersion: v2 is no version of Service: v1 is expected",
      "F:6: Deployment default/b apiVersion: app/v1 has no Deployment: apps/v1 is expected",
      'F:11: Servise default/b kind: Servise is no known kind (did you mean "Service"?)',
      "F:14: Service b apiVersion: is missing: every API object says its apiVersion and kind",
      "F:17: object b kind: is missing: every API object says its apiVersion and kind",
      "F:22: Pod without a name metadata.name: is missing: every object has a name",
    ],
  },
  { name: "an empty file", text: "", lines: ["F: holds nothing"] },
  { name: "comments alone", text: "# one\n---\n# two\n", lines: ["F: holds nothing"] },
  {
    name: "no objects",
    text: "<!DOCTYPE html><html><body>404: Not Found</body></html>\n",
    lines: [
      "F:1: is no API object, configuration or snapshot that is known here: apiVersion and kind are expected",
    ],
  },
  {
    name: "tabs",
    text: "apiVersion: v1\nkind: Pod\nmetadata:\n\tname: a\n",
    lines: [
      "F:4: the document is no YAML that can be read: tab characters must not be used in indentation (column 1)",
    ],
  },
  {
    name: "an anchor that is not there, and a number that JSON does not have",
    text: documents("a: *nothere\n", service("b", "ports: [{port: .nan}]")),
    lines: [
      'F:1: the document is no YAML that can be read: unidentified alias "nothere" (column 5)',
      "F:6: document 2 cannot be read: .nan has no JSON form, so that kubectl refuses it",
    ],
  },
  {
    name: "a template",
    text: "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n",
    lines: [
      "F:4: the document is a template with {{ … }} in it: give what it comes to, such as `helm template` prints",
    ],
  },
  {
    name: "UTF-16 without its mark",
    text: Buffer.from(POD, "utf16le"),
    lines: ["F: holds no text: a snapshot, manifest or dump is expected"],
  },
  {
    name: "aliases of aliases",
    text: ["a: &a [x,x,x,x,x,x,x,x,x,x]", ..."bcdefgh"]
      .map((key, i) => {
        const before = String.fromCharCode(96 + i);
        return key.length > 1 ? key : `${key}: &${key} [${Array(10).fill(`*${before}`).join(",")}]`;
      })
      .join("\n"),
    lines: ["F:1: the aliases of this document expand to more than ten million values: it is not read"],
  },
  {
    name: "more pods than a cluster has",
    text: `apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  replicas: 2_000_000_000
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}
`,
    lines: [
      "F:5: Deployment default/d spec.replicas: 2000000000 is not a whole number of pods, at most 150000",
    ],
  },
];

const JSON_ERRORS: readonly Mistake[] = [
  {
    name: "a null in a List",
    text: '{"apiVersion":"v1","kind":"List","items":[\n{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}},\nnull]}',
    lines: ["F:3: items[1]: null is no API object"],
  },
  {
    name: "JSON cut off",
    text: '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"conta',
    lines: ["F:1: the file ends in the middle of spec; }} are missing: a whole document ends with }"],
  },
  {
    name: "a comma too many",
    text: '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},\n"spec":{"containers":[{"name":"c"},]}}',
    lines: ['F:2: column 36: a value is expected in spec.containers[1], not "]"'],
  },
  {
    name: "a hundred thousand open brackets",
    text: "[".repeat(100_000),
    lines: [
      `F:1: the file ends in the middle of ${"[0]".repeat(20)}…; ]]]]]]]]… are missing: a whole document ends with ]`,
    ],
  },
];

/** What is said of a file, its own name made short. */
async function said(path: string): Promise<{ out: string; lines: string[]; code: number }> {
  const { out, err, code } = await hopscope(["trace", "node/none", "10.0.0.1", "-q", "-f", path]);
  return { out, lines: err.replaceAll(path, "F").trimEnd().split("\n"), code };
}

function write(name: string, { text }: Mistake, ending: string): string {
  const path = join(folder, `${name.replace(/\W+/g, "-")}${ending}`);
  writeFileSync(path, text);
  return path;
}

describe("a mistake in a file ends with code 2 and a line for each fault", () => {
  it.each([
    ...ERRORS.map((mistake) => [mistake.name, ".yaml", mistake] as const),
    ...JSON_ERRORS.map((mistake) => [mistake.name, ".json", mistake] as const),
  ])("%s", async (name, ending, mistake) => {
    const { out, lines, code } = await said(write(name, mistake, ending));
    expect(lines).toEqual(mistake.lines.map((line) => `error: ${line}`));
    expect(out).toBe("");
    expect(code).toBe(2);
  });
});

const WARNINGS: readonly Mistake[] = [
  {
    name: "a selector that matches nothing, a target that no container has",
    text: documents(
      POD,
      service("b", "selector: {app: zzz}, ports: [{port: 80}]"),
      service("c", `${SELECTOR}, ports: [{port: 80, targetPort: htttp}]`),
      service("d", `${SELECTOR}, ports: [{port: 80, targetPort: http, protocol: UDP}]`),
    ),
    lines: [
      "F:8: Service default/b spec.selector: app=zzz matches no pod and no workload's template in namespace default",
      'F:13: Service default/c spec.ports[0].targetPort: no selected pod has a port named "htttp" (did you mean "http"?)',
      "F:18: Service default/d spec.ports[0].targetPort: the selected pods have the port http/TCP, but none http/UDP",
    ],
  },
  {
    name: "outside ranges that are only assumed",
    text: documents(
      proxy("clusterCIDR: 10.244.0.0/16"),
      node("n1", "192.168.0.2", "10.1.0.0/24"),
      service("b", "type: NodePort, ports: [{port: 80, nodePort: 80}]"),
    ),
    lines: [
      "F:11: Service default/b spec.ports[0].nodePort: 80 is outside 30000-32767, the range of node ports (the API server's default)",
      "F:5: Node n1 spec.podCIDR: 10.1.0.0/24 is outside 10.244.0.0/16, the cluster CIDR (F:1 clusterCIDR)",
    ],
  },
  {
    name: "keys given twice",
    text: service("b", `${SELECTOR}, ports: [{port: 80}], ports: [{port: 81}]`) + documents("---\n", POD),
    lines: ['F:4: the key "ports" stands here a second time (first in line 4): the last one counts'],
  },
  {
    name: "hidden addresses",
    text: documents(
      node("n1", '"***HIDDEN***"', "10.244.1.0/24"),
      POD,
      service("b", `${SELECTOR}, clusterIP: "***HIDDEN***", ports: [{port: 80}]`),
    ),
    lines: [
      "F:5: Node n1 status.addresses[0].address: ***HIDDEN*** in this dump: status.addresses[0].address is taken as not there",
      "F:17: Service b spec.clusterIP: ***HIDDEN*** in this dump: spec.clusterIP is taken as not there",
    ],
  },
  {
    name: "an object given twice, a field of a newer API, a slice's port without a name",
    text: documents(
      POD,
      pod("a", "hostNetwork: true"),
      service("b", `${SELECTOR}, ports: [{port: 80}], unheardOf: 1`),
      slice("addressType: IPv4\nports: [{port: 80}]\nendpoints: []"),
    ),
    lines: [
      "F:8: Pod default/a: is given before, at F:1: this one counts",
      "F:18: Service default/b spec.unheardOf: is no field that is known here: it is left out of account",
      'F:24: EndpointSlice default/b-1 ports[0].name: is missing: kube-proxy leaves such a port out; write name: ""',
    ],
  },
];

describe("what is only doubtful is a warning, and the question is answered", () => {
  it.each(WARNINGS.map((mistake) => [mistake.name, mistake] as const))("%s", async (name, mistake) => {
    const path = write(name, mistake, ".yaml");
    const { err, code } = await hopscope(["trace", "external", "10.0.0.1", "-q", "-f", path]);
    const lines = err.replaceAll(path, "F").trimEnd().split("\n").sort();
    expect(lines).toEqual(mistake.lines.map((line) => `warning: ${line}`).sort());
    expect(code).toBe(1);
  });
});

describe("what kubectl reads is read", () => {
  const manifest = documents(
    POD,
    `apiVersion: v1
kind: Service
metadata: &m {name: b, labels: &l {app: a}}
spec:
  selector: *l
  type: NodePort
  publishNotReadyAddresses: off
  ports:
  - &p {name: x, port: 0120, nodePort: 30_080, targetPort: http}
  - {<<: *p, name: z, port: 0x51, nodePort: 30081}
`,
  );
  it.each<[string, string | Buffer]>([
    ["anchors, merge keys, YAML 1.1 numbers and words", manifest],
    ["a byte order mark", `\ufeff${manifest}`],
    ["CRLF", manifest.replaceAll("\n", "\r\n")],
    ["UTF-16, as PowerShell writes it", Buffer.from(`\ufeff${manifest}`, "utf16le")],
    ["UTF-16, the other way round", Buffer.from(`\ufeff${manifest}`, "utf16le").swap16()],
  ])("%s", async (name, text) => {
    const path = write(name, { name, text, lines: [] }, ".yaml");
    for (const port of ["80", "81"]) {
      const { out, err, code } = await hopscope(["trace", "pod/a", `svc/b:${port}`, "-q", "-f", path]);
      expect(err).toBe("");
      expect(out).toMatch(/^DELIVERED {2}pod\/a → /);
      expect(code).toBe(0);
    }
  });

  it("an empty file beside others is passed over", async () => {
    const [good, empty] = [
      write("good", { name: "", text: POD, lines: [] }, ".yaml"),
      join(folder, "empty.yaml"),
    ];
    writeFileSync(empty, "");
    const { err, code } = await hopscope(["trace", "pod/a", "pod/a:8080", "-q", "-f", good, "-f", empty]);
    expect(err).toBe(`warning: ${empty}: holds nothing\n`);
    expect(code).toBe(0);
  });
});
