import { describe, expect, it } from "vitest";
import { IPV6 } from "../../src/address/family.ts";
import { membersByFamily } from "../../src/analyze/cluster-members.ts";
import { verify } from "../../src/analyze/verify.ts";
import { QUESTION_DEFAULTS, resolveQuestion } from "../../src/cli/question.ts";
import type { Host } from "../../src/kernel/host.ts";
import { formatIptablesSave } from "../../src/kernel/netfilter/save/format.ts";
import { PROXY_MODES } from "../../src/proxy/configuration.ts";
import { ASK_DEFAULTS, ask } from "../../src/walk/ask.ts";
import { Session } from "../../src/walk/session.ts";
import type { Trace } from "../../src/walk/trace.ts";
import { type YamlWorld, yamlWorld } from "./yaml-world.ts";

/** Small clusters of both families, and of IPv6 alone: what is given out, what is programmed, who reaches whom. */

const FOUR = { pods: "10.244.0.0/16", services: "10.96.0.0/16" };
const SIX = { pods: "fd00:10:244::/56", services: "fd00:10:96::/112" };

function ranges(families: readonly (typeof FOUR)[]): string {
  const list = (name: keyof typeof FOUR) => families.map((family) => family[name]).join(",");
  return `{apiVersion: kubeadm.k8s.io/v1beta3, kind: ClusterConfiguration, networking: {podSubnet: "${list("pods")}", serviceSubnet: "${list("services")}"}}`;
}

const DUAL = ranges([FOUR, SIX]);
const SIX_FIRST = ranges([SIX, FOUR]);
const ONLY_SIX = ranges([SIX]);

function pod(name: string, node: string): string {
  return `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, labels: {app: ${name}}}, spec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 8080}]}]}}`;
}

function service(name: string, more: string): string {
  return `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}], ${more}}}`;
}

const NODES = [1, 2].map((n) => `{apiVersion: v1, kind: Node, metadata: {name: n${n}}}`);
const PODS = [pod("client", "n1"), pod("server", "n2")];

function cluster(...documents: readonly string[]): YamlWorld {
  return yamlWorld([...NODES, ...PODS, ...documents].join("\n---\n"));
}

function trace(
  { cluster: { world }, inventory, network }: YamlWorld,
  from: string,
  to: string,
  family: 4 | 6 | null = null,
): Trace {
  const query = resolveQuestion(world, { ...QUESTION_DEFAULTS, id: "q", from, to, family }, inventory);
  if (query.kind === "invalid") throw new Error(query.messages.join("; "));
  return ask(new Session(network), query.value, ASK_DEFAULTS);
}

/** `DELIVERED to [fd00::2]:8080 from …`, the server's view. */
function told({ outcomes: [outcome] }: Trace): string {
  const server = outcome?.server ?? null;
  const { disposition } = outcome?.verdict ?? { disposition: "none" };
  return server === null
    ? disposition
    : `${disposition} ${server.address} ${server.port} from ${server.peer.address}`;
}

function hostOf({ cluster: { world } }: YamlWorld, name: string): Host {
  const host = world.hosts.get(name);
  if (host === undefined) throw new Error(`no host ${name}`);
  return host;
}

describe("what is given out", () => {
  const spec = (world: YamlWorld, name: string) => {
    const { ipFamilies, ipFamilyPolicy, clusterIP, clusterIPs } =
      world.inventory.objects.get("Service", `default/${name}`)?.spec ?? {};
    return { ipFamilies, ipFamilyPolicy, clusterIP, clusterIPs };
  };
  const slices = (world: YamlWorld, name: string) =>
    world.inventory.objects
      .withLabel("EndpointSlice", "default", "kubernetes.io/service-name", name)
      .map(({ addressType, endpoints }) => [addressType, ...endpoints.flatMap(({ addresses }) => addresses)])
      .sort();

  it("of both families: subnets and addresses of nodes and pods, in the order of the cluster's ranges", () => {
    const four = cluster(DUAL).inventory.objects;
    expect(four.get("Node", "n2")?.spec?.podCIDRs).toEqual(["10.244.1.0/24", "fd00:10:244:1::/64"]);
    expect(four.get("Node", "n2")?.status?.addresses?.map(({ address }) => address)).toEqual([
      "172.18.0.3",
      "fc00:f853:ccd:e793::3",
    ]);
    expect(four.get("Pod", "default/server")?.status?.podIPs).toEqual([
      { ip: "10.244.1.2" },
      { ip: "fd00:10:244:1::2" },
    ]);
    const six = cluster(SIX_FIRST).inventory.objects;
    expect(six.get("Node", "n2")?.spec?.podCIDR).toBe("fd00:10:244:1::/64");
    expect(six.get("Pod", "default/server")?.status?.podIP).toBe("fd00:10:244:1::2");
  });

  it("of IPv6 alone", () => {
    const { objects } = cluster(ONLY_SIX).inventory;
    expect(objects.get("Node", "n1")?.spec?.podCIDRs).toEqual(["fd00:10:244::/64"]);
    expect(objects.get("Node", "n1")?.status?.addresses?.map(({ address }) => address)).toEqual([
      "fc00:f853:ccd:e793::2",
    ]);
    expect(objects.get("Pod", "default/client")?.status?.podIPs).toEqual([{ ip: "fd00:10:244::2" }]);
  });

  it("Services by their policies", () => {
    const documents = [
      service("plain", ""),
      service("prefer", "ipFamilyPolicy: PreferDualStack"),
      service("require", "ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6]"),
      service("six", "ipFamilies: [IPv6]"),
      service("headless", "clusterIP: None, ipFamilyPolicy: PreferDualStack"),
    ];
    const world = cluster(DUAL, ...documents);
    expect(spec(world, "plain")).toMatchObject({ ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack" });
    expect(spec(world, "prefer").ipFamilies).toEqual(["IPv4", "IPv6"]);
    expect(spec(world, "prefer").clusterIPs).toEqual([
      spec(world, "prefer").clusterIP,
      expect.stringMatching(/^fd00:10:96::/),
    ]);
    expect(spec(world, "require").ipFamilies).toEqual(["IPv6", "IPv4"]);
    expect(spec(world, "require").clusterIP).toMatch(/^fd00:10:96::/);
    expect(spec(world, "six").clusterIPs).toHaveLength(1);
    expect(slices(world, "plain")).toEqual([["IPv4", "10.244.1.2"]]);
    expect(slices(world, "six")).toEqual([["IPv6", "fd00:10:244:1::2"]]);
    expect(slices(world, "headless")).toEqual([
      ["IPv4", "10.244.1.2"],
      ["IPv6", "fd00:10:244:1::2"],
    ]);
    const alone = cluster(ONLY_SIX, ...documents.slice(0, 2));
    expect(spec(alone, "prefer")).toMatchObject({ ipFamilies: ["IPv6"], ipFamilyPolicy: "PreferDualStack" });
    expect(slices(alone, "plain")).toEqual([["IPv6", "fd00:10:244:1::2"]]);
  });

  it("what an API server refuses", () => {
    const told = (ranged: string, more: string) => () => cluster(ranged, service("web", more));
    expect(told(ONLY_SIX, "ipFamilies: [IPv4]")).toThrow('"IPv4" is not configured on this cluster');
    expect(told(ONLY_SIX, "ipFamilyPolicy: RequireDualStack")).toThrow(
      "this cluster is not configured for dual-stack services",
    );
    expect(told(DUAL, "ipFamilyPolicy: SingleStack, ipFamilies: [IPv4, IPv6]")).toThrow(
      "may be RequireDualStack or PreferDualStack",
    );
  });
});

describe("what is programmed", () => {
  it("flannel's VXLAN over IPv6", () => {
    const world = cluster(DUAL);
    const node = hostOf(world, "n1");
    const device = node.devices.find(({ name }) => name === "flannel-v6.1");
    expect(device).toMatchObject({ mtu: 1430, detail: { kind: "vxlan", vni: 1, port: 8472, link: "eth0" } });
    const text = ({ address }: { readonly address: Parameters<typeof IPV6.format>[0] }) =>
      IPV6.format(address);
    expect(
      node.addresses6.filter(({ dev, scope }) => dev === "flannel-v6.1" && scope === "global").map(text),
    ).toEqual(["fd00:10:244::"]);
    const route = node.routes6.find(({ dst }) => text(dst) === "fd00:10:244:1::" && dst.length === 64);
    expect(route?.nextHops).toMatchObject([{ dev: "flannel-v6.1", onlink: true }]);
    expect(node.neighbours6).toMatchObject([{ dev: "flannel-v6.1", state: "permanent" }]);
    const far = hostOf(world, "n2").devices.find(({ name }) => name === "flannel-v6.1");
    expect(node.neighbours6[0]?.lladdr).toBe(far?.mac);
    expect(node.ip6tables === null ? "" : formatIptablesSave(node.ip6tables)).toContain(
      '-A FLANNEL-POSTRTG -s fd00:10:244::/56 ! -d ff00::/8 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully',
    );
  });

  it("host-gw: routes by the nodes' own addresses, and no tunnel", () => {
    const host = hostOf(
      cluster(
        DUAL,
        '{apiVersion: v1, kind: ConfigMap, metadata: {name: kube-flannel-cfg, namespace: kube-flannel}, data: {net-conf.json: \'{"Network": "10.244.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:10:244::/56", "Backend": {"Type": "host-gw"}}\'}}',
      ),
      "n1",
    );
    expect(host.devices.some(({ name }) => name.startsWith("flannel"))).toBe(false);
    const route = host.routes6.find(({ dst }) => IPV6.format(dst.address) === "fd00:10:244:1::");
    expect(route?.nextHops.map(({ gateway }) => (gateway === null ? null : IPV6.format(gateway)))).toEqual([
      "fc00:f853:ccd:e793::3",
    ]);
  });

  it("nothing of IPv6 where the cluster has none", () => {
    for (const host of cluster(ranges([FOUR])).cluster.world.hosts.values()) {
      expect([host.name, host.addresses6.length, host.routes6.length]).toEqual([host.name, 0, 0]);
    }
  });
});

describe.each(["flannel", "canal", "bridge"] as const)("who reaches whom with the CNI %s", (cni) => {
  const documents = [service("web", "ipFamilyPolicy: PreferDualStack, type: NodePort"), pod("near", "n1")];
  const [dual, six] = [DUAL, ONLY_SIX].map((ranged) =>
    yamlWorld([...NODES, ...PODS, ranged, ...documents].join("\n---\n"), { cni }),
  ) as [YamlWorld, YamlWorld];

  it("in both families: on a node, and between nodes where something joins them", () => {
    const near = trace(dual, "pod/client", "pod/near:8080", 6);
    expect(told(near)).toBe("DELIVERED fd00:10:244::3 8080 from fd00:10:244::2");
    expect(told(trace(dual, "pod/client", "pod/near:8080", 4))).toBe(
      "DELIVERED 10.244.0.3 8080 from 10.244.0.2",
    );
    expect(told(trace(dual, "pod/client", "node/n1:10250", 6))).toMatch(/^DELIVERED fc00:f853/);
    for (const world of [dual, six]) {
      const far = told(trace(world, "pod/client", "pod/server:8080", 6));
      if (cni !== "bridge") expect(far).toBe("DELIVERED fd00:10:244:1::2 8080 from fd00:10:244::2");
      else expect(far).not.toContain("DELIVERED");
    }
  });

  it("names are IPv4's where both ends have it, else IPv6's", () => {
    const address = (world: YamlWorld, family: 4 | 6 | null) => {
      const query = resolveQuestion(
        world.cluster.world,
        { ...QUESTION_DEFAULTS, id: "q", from: "pod/client", to: "svc/web", family },
        world.inventory,
      );
      return query.kind === "ok" ? query.value.family : query.messages;
    };
    expect([address(dual, null), address(dual, 6), address(six, null)]).toEqual([4, 6, 6]);
    expect(address(six, 4)).toEqual([
      expect.stringContaining("has no cluster IP of IPv4, only fd00:10:96::"),
    ]);
  });
});

describe("Services over IPv6", () => {
  const documents = [
    service("web", "ipFamilyPolicy: PreferDualStack, type: NodePort"),
    service("local", "ipFamilies: [IPv6], type: NodePort, externalTrafficPolicy: Local"),
  ];
  for (const mode of PROXY_MODES) {
    const text = (ranged: string) => [...NODES, ...PODS, ranged, ...documents].join("\n---\n");
    const worlds = [DUAL, ONLY_SIX].map((ranged) => yamlWorld(text(ranged), { proxyMode: mode }));

    it(`${mode}: cluster IPs keep the pod's address, node ports take the node's, and not those of Local`, () => {
      for (const world of worlds) {
        const server = "fd00:10:244:1::2 8080 from";
        expect(told(trace(world, "pod/client", "svc/web", 6))).toBe(`DELIVERED ${server} fd00:10:244::2`);
        const port = (name: string) =>
          world.inventory.objects.get("Service", `default/${name}`)?.spec.ports?.[0]?.nodePort ?? 0;
        expect(told(trace(world, "external", `node/n2:${port("local")}`, 6))).toBe(
          `DELIVERED ${server} 2001:db8:203:113::10`,
        );
        expect(told(trace(world, "external", `node/n2:${port("web")}`, 6))).toMatch(
          /^DELIVERED fd00:10:244:1::2 8080 from fd00:10:244:1::1$/,
        );
        // IPVS keeps to no policy that leaves nobody; flannel then takes the client for no pod of the cluster.
        expect(told(trace(world, "external", `node/n1:${port("local")}`, 6))).toBe(
          mode === "ipvs" ? `DELIVERED ${server} fd00:10:244::` : "DROPPED",
        );
      }
    });

    it(`${mode}: what leaves the cluster has the node's address`, () => {
      for (const world of worlds) {
        expect(told(trace(world, "pod/client", "[2001:db8:203:113::10]:80"))).toBe(
          "DELIVERED 2001:db8:203:113::10 80 from fc00:f853:ccd:e793::2",
        );
      }
    });
  }
});

describe("Calico's cables in IPv6", () => {
  const world = yamlWorld([...NODES, ...PODS, DUAL].join("\n---\n"), { cni: "canal" });
  const text = (words: Parameters<typeof IPV6.format>[0]) => IPV6.format(words);

  it("a /128 in the pod, which sends everything to the link-local address of the node's end", () => {
    const own = hostOf(world, "client");
    expect(
      own.addresses6
        .filter(({ scope, dev }) => scope === "global" && dev === "eth0")
        .map(({ address, length }) => `${text(address)}/${length}`),
    ).toEqual(["fd00:10:244::2/128"]);
    const [way] = own.routes6.filter(({ dst }) => dst.length === 0);
    expect(way?.nextHops.map(({ gateway }) => (gateway === null ? null : text(gateway)))).toEqual([
      "fe80::ecee:eeff:feee:eeee",
    ]);
  });

  it("the node has that address and a route by the cable, and answers for others there", () => {
    const node = hostOf(world, "n1");
    const [route] = node.routes6.filter(
      ({ dst }) => dst.length === 128 && text(dst.address) === "fd00:10:244::2",
    );
    const device = route?.nextHops[0]?.dev ?? "";
    expect(device).toMatch(/^cali[0-9a-f]{11}$/);
    expect(route).toMatchObject({ metric: 1024, table: "main" });
    expect(node.addresses6.filter(({ dev }) => dev === device).map(({ address }) => text(address))).toEqual([
      "fe80::ecee:eeff:feee:eeee",
    ]);
    expect(node.sysctl.get(`net.ipv6.conf.${device}.proxy_ndp`)).toBe("1");
  });
});

describe("the nine principles", () => {
  const documents = [service("web", "ipFamilyPolicy: PreferDualStack, type: NodePort"), pod("near", "n1")];
  /** `6:5 broken` for each principle that does not pass. */
  const faults = (world: YamlWorld["cluster"]["world"], inventory: YamlWorld["inventory"]): string[] =>
    membersByFamily(world, inventory).flatMap((members) =>
      verify(members).flatMap(({ principle, family, finding }) =>
        finding.kind === "passed" ? [] : [`${family}:${principle.number} ${finding.kind}`],
      ),
    );
  const families = ({ cluster: { world }, inventory }: YamlWorld) =>
    membersByFamily(world, inventory).map(({ family }) => family);

  it("hold in each family that there is", () => {
    for (const [ranged, expected] of [
      [DUAL, [4, 6]],
      [ONLY_SIX, [6]],
      [ranges([FOUR]), [4]],
    ] as const) {
      const world = cluster(ranged, ...documents);
      expect(families(world)).toEqual(expected);
      expect(faults(world.cluster.world, world.inventory)).toEqual([]);
    }
  });

  it("what is broken in one family is so in that alone", () => {
    const { cluster: built, inventory } = cluster(DUAL, ...documents);
    const changed = (change: (host: Host) => Host) => {
      const hosts = new Map([...built.world.hosts].map(([name, host]) => [name, change(host)]));
      return faults({ ...built.world, hosts }, inventory);
    };
    const tunnel = "flannel-v6.1";
    expect(
      changed((host) => ({
        ...host,
        routes6: host.routes6.filter(({ nextHops: [hop] }) => hop?.dev !== tunnel),
      })),
    ).toContain("6:5 broken");
    expect(
      changed((host) => ({
        ...host,
        routes: host.routes.filter(({ nextHops: [hop] }) => hop?.dev !== "flannel.1"),
      })).filter((fault) => fault.startsWith("6")),
    ).toEqual([]);
    // Without kube-proxy's rules nothing leads from a cluster IP of IPv6 to a pod.
    expect(changed((host) => ({ ...host, ip6tables: null }))).toContain("6:9 broken");
  });
});
