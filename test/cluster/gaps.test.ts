import { describe, expect, it } from "vitest";
import { formatIpv4 } from "../../src/address/ipv4.ts";
import { formatIpv6 } from "../../src/address/ipv6.ts";
import { nodes, yamlWorld } from "./yaml-world.ts";

const pod = (name: string, node: string, containers: string, more = "") =>
  `---\napiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, labels: {app: ${name}}}\nspec: {nodeName: ${node}, ${more}containers: [${containers}]}\n`;
const listens = (port: number) => `{name: c${port}, ports: [{containerPort: ${port}}]}`;
const TWO = nodes("192.168.50.10", "192.168.50.11");

function addressOf(world: ReturnType<typeof yamlWorld>, host: string): string {
  const found = world.cluster.world.hosts.get(host)?.addresses.find(({ dev }) => dev === "eth0");
  return formatIpv4(found?.address ?? 0);
}

describe("net-conf.json", () => {
  const netConf = (backend: string) =>
    `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-flannel-cfg, namespace: kube-flannel}\ndata:\n  net-conf.json: |\n    {"Network": "10.244.0.0/16", "Backend": ${backend}}\n`;
  const pods = pod("a", "n0", listens(80)) + pod("b", "n1", listens(80));
  const devicesOf = (world: ReturnType<typeof yamlWorld>) =>
    world.trace("a", `${addressOf(world, "b")}:80`).outcomes[0]?.frames.map(({ device }) => device) ?? [];

  it("VXLAN with a VNI, a port and an MTU of its own", () => {
    const world = yamlWorld(TWO + netConf('{"Type": "vxlan", "VNI": 7, "Port": 4789, "MTU": 1400}') + pods);
    const tunnel = world.cluster.world.hosts.get("n0")?.devices.find(({ name }) => name === "flannel.7");
    expect(tunnel).toMatchObject({ mtu: 1350, detail: { kind: "vxlan", vni: 7, port: 4789 } });
    expect(world.cluster.world.hosts.get("a")?.devices.find(({ name }) => name === "eth0")?.mtu).toBe(1350);
    expect(world.trace("a", `${addressOf(world, "b")}:80`).verdict.disposition).toBe("DELIVERED");
    expect(devicesOf(world)).toContain("flannel.7");
  });

  it("DirectRouting goes without the tunnel on one wire, and with it to another network", () => {
    const backend = netConf('{"Type": "vxlan", "DirectRouting": true}');
    expect(devicesOf(yamlWorld(TWO + backend + pods))).not.toContain("flannel.1");
    const apart = yamlWorld(nodes("192.168.50.10", "192.168.60.11") + backend + pods);
    expect(devicesOf(apart)).toContain("flannel.1");
    expect(apart.trace("a", `${addressOf(apart, "b")}:80`).verdict.disposition).toBe("DELIVERED");
  });

  it("udp: a daemon on each node carries the packets, and counts as a hop", () => {
    const world = yamlWorld(TWO + netConf('{"Type": "udp"}') + pods);
    const n0 = world.cluster.world.hosts.get("n0");
    expect(n0?.devices.find(({ name }) => name === "flannel0")).toMatchObject({ mtu: 1472, noArp: true });
    expect(world.cluster.world.hosts.get("a")?.devices.find(({ name }) => name === "eth0")?.mtu).toBe(1472);
    const { verdict, outcomes } = world.trace("a", `${addressOf(world, "b")}:80`);
    expect(verdict.disposition).toBe("DELIVERED");
    const [{ frames = [], steps = [] } = {}] = outcomes;
    const request = frames.filter(({ packet }) => packet === 1);
    expect(
      request.map(({ host, device, ip, udp, inner }) =>
        [host, device, ip.ttl, udp?.dport, inner?.ip.ttl].filter((part) => part !== undefined).join(" "),
      ),
    ).toEqual([
      "a eth0 64",
      expect.stringMatching(/^n0 veth\w+ 64$/),
      "n0 cni0 64",
      "n0 flannel0 63",
      "n0 eth0 64 8285 62",
      ...request.slice(5, -5).map(() => expect.stringMatching(/^\S+ \S+ 64 8285 62$/)),
      "n1 eth0 64 8285 62",
      "n1 flannel0 61",
      "n1 cni0 60",
      expect.stringMatching(/^n1 veth\w+ 60$/),
      "b eth0 60",
    ]);
    expect(
      steps.filter(({ kind, packet }) => kind === "user-space" && packet === 1).map(({ text }) => text),
    ).toEqual([
      "the daemon takes it from flannel0 and sends it to 192.168.50.11:8285",
      "the daemon puts what 192.168.50.10:8285 sent into flannel0",
    ]);
    // nobody's subnet: the daemon itself says so
    const nobody = world.trace("a", "10.244.9.9:80");
    expect(nobody.verdict).toMatchObject({ disposition: "UNREACHABLE", reason: "no-tun-peer" });
    // what the two daemons and the two nodes take from the TTL
    expect(world.trace("a", `${addressOf(world, "b")}:80`, { ttl: 4 }).verdict.disposition).toBe(
      "TTL_EXCEEDED",
    );
    expect(world.trace("a", `${addressOf(world, "b")}:80`, { ttl: 5 }).verdict.disposition).toBe("DELIVERED");
  });

  it("host-gw reaches a node on the same wire, and none behind the gateway, and says so", () => {
    const near = yamlWorld(TWO + netConf('{"Type": "host-gw"}') + pods);
    expect(near.trace("a", `${addressOf(near, "b")}:80`).verdict.disposition).toBe("DELIVERED");
    expect(near.cluster.world.hosts.get("n0")?.devices.some(({ name }) => name.startsWith("flannel"))).toBe(
      false,
    );
    const far = yamlWorld(nodes("192.168.50.10", "192.168.60.11") + netConf('{"Type": "host-gw"}') + pods);
    expect(far.trace("a", `${addressOf(far, "b")}:80`).verdict.disposition).toBe("UNREACHABLE");
    expect(far.cluster.assumptions.join("\n")).toContain("host-gw between 2 networks");
  });
});

describe("docker0", () => {
  const pods = pod("a", "n0", listens(80)) + pod("a2", "n0", listens(80)) + pod("b", "n1", listens(80));
  const world = yamlWorld(TWO + pods, { cni: "docker0" });

  it("pods of one node meet on its bridge, behind docker's chains", () => {
    const node = world.cluster.world.hosts.get("n0");
    expect(
      node?.addresses.filter(({ dev }) => dev === "docker0").map(({ address }) => formatIpv4(address)),
    ).toEqual(["10.244.0.1"]);
    expect(node?.iptables?.tables.get("nat")?.chains.has("DOCKER")).toBe(true);
    const ports = node?.devices.filter(({ master }) => master === "docker0") ?? [];
    expect(ports.map(({ port }) => port?.hairpin)).toEqual([true, true]);
    expect(world.trace("a", `${addressOf(world, "a2")}:80`).verdict.disposition).toBe("DELIVERED");
  });

  it("nothing leads to the pods of another node; with flannel's document it does", () => {
    expect(world.trace("a", `${addressOf(world, "b")}:80`).verdict.disposition).toBe("UNREACHABLE");
    const netConf = `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: f, namespace: kube-system}\ndata: {net-conf.json: '{"Network": "10.244.0.0/16", "Backend": {"Type": "host-gw"}}'}\n`;
    const joined = yamlWorld(TWO + netConf + pods, { cni: "docker0" });
    expect(joined.trace("a", `${addressOf(joined, "b")}:80`).verdict.disposition).toBe("DELIVERED");
  });
});

describe("pods of one node", () => {
  it("two hundred of them, each at port 80, each by itself", () => {
    const many = Array.from({ length: 200 }, (_, i) => pod(`p${i}`, "n0", listens(80))).join("");
    const world = yamlWorld(TWO + many);
    const node = world.cluster.world.hosts.get("n0");
    expect(node?.devices.filter(({ master }) => master === "cni0")).toHaveLength(200);
    for (const name of ["p1", "p77", "p199"]) {
      const { verdict, outcomes } = world.trace("p0", `${addressOf(world, name)}:80`);
      expect([verdict.disposition, outcomes[0]?.servers[0]?.host]).toEqual(["DELIVERED", name]);
    }
  });

  it("containers of a pod meet on its loopback, told apart by their ports", () => {
    const world = yamlWorld(TWO + pod("both", "n0", `${listens(8080)}, ${listens(9090)}`));
    for (const port of [8080, 9090]) {
      const { verdict, outcomes } = world.trace("both", `127.0.0.1:${port}`);
      expect([verdict.disposition, outcomes[0]?.servers[0]?.host]).toEqual(["DELIVERED", "both"]);
      expect(outcomes[0]?.frames.every(({ device }) => device === "lo")).toBe(true);
    }
    expect(world.trace("both", "127.0.0.1:7070").verdict.disposition).toBe("REFUSED");
  });

  it("one of the node's network is the node, and its ports are the node's", () => {
    const world = yamlWorld(
      TWO + pod("agent", "n1", listens(9100), "hostNetwork: true, ") + pod("a", "n0", listens(80)),
    );
    expect(world.cluster.hostOfPod.get("default/agent")).toBe("n1");
    expect(world.trace("a", "192.168.50.11:9100").outcomes[0]?.servers[0]?.host).toBe("n1");
    expect(world.trace("a", "192.168.50.10:9100").verdict.disposition).toBe("REFUSED");
  });

  it("a hostPort leads from the node to the pod", () => {
    const world = yamlWorld(
      TWO +
        pod("web", "n1", "{name: c, ports: [{containerPort: 80, hostPort: 8088}]}") +
        pod("a", "n0", listens(80)),
    );
    expect(world.trace("internet", "192.168.50.11:8088").outcomes[0]?.servers[0]?.host).toBe("web");
    expect(world.trace("internet", "192.168.50.10:8088").verdict.disposition).toBe("REFUSED");
  });
});

it("every InternalIP of a Node is an address of its eth0, and answers from a pod elsewhere", () => {
  const world = yamlWorld(
    nodes(["192.168.50.10", "192.168.50.20", "172.20.0.10", "fd00::10"], "192.168.50.11") +
      pod("b", "n1", listens(80)),
  );
  const node = world.cluster.world.hosts.get("n0");
  expect(
    node?.addresses
      .filter(({ dev }) => dev === "eth0")
      .map(({ address, length }) => `${formatIpv4(address)}/${length}`),
  ).toEqual(["192.168.50.10/24", "192.168.50.20/24", "172.20.0.10/32"]);
  expect(
    node?.addresses6.filter(({ scope }) => scope === "global").map(({ address }) => formatIpv6(address)),
  ).toEqual(["fd00::10"]);
  for (const address of ["192.168.50.10", "192.168.50.20", "172.20.0.10"]) {
    const { verdict, outcomes } = world.trace("b", `${address}:22`);
    expect([address, verdict.disposition, outcomes[0]?.servers[0]?.host]).toEqual([
      address,
      "DELIVERED",
      "n0",
    ]);
  }
});

describe("endpoints that only an EndpointSlice names", () => {
  const service = (name: string, ip: string, endpoints: string, port = 8080) =>
    `---\napiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {clusterIP: ${ip}, ports: [{port: 80, targetPort: ${port}}]}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: ${name}-1, labels: {kubernetes.io/service-name: ${name}}}\naddressType: IPv4\nports: [{name: "", port: ${port}}]\nendpoints: [${endpoints}]\n`;
  const slices =
    service("here", "10.96.0.11", "{addresses: [10.244.0.7], nodeName: n0}") +
    service(
      "there",
      "10.96.0.12",
      "{addresses: [10.244.1.7], nodeName: n1}, {addresses: [10.244.1.8], nodeName: n1}",
    ) +
    service("beyond", "10.96.0.13", "{addresses: [10.9.9.9]}") +
    service("own", "10.96.0.14", "{addresses: [192.168.50.11], nodeName: n1}", 6443);

  it.each([["flannel" as const], ["bridge" as const]])(
    "%s: rules are programmed, and packets leave the model",
    (cni) => {
      const world = yamlWorld(TWO + slices, { cni });
      for (const address of ["10.96.0.11", "10.96.0.12", "10.96.0.13"]) {
        const { verdict, outcomes } = world.trace("n0", `${address}:80`);
        expect([address, verdict.disposition, verdict.reason]).toEqual([address, "UNKNOWN", "left-model"]);
        expect(outcomes[0]?.rewrites.some(({ field }) => field === "dst")).toBe(true);
      }
      expect(world.trace("n0", "10.96.0.12:80").outcomes.map(({ probability }) => probability?.den)).toEqual([
        2, 2,
      ]);
      expect(world.trace("n0", "10.96.0.14:80").outcomes[0]?.servers[0]?.host).toBe("n1");
      expect(world.cluster.assumptions.join("\n")).toContain("only an EndpointSlice names");
    },
  );

  it("a pod that is there is no such endpoint", () => {
    const world = yamlWorld(
      TWO +
        service("real", "10.96.0.15", "{addresses: [10.244.1.2], nodeName: n1}") +
        pod("b", "n1", listens(8080)),
    );
    expect(world.trace("n0", "10.96.0.15:80").outcomes[0]?.servers[0]?.host).toBe("b");
    expect(world.cluster.assumptions.join("\n")).not.toContain("only an EndpointSlice names");
  });
});
