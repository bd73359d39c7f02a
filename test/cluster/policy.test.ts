import { describe, expect, it } from "vitest";
import { Teller } from "../../src/cli/told.ts";
import { formatRuleArguments } from "../../src/kernel/netfilter/save/format.ts";
import type { Query } from "../../src/walk/query.ts";
import { nodes, type YamlWorld, yamlWorld } from "./yaml-world.ts";

/** Policies in whole clusters: kube-proxy's translation first, then Felix's chains, on both nodes of the way. */

const pod = (name: string, node: string, address: string, labels: string, more = "") =>
  `---\napiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: shop, labels: {${labels}}}\nspec: {nodeName: ${node}, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]${more}}\nstatus: {phase: Running, podIP: ${address}}\n`;

const SHOP = [
  nodes("192.168.50.11", "192.168.50.12"),
  pod("web", "n0", "10.244.0.5", "app: web"),
  pod("api", "n1", "10.244.1.5", "app: api"),
  pod("probe", "n0", "10.244.0.6", "app: probe"),
  "---\napiVersion: v1\nkind: Service\nmetadata: {name: api, namespace: shop}\nspec: {clusterIP: 10.96.0.20, selector: {app: api}, ports: [{port: 80, targetPort: http}]}\n",
].join("");
const POOL = (spec: string) =>
  `---\napiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: pool}\nspec: {cidr: 10.244.0.0/16, ${spec}}\n`;
const POLICY = `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: http}]
`;

function told(world: YamlWorld, from: string, to: string, more: Partial<Query> = {}) {
  const trace = world.trace(from, to, more);
  return new Teller(world.inventory).tell(trace, world.cluster.world);
}

const KINDS: readonly (readonly [string, string, Parameters<typeof yamlWorld>[1]])[] = [
  ["calico over BGP", POOL("ipipMode: Never"), { cni: "calico" }],
  ["calico over IPIP", POOL("ipipMode: Always"), { cni: "calico" }],
  ["calico over VXLAN", POOL("vxlanMode: Always"), { cni: "calico" }],
  ["canal", "", { cni: "canal" }],
];

describe.each(KINDS)("%s", (_name, pools, flags) => {
  const world = yamlWorld(SHOP + pools + POLICY, flags);

  it("a pod that is let in arrives, by the Service and without it", () => {
    expect(told(world, "web.shop", "10.96.0.20:80").verdict.disposition).toBe("DELIVERED");
    expect(told(world, "web.shop", "10.244.1.5:8080").verdict.disposition).toBe("DELIVERED");
  });

  it("another is dropped at the pod's node, and the policy is named", () => {
    const trace = told(world, "probe.shop", "10.96.0.20:80");
    expect(trace.verdict.disposition).toBe("DROPPED");
    expect(trace.verdict.host).toBe("n1");
    expect(trace.cause).toBe(
      "NetworkPolicy shop/api isolates pod shop/api, and no rule of it lets TCP 8080 in from pod shop/probe",
    );
    expect(trace.remedies[0]?.command).toContain("kubectl -n shop patch networkpolicy api --type=json");
  });

  it("another port is dropped too, and the pod's own node is let in", () => {
    expect(told(world, "web.shop", "10.244.1.5:22").verdict.disposition).toBe("DROPPED");
    expect(told(world, "n1", "10.244.1.5:8080").verdict.disposition).toBe("DELIVERED");
    expect(told(world, "n0", "10.244.1.5:8080").verdict.disposition).toBe("DROPPED");
  });

  it("other pods are reached, also from outside of the cluster's network", () => {
    expect(told(world, "api.shop", "10.244.0.5:8080").verdict.disposition).toBe("DELIVERED");
    expect(told(world, "probe.shop", "192.168.50.12:10250").verdict.disposition).toBe("DELIVERED");
  });

  it("what a rule was made from is told with it", () => {
    const [outcome] = told(world, "probe.shop", "10.244.1.5:8080").outcomes;
    const dropping = outcome?.rules.findLast(({ text }) => text.endsWith("-j DROP"));
    expect(dropping?.owner).toMatchObject({ kind: "NetworkPolicy", namespace: "shop", name: "api" });
    expect(dropping?.owner?.inferred).toBeUndefined();
  });
});

describe("Calico's own", () => {
  const world = yamlWorld(
    `${SHOP}${POOL("ipipMode: Never, natOutgoing: true")}---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: no-probes}
spec: {order: 1, selector: app == 'probe', types: [Egress], egress: [{action: Deny, protocol: TCP, destination: {ports: [8080]}}, {action: Allow}]}
`,
    { cni: "calico" },
  );

  it("a rule that denies is named", () => {
    const trace = told(world, "probe.shop", "10.96.0.20:80");
    expect(trace.verdict).toMatchObject({ disposition: "DROPPED", host: "n0" });
    expect(trace.cause).toBe(
      "GlobalNetworkPolicy no-probes (spec.egress[0]) denies pod shop/probe TCP 8080 out to pod shop/api",
    );
  });

  it("pods of a pool with natOutgoing leave under their node's address", () => {
    const client = [...world.cluster.world.hosts.values()].find(({ kind }) => kind === "external");
    const address = client?.name === undefined ? undefined : told(world, "web.shop", "192.168.50.1:80");
    const out = address?.outcomes[0]?.frames.find(({ host, device }) => host === "n0" && device === "eth0");
    expect(out?.ip.src).toBe("192.168.50.11");
  });
});

describe("what Felix is told", () => {
  const agent = (more: string) =>
    `---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: calico-node, namespace: kube-system}\nspec: {selector: {matchLabels: {k8s-app: calico-node}}, template: {metadata: {labels: {k8s-app: calico-node}}, spec: {hostNetwork: true, containers: [{name: calico-node, ${more}}]}}}\n`;
  const felix = (spec: string) =>
    `---\napiVersion: crd.projectcalico.org/v1\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {${spec}}\n`;
  const node = (text: string) => {
    const world = yamlWorld(SHOP + POOL("ipipMode: Never") + text, { cni: "calico" });
    return world.cluster.world.hosts.get("n0");
  };
  const chain = (name: string, text: string) =>
    (node(text)?.iptables?.tables.get("filter")?.chains.get(name)?.rules ?? []).map((rule) =>
      formatRuleArguments(rule).replace(/-m comment --comment "cali:[\w-]+" ?/, ""),
    );

  it("its version, by its image", () => {
    expect(chain("cali-FORWARD", agent("image: 'docker.io/calico/node:v3.26.4'"))[0]).toBe(
      "-j MARK --set-xmark 0x0/0xe0000",
    );
    expect(chain("cali-FORWARD", "")[0]).toBe("-j MARK --set-xmark 0x0/0x1a0000");
    const assumed = (text: string) =>
      yamlWorld(SHOP + text, { cni: "calico" }).cluster.assumptions.filter((one) => one.includes("Felix"));
    expect(assumed("")).toEqual([
      "Felix's rules are those of Calico 3.29: no image of calico-node says another",
    ]);
    expect(assumed(agent("image: 'calico/node:v3.26.4'"))).toEqual([]);
  });

  it("what becomes of packets from pods to their node", () => {
    expect(chain("cali-wl-to-host", felix("defaultEndpointToHostAction: Drop"))[1]).toBe(
      '-m comment --comment "Configured DefaultEndpointToHostAction" -j DROP',
    );
  });

  it("which ports of host endpoints are never closed", () => {
    const endpoint = `---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: n0}\nspec: {node: n0, interfaceName: eth0}\n`;
    expect(
      chain(
        "cali-failsafe-in",
        endpoint + felix("failsafeInboundHostPorts: [{protocol: tcp, port: 2022}, {protocol: udp, port: 9}]"),
      ),
    ).toEqual(["-p tcp -m multiport --dports 2022 -j ACCEPT", "-p udp -m multiport --dports 9 -j ACCEPT"]);
  });

  it("whether it minds IPv6", () => {
    expect(node("")?.ip6tables).toBeNull();
    for (const text of [felix("ipv6Support: true"), agent('env: [{name: FELIX_IPV6SUPPORT, value: "true"}]')])
      expect(node(text)?.ip6tables?.tables.get("filter")?.chains.has("cali-FORWARD")).toBe(true);
  });
});

describe("where nothing enforces policies", () => {
  it("they are named, with what they would have done", () => {
    const world = yamlWorld(SHOP + POLICY, { cni: "flannel" });
    expect(world.cluster.assumptions).toContain(
      "NetworkPolicy shop/api has no effect: flannel does not enforce it",
    );
    const trace = told(world, "probe.shop", "10.96.0.20:80");
    expect(trace.verdict.disposition).toBe("DELIVERED");
    expect(trace.assumptions).toContain(
      "no policy is enforced here: else it would not arrive, as NetworkPolicy shop/api isolates pod shop/api, and no rule of it lets TCP 8080 in from pod shop/probe",
    );
    expect(told(world, "web.shop", "10.96.0.20:80").assumptions.join()).not.toContain(
      "no policy is enforced",
    );
  });

  it("all of them", () => {
    const many = Array.from({ length: 7 }, (_, i) => POLICY.replace("name: api,", `name: p${i},`)).join("");
    expect(yamlWorld(SHOP + many, { cni: "bridge" }).cluster.assumptions).toContain(
      "NetworkPolicy shop/p0, NetworkPolicy shop/p1, NetworkPolicy shop/p2, NetworkPolicy shop/p3, NetworkPolicy shop/p4 and 2 more have no effect: bridge does not enforce them",
    );
  });
});
