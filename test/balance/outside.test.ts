import { describe, expect, it } from "vitest";
import { formatIp, parseIp } from "../../src/address/ip.ts";
import { outsideAddresses, waitingForAddress } from "../../src/balance/service-addresses.ts";
import type { Service } from "../../src/object/kubernetes-object.ts";
import { PROXY_MODES } from "../../src/proxy/configuration.ts";
import { nodes, yamlWorld } from "../cluster/yaml-world.ts";

const NODES = nodes("192.168.50.10", "192.168.50.11", "192.168.60.12");
const PODS = ["n0", "n2"]
  .map(
    (node, i) =>
      `---\napiVersion: v1\nkind: Pod\nmetadata: {name: web${i}, labels: {app: web}}\nspec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 8080}]}]}\n`,
  )
  .join("");
const service = (spec: string, status = "") =>
  `---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: default}\nspec: {clusterIP: 10.96.0.50, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}], ${spec}}\n${status}`;
const given = (...entries: string[]) => `status: {loadBalancer: {ingress: [${entries.join(", ")}]}}\n`;

function nodesEntered(trace: ReturnType<ReturnType<typeof yamlWorld>["trace"]>): string[] {
  const first = trace.outcomes.flatMap(({ frames }) =>
    frames
      .filter(({ host, direction, device }) => /^n\d$/.test(host) && direction === "in" && device === "eth0")
      .slice(0, 1),
  );
  return [...new Set(first.map(({ host }) => host))].sort();
}

describe("a load balancer's address, packets unchanged (ipMode VIP)", () => {
  it.each(["198.51.100.7", "203.0.113.50", "192.168.50.200"])(
    "%s: a client outside gets in by any node, to any pod, and is answered",
    (address) => {
      const world = yamlWorld(NODES + PODS + service("type: LoadBalancer", given(`{ip: ${address}}`)));
      const trace = world.trace("internet", `${address}:80`);
      expect(trace.verdict.disposition).toBe("DELIVERED");
      expect(nodesEntered(trace)).toEqual(["n0", "n1", "n2"]);
      const shares = new Map<string, number>();
      for (const { servers, probability } of trace.outcomes) {
        const host = servers[0]?.host ?? "";
        shares.set(host, (shares.get(host) ?? 0) + Number(probability?.num) / Number(probability?.den));
      }
      expect([...shares].map(([host, share]) => [host, share.toFixed(3)]).sort()).toEqual([
        ["web0", "0.500"],
        ["web1", "0.500"],
      ]);
      expect(world.cluster.assumptions.join("\n")).toContain(
        `${address} of Service default/web: the gateway routes it to 3 nodes`,
      );
    },
  );

  it("externalTrafficPolicy Local: only by nodes with endpoints, which see the client's own address", () => {
    const world = yamlWorld(
      NODES + PODS + service("type: LoadBalancer, externalTrafficPolicy: Local", given("{ip: 198.51.100.7}")),
    );
    const trace = world.trace("internet", "198.51.100.7:80");
    expect(trace.verdict.disposition).toBe("DELIVERED");
    expect(nodesEntered(trace)).toEqual(["n0", "n2"]);
    expect(trace.outcomes.map(({ servers }) => servers[0]?.peer.address)).toEqual([
      "203.0.113.10",
      "203.0.113.10",
    ]);
    expect(world.cluster.assumptions.join("\n")).toContain("2 nodes with endpoints");
  });

  it("without any endpoint nobody takes it", () => {
    const world = yamlWorld(
      NODES + service("type: LoadBalancer, externalTrafficPolicy: Local", given("{ip: 198.51.100.7}")),
    );
    expect(world.trace("internet", "198.51.100.7:80").verdict.disposition).toBe("UNREACHABLE");
  });
});

it("externalIPs are brought to the nodes as well; one that is a node's own is left to it", () => {
  const world = yamlWorld(NODES + PODS + service("externalIPs: [198.51.100.9, 192.168.50.11]"));
  expect(nodesEntered(world.trace("internet", "198.51.100.9:80"))).toEqual(["n0", "n1", "n2"]);
  const own = world.trace("internet", "192.168.50.11:80");
  expect([own.verdict.disposition, nodesEntered(own)]).toEqual(["DELIVERED", ["n1"]]);
});

it("a balancer that speaks for itself (ipMode Proxy) goes to node ports, and the client's address is lost", () => {
  const world = yamlWorld(
    NODES + PODS + service("type: LoadBalancer", given("{ip: 198.51.100.7, ipMode: Proxy}")),
  );
  const trace = world.trace("internet", "198.51.100.7:80");
  expect(trace.verdict.disposition).toBe("DELIVERED");
  expect(nodesEntered(trace)).toEqual(["n0", "n1", "n2"]);
  for (const { rewrites, servers } of trace.outcomes) {
    expect(rewrites.some(({ host, to }) => host === "gateway" && to.endsWith(":30080"))).toBe(true);
    expect(servers[0]?.peer.address).not.toBe("203.0.113.10");
  }
  // A pod of the cluster takes the same way: kube-proxy leaves such an address alone.
  expect(
    world
      .trace("web0", "198.51.100.7:80")
      .outcomes.every(({ frames }) => frames.some(({ host }) => host === "gateway")),
  ).toBe(true);
});

it("one that waits for its address is said to wait; what has a name only waits for nothing", () => {
  const waiting = yamlWorld(NODES + PODS + service("type: LoadBalancer"));
  expect(waiting.cluster.assumptions.join("\n")).toContain(
    "Service default/web: no load balancer has given an address yet",
  );
  const named = yamlWorld(NODES + PODS + service("type: LoadBalancer", given("{hostname: lb.example}")));
  expect(named.cluster.assumptions.join("\n")).not.toContain("no load balancer");
});

it("an address that two Services claim is the first one's", () => {
  const make = (name: string, spec: object, ingress: object[] = []): Service =>
    ({
      ...{ apiVersion: "v1", kind: "Service", metadata: { name }, spec },
      ...{ status: { loadBalancer: { ingress } }, place: { file: "a", document: 1, line: 1, by: null } },
    }) as Service;
  const services = [
    make("a", { externalIPs: ["198.51.100.1", "fd00::1", "10.0.0.1"] }),
    make("b", { externalIPs: ["198.51.100.1"] }, [{ ip: "198.51.100.2" }]),
  ];
  const found = outsideAddresses(services, (address) => address === parseIp("10.0.0.1"));
  expect(found.map(({ address, service: { metadata } }) => `${formatIp(address)} ${metadata.name}`)).toEqual([
    "198.51.100.1 a",
    "fd00::1 a",
    "198.51.100.2 b",
  ]);
  expect(waitingForAddress([make("c", { type: "LoadBalancer" })])).toHaveLength(1);
});

describe("addresses of IPv6", () => {
  const dual = [1, 2]
    .map((n) => `---\napiVersion: v1\nkind: Node\nmetadata: {name: n${n}}\n`)
    .concat(
      '---\n{apiVersion: kubeadm.k8s.io/v1beta3, kind: ClusterConfiguration, networking: {podSubnet: "10.244.0.0/16,fd00:10:244::/56", serviceSubnet: "10.96.0.0/16,fd00:10:96::/112"}}\n',
      "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web0, labels: {app: web}}\nspec: {nodeName: n2, containers: [{name: c, ports: [{containerPort: 8080}]}]}\n",
    )
    .join("");
  const both = (spec: string, status = "") =>
    `---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: LoadBalancer, ipFamilyPolicy: RequireDualStack, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}], ${spec}}\n${status}`;
  const CLIENT = "2001:db8:203:113::10";
  const seen = (trace: ReturnType<ReturnType<typeof yamlWorld>["trace"]>): string[] => [
    ...new Set(trace.outcomes.map(({ servers: [server] }) => server?.peer.address ?? "none")),
  ];

  describe.each(PROXY_MODES)("mode %s", (proxyMode) => {
    // One is of the client's own network, where the gateway must answer for it.
    it.each(["2001:db8:100::7", "2001:db8:203:113::50"])("%s gets in by any node", (address) => {
      const world = yamlWorld(dual + both("", given("{ip: 198.51.100.7}", `{ip: "${address}"}`)), {
        proxyMode,
      });
      const trace = world.trace("internet", `[${address}]:80`);
      expect(trace.verdict.disposition).toBe("DELIVERED");
      expect(nodesEntered(trace)).toEqual(["n1", "n2"]);
      expect(seen(trace)).not.toContain(CLIENT);
      expect(world.cluster.assumptions.join("\n")).toContain(
        `${address} of Service default/web: the gateway routes it to 2 nodes`,
      );
    });

    it("externalTrafficPolicy Local: only by nodes with endpoints, which see the client", () => {
      const world = yamlWorld(dual + both("externalTrafficPolicy: Local", given('{ip: "2001:db8:100::7"}')), {
        proxyMode,
      });
      const trace = world.trace("internet", "[2001:db8:100::7]:80");
      expect([trace.verdict.disposition, nodesEntered(trace), seen(trace)]).toEqual([
        "DELIVERED",
        ["n2"],
        [CLIENT],
      ]);
    });

    it("every node answers at the port by which balancers look for endpoints", () => {
      const world = yamlWorld(dual + both("externalTrafficPolicy: Local, healthCheckNodePort: 32100"), {
        proxyMode,
      });
      for (const to of ["172.18.0.2", "172.18.0.3", "[fc00:f853:ccd:e793::2]", "[fc00:f853:ccd:e793::3]"])
        expect([to, world.trace("internet", `${to}:32100`).verdict.disposition]).toEqual([to, "DELIVERED"]);
    });

    it("source ranges are each family's own", () => {
      const ingress = given("{ip: 198.51.100.7}", '{ip: "2001:db8:100::7"}');
      const ask = (ranges: string, to: string) =>
        yamlWorld(dual + both(`loadBalancerSourceRanges: [${ranges}]`, ingress), { proxyMode }).trace(
          "internet",
          to,
        ).verdict.disposition;
      const six = "[2001:db8:100::7]:80";
      const four = "198.51.100.7:80";
      expect(ask('203.0.113.0/24, "2001:db8:203::/48"', six)).toBe("DELIVERED");
      expect(ask('203.0.113.0/24, "2001:db8:999::/48"', six)).toBe("DROPPED");
      expect(ask('203.0.113.0/24, "2001:db8:999::/48"', four)).toBe("DELIVERED");
      // With ranges of IPv4 alone there are none of IPv6, and all may come.
      expect(ask("203.0.113.0/24", six)).toBe("DELIVERED");
    });

    it("a balancer that speaks for itself goes to node ports", () => {
      const world = yamlWorld(dual + both("", given('{ip: "2001:db8:100::7", ipMode: Proxy}')), {
        proxyMode,
      });
      const trace = world.trace("internet", "[2001:db8:100::7]:80");
      expect(trace.verdict.disposition).toBe("DELIVERED");
      expect(nodesEntered(trace)).toEqual(["n1", "n2"]);
      for (const { rewrites } of trace.outcomes)
        expect(rewrites.some(({ host, to }) => host === "gateway" && to.endsWith("]:30080"))).toBe(true);
    });

    it("externalIPs, from outside and from a pod", () => {
      const world = yamlWorld(dual + both('externalIPs: ["2001:db8:9::9", 192.0.2.9]'), { proxyMode });
      for (const to of ["[2001:db8:9::9]:80", "192.0.2.9:80"]) {
        expect([to, world.trace("internet", to).verdict.disposition]).toEqual([to, "DELIVERED"]);
        expect([to, world.trace("web0", to).verdict.disposition]).toEqual([to, "DELIVERED"]);
      }
    });
  });
});
