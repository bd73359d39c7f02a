import { describe, expect, it } from "vitest";
import { readSource } from "../../src/source/read-source.ts";

/** Ranges of pods, Services and nodes that must be apart, and flannel's network: one line each, with its place. */

const node = (name: string, address: string, ...podCidrs: string[]) =>
  `---\napiVersion: v1\nkind: Node\nmetadata: {name: ${name}}\nspec: {podCIDR: "${podCidrs[0]}", podCIDRs: ["${podCidrs.join('", "')}"]}\nstatus: {addresses: [{type: InternalIP, address: "${address}"}]}\n`;
const kubeadm = (pods: string, services: string) =>
  `---\napiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nnetworking: {podSubnet: "${pods}", serviceSubnet: "${services}"}\n`;
const flannel = (json: string) =>
  `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-flannel-cfg}\ndata:\n  net-conf.json: '${json}'\n`;

function found(...documents: string[]) {
  const { errors, warnings } = readSource([{ name: "c.yaml", text: documents.join("") }], {});
  const lines = (list: typeof errors) => list.map(({ field, message }) => `${field}: ${message}`);
  return { errors: lines(errors), warnings: lines(warnings) };
}

const USUAL = kubeadm("10.244.0.0/16", "10.96.0.0/12");

describe("podCIDRs", () => {
  it("that are apart are taken without a word", () => {
    const { errors, warnings } = found(
      kubeadm("10.244.0.0/16,fd00:10:244::/56", "10.96.0.0/12,fd00:10:96::/112"),
      node("n1", "192.168.7.11", "10.244.1.0/24", "fd00:10:244:1::/64"),
      node("n2", "fd00:7::12", "10.244.2.0/24", "fd00:10:244:2::/64"),
    );
    expect({ errors, warnings }).toEqual({ errors: [], warnings: [] });
  });

  it("of IPv6 may not overlap either", () => {
    const { errors } = found(
      node("n1", "192.168.7.11", "10.244.1.0/24", "fd00:10:244::/60"),
      node("n2", "192.168.7.12", "10.244.2.0/24", "fd00:10:244:2::/64"),
      node("n3", "192.168.7.13", "10.244.3.0/24", "fd00:10:244::/60"),
    );
    expect(errors).toEqual([
      "Node n2 spec.podCIDRs[1]: fd00:10:244:2::/64 overlaps fd00:10:244::/60, the podCIDR of Node n1 (c.yaml:2)",
      "Node n3 spec.podCIDRs[1]: fd00:10:244::/60 is the podCIDR of Node n1 (c.yaml:2) too",
    ]);
  });

  it("may not hold a node's address", () => {
    const { errors } = found(
      node("n1", "192.168.7.11", "192.168.7.0/24"),
      node("n2", "192.168.8.12", "192.168.9.0/24"),
      node("n3", "192.168.9.13", "192.168.10.0/24"),
    );
    expect(errors).toEqual([
      "Node n1 spec.podCIDR: 192.168.7.0/24 holds 192.168.7.11, the address of the node itself: pods and nodes need networks of their own",
      "Node n2 spec.podCIDR: 192.168.9.0/24 holds 192.168.9.13, the address of Node n3 (c.yaml:14): pods and nodes need networks of their own",
    ]);
  });

  it("may not be of the Services' range where that is said, and are doubted where it is assumed", () => {
    const inside = node("n1", "192.168.7.11", "10.97.1.0/24");
    const stated = found(kubeadm("10.97.0.0/16", "10.96.0.0/12"), inside);
    expect(stated.errors.join()).toContain(
      "Node n1 spec.podCIDR: 10.97.1.0/24 overlaps 10.96.0.0/12, the service CIDR",
    );
    expect(stated.warnings.join()).toContain("cluster CIDR: 10.97.0.0/16 overlaps 10.96.0.0/12");
    const assumed = found(inside);
    expect(assumed.errors).toEqual([]);
    expect(assumed.warnings.join()).toContain("10.97.1.0/24 overlaps 10.96.0.0/12, the service CIDR");
  });

  it("of a range that holds nodes are doubted", () => {
    const bare =
      "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: 192.168.7.11}]}\n";
    const { warnings, errors } = found(kubeadm("192.168.0.0/16", "10.96.0.0/12"), bare);
    expect(errors).toEqual([]);
    expect(warnings.join()).toContain(
      "cluster CIDR: 192.168.0.0/16 holds 192.168.7.11, the address of Node n1",
    );
    const services = found(kubeadm("10.244.0.0/16", "192.168.7.0/24"), bare);
    expect(services.warnings.join()).toContain("service CIDR: 192.168.7.0/24 holds 192.168.7.11");
  });

  it("must be of the cluster's range, of each family", () => {
    const { errors } = found(
      kubeadm("10.244.0.0/16,fd00:10:244::/56", "10.96.0.0/12,fd00:10:96::/112"),
      node("n1", "192.168.7.11", "10.200.1.0/24", "fd00:99:1::/64"),
    );
    expect(errors.map((line) => line.replace(/ \(.*/, ""))).toEqual([
      "Node n1 spec.podCIDR: 10.200.1.0/24 is outside 10.244.0.0/16, the cluster CIDR",
      "Node n1 spec.podCIDRs[1]: fd00:99:1::/64 is outside fd00:10:244::/56, the cluster CIDR",
    ]);
  });
});

describe("IPPools", () => {
  const pool = (cidr: string) =>
    `---\napiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: p}\nspec: {cidr: ${cidr}}\n`;

  it("with addresses of nodes or of Services are told of", () => {
    const nodes = found(pool("192.168.0.0/16"), node("n1", "192.168.7.11", "10.244.1.0/24"));
    expect(nodes.warnings.join("\n")).toContain(
      "IPPool p spec.cidr: 192.168.0.0/16 holds 192.168.7.11, the address of Node n1 (c.yaml:7)",
    );
    const services = found(kubeadm("10.96.0.0/16", "10.96.0.0/12"), pool("10.96.0.0/16"));
    expect(services.warnings.join("\n")).toContain(
      "IPPool p spec.cidr: 10.96.0.0/16 overlaps 10.96.0.0/12, the service CIDR",
    );
    expect([...nodes.errors, ...services.errors]).toEqual([]);
  });
});

describe("flannel's network", () => {
  const backend = '"Backend": {"Type": "vxlan"}';

  it.each([
    [`{${backend}}`, "Network: is missing: flanneld does not start"],
    [
      `{"Network": "10.244.0.0/16", "EnableIPv6": true, ${backend}}`,
      "IPv6Network: is missing: flanneld does not start",
    ],
    [
      '{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan", "VNI": 16777216}}',
      "Backend.VNI: 16777216 is not a VNI",
    ],
    [
      '{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan", "DirectRouting": "yes"}}',
      "Backend.DirectRouting: ",
    ],
    ['{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}', "} is missing"],
    [`{"Network": "10.55.0.0/16", ${backend}}`, "10.244.1.0/24 is outside 10.55.0.0/16, flannel's Network"],
  ])("%s", (json, message) => {
    const { errors } = found(USUAL, flannel(json), node("n1", "192.168.7.11", "10.244.1.0/24"));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(message);
  });

  it("must hold the cluster's range where the nodes have no podCIDRs yet", () => {
    const bare = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";
    const { errors } = found(USUAL, flannel(`{"Network": "10.55.0.0/16", ${backend}}`), bare);
    expect(errors.join()).toContain("Network: 10.55.0.0/16 does not hold 10.244.0.0/16, the cluster CIDR");
    expect(found(USUAL, flannel(`{"Network": "10.244.0.0/16", ${backend}}`), bare).errors).toEqual([]);
  });

  it("of an installer's template is passed over, and said", () => {
    const { errors, warnings } = found(
      USUAL,
      flannel('{"Network": {{ .Values.podCidr }}}'),
      node("n1", "192.168.7.11", "10.244.1.0/24"),
    );
    expect(errors).toEqual([]);
    expect(warnings.join()).toContain("a field's name in double quotes is expected");
  });
});
