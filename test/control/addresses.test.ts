import { describe, expect, it } from "vitest";
import { deployment, node, podsOf, prefix, reconciled, SETTINGS, service, yaml } from "./cluster.ts";

describe("addresses", () => {
  it("nodes get podCIDRs in the natural order of their names, around those observed", () => {
    const given = "{apiVersion: v1, kind: Node, metadata: {name: n5}, spec: {podCIDR: 10.244.1.0/24}}";
    const map = reconciled(yaml(node("n10"), node("n2"), given, node("n1")));
    expect(map.list("Node").map(({ metadata, spec }) => `${metadata.name} ${spec?.podCIDR}`)).toEqual([
      "n1 10.244.0.0/24",
      "n10 10.244.3.0/24",
      "n2 10.244.2.0/24",
      "n5 10.244.1.0/24",
    ]);
  });

  it("a podCIDR of another length is not overlapped", () => {
    const given = "{apiVersion: v1, kind: Node, metadata: {name: n5}, spec: {podCIDR: 10.244.0.0/22}}";
    expect(reconciled(yaml(given, node("n1"))).get("Node", "n1")?.spec?.podCIDR).toBe("10.244.4.0/24");
  });

  it("nodes without an address get one, those with keep theirs", () => {
    const given =
      "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 172.18.0.2}]}}";
    const map = reconciled(yaml(node("n2"), given));
    expect(map.list("Node").map(({ status }) => status?.addresses?.[0]?.address)).toEqual([
      "172.18.0.2",
      "172.18.0.3",
    ]);
  });

  it("observed pod addresses are kept and passed over; hostNetwork pods have their node's", () => {
    const pod = (name: string, spec = "", status = "") =>
      `{apiVersion: v1, kind: Pod, metadata: {name: ${name}}, spec: {nodeName: n1, ${spec}containers: [{name: c}]}${status}}`;
    const map = reconciled(
      yaml(
        node("n1"),
        pod("a"),
        pod("b", "", ", status: {podIP: 10.244.0.2}"),
        pod("c", "hostNetwork: true, "),
        pod("d"),
        pod("e", "", ", status: {phase: Succeeded, podIP: 10.244.0.3}"),
      ),
    );
    expect(podsOf(map)).toEqual([
      "a n1 10.244.0.3 Running",
      "b n1 10.244.0.2 -",
      "c n1 172.18.0.2 Running",
      "d n1 10.244.0.4 Running",
      "e n1 10.244.0.3 Succeeded",
    ]);
  });

  it("hundreds of pods on one node; when the subnet is full, the rest say so", () => {
    const map = reconciled(yaml(node("n1"), deployment("web", 300)));
    const running = map.list("Pod").filter(({ status }) => status?.phase === "Running");
    expect(running).toHaveLength(253);
    const [waiting] = map.list("Pod").filter(({ status }) => status?.phase === "Pending");
    expect(waiting?.status?.message).toBe(
      "failed to allocate for range 0: no IP addresses available in range set: 10.244.0.0/24",
    );
  });

  it("no more nodes than subnets get one", () => {
    const settings = { ...SETTINGS, clusterCidr: prefix("10.244.0.0/23") };
    const map = reconciled(yaml(node("n1"), node("n2"), node("n3")), settings);
    expect(map.list("Node").map(({ spec }) => spec?.podCIDR)).toEqual([
      "10.244.0.0/24",
      "10.244.1.0/24",
      undefined,
    ]);
  });
});

describe("Services", () => {
  const specs = (...documents: string[]) =>
    reconciled(yaml(...documents))
      .list("Service")
      .map(
        ({ metadata, spec }) =>
          `${metadata.name} ${spec.clusterIP ?? "-"} ${(spec.ports ?? []).map(({ nodePort }) => nodePort ?? "-").join(",")}`,
      );

  it.each([
    ["a cluster IP of the upper band", [service("a"), service("b")], ["a 10.96.1.1 -", "b 10.96.1.2 -"]],
    [
      "observed ones are kept and passed over",
      [service("a"), service("b", "clusterIP: 10.96.1.1, ports: [{port: 1}]")],
      ["a 10.96.1.2 -", "b 10.96.1.1 -"],
    ],
    ["headless ones have none", [service("a", "clusterIP: None, ports: [{port: 1}]")], ["a None -"]],
    ["nor does an ExternalName", [service("a", "type: ExternalName, externalName: x.y")], ["a - "]],
    [
      "kube-dns has .10",
      [service("kube-dns").replace("name: kube-dns", "name: kube-dns, namespace: kube-system")],
      ["kube-dns 10.96.0.10 -"],
    ],
    [
      "a node port where the type wants one",
      [service("a", "type: NodePort, ports: [{port: 1}]")],
      ["a 10.96.1.1 30086"],
    ],
    [
      "a given node port is passed over",
      [
        service("a", "type: NodePort, ports: [{port: 1}]"),
        service("b", "type: NodePort, ports: [{port: 1, nodePort: 30086}]"),
      ],
      ["a 10.96.1.1 30087", "b 10.96.1.2 30086"],
    ],
    [
      "TCP and UDP of one port share a number",
      [service("a", "type: NodePort, ports: [{name: t, port: 53}, {name: u, port: 53, protocol: UDP}]")],
      ["a 10.96.1.1 30086,30086"],
    ],
    [
      "a load balancer may do without",
      [service("a", "type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 1}]")],
      ["a 10.96.1.1 -"],
    ],
  ])("%s", (_name, documents, expected) => {
    expect(specs(...documents)).toEqual(expected);
  });

  it("externalTrafficPolicy Local of a load balancer has a health check's port", () => {
    const map = reconciled(
      service("a", "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 1}]"),
    );
    expect(map.list("Service")[0]?.spec.healthCheckNodePort).toBe(30_087);
  });

  it("podCIDRs leave out the Services' part of the cluster's range", () => {
    const settings = {
      ...SETTINGS,
      clusterCidr: prefix("10.96.0.0/15"),
      serviceCidr: prefix("10.96.0.0/16"),
    };
    const map = reconciled(yaml(node("n1"), node("n2")), settings);
    expect(map.list("Node").map(({ spec }) => spec?.podCIDR)).toEqual(["10.97.0.0/24", "10.97.1.0/24"]);
  });

  it("a small service CIDR is given out to its last address, the lower band of a wider one last", () => {
    const given = (cidr: string, count: number) => {
      const names = Array.from({ length: count }, (_, i) => `s${String(i).padStart(2, "0")}`);
      const text = yaml(node("n1"), ...names.map((name) => service(name, "ports: [{port: 80}]")));
      const map = reconciled(text, { ...SETTINGS, serviceCidr: prefix(cidr) });
      return map.list("Service").flatMap(({ spec }) => spec.clusterIP ?? []);
    };
    // 16 addresses, less the network's and the broadcast one (`calculateRangeOffset`: no band).
    expect(given("10.1.1.0/28", 16)).toEqual(Array.from({ length: 14 }, (_, i) => `10.1.1.${i + 1}`));
    const wider = given("10.1.1.0/27", 32);
    expect(wider).toHaveLength(30);
    expect(new Set(wider).size).toBe(30);
    expect(wider[0]).toBe("10.1.1.17");
    expect(wider.at(-1)).toBe("10.1.1.16");
  });
});
