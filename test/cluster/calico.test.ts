import { describe, expect, it } from "vitest";
import { formatIpv4 } from "../../src/address/ipv4.ts";
import { formatMac } from "../../src/address/mac.ts";
import { vtepMac, workloadDevice } from "../../src/cni/calico/names.ts";
import { isPool, readPool } from "../../src/cni/calico/pool.ts";
import { reconcileAll } from "../../src/control/reconcile-all.ts";
import { operationText } from "../../src/kernel/operation-text.ts";
import { settingsOf } from "../../src/source/detect.ts";
import type { SourceFlags } from "../../src/source/read-source.ts";
import { readSource } from "../../src/source/read-source.ts";
import { questionReach } from "../../src/walk/question-reach.ts";
import type { Outcome } from "../../src/walk/trace.ts";
import { nodes, yamlWorld } from "./yaml-world.ts";

const pool = (spec: string, name = "default-ipv4-ippool") =>
  `---\napiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;
const pod = (name: string, node: string, more = "") =>
  `---\napiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 80}]}]}\n${more}`;
const at = (address: string) => `status: {phase: Running, podIP: ${address}}\n`;
const affinity = (node: string, cidr: string) =>
  `---\napiVersion: crd.projectcalico.org/v1\nkind: BlockAffinity\nmetadata: {name: ${node}-${cidr.replaceAll(/[./]/g, "-")}}\nspec: {cidr: ${cidr}, node: ${node}, state: confirmed}\n`;

/** Two nodes on one wire, a third behind the gateway; each with a block, as in the facts of Calico. */
const THREE = nodes("192.168.50.11", "192.168.50.12", "192.168.60.13");
const BLOCKS =
  affinity("n0", "10.244.166.128/26") + affinity("n1", "10.244.104.0/26") + affinity("n2", "10.244.7.64/26");
const PODS =
  pod("a", "n0", at("10.244.166.130")) +
  pod("b", "n1", at("10.244.104.5")) +
  pod("c", "n2", at("10.244.7.66"));

type World = ReturnType<typeof yamlWorld>;

function routesOf(world: World, host: string): string[] {
  return (world.cluster.world.hosts.get(host)?.routes ?? [])
    .filter(({ table, protocol }) => table === "main" && protocol !== "kernel")
    .map((route) =>
      (operationText({ kind: "route-add", route })[0] ?? "")
        .replace("ip route add ", "")
        .replace(/ scope global| metric 0/g, ""),
    );
}

function devicesCrossed(world: World, from: string, to: string): string[] {
  return world.trace(from, to).outcomes[0]?.frames.map(({ host, device }) => `${host} ${device}`) ?? [];
}

function addresses(world: World, host: string, device: string): string[] {
  const found = world.cluster.world.hosts.get(host)?.addresses ?? [];
  return found
    .filter(({ dev }) => dev === device)
    .map(({ address, length }) => `${formatIpv4(address)}/${length}`);
}

describe("names are Calico's own hashes", () => {
  it("of a workload's device, and of a node's end of the VXLAN", () => {
    expect(workloadDevice("default", "nginx")).toBe("calic440f455693");
    expect(formatMac(vtepMac("node1", 4))).toBe("66:f9:37:c3:7e:94");
  });
});

describe("a pod's cable", () => {
  const world = yamlWorld(THREE + pool("cidr: 10.244.0.0/16, ipipMode: Always") + BLOCKS + PODS);

  it("is a /32 with one gateway that no device has", () => {
    expect(addresses(world, "a", "eth0")).toEqual(["10.244.166.130/32"]);
    expect(routesOf(world, "a")).toEqual([
      "169.254.1.1 dev eth0 scope link",
      "default via 169.254.1.1 dev eth0",
    ]);
    const node = world.cluster.world.hosts.get("n0");
    const device = workloadDevice("default", "a");
    const found = node?.devices.find(({ name }) => name === device);
    expect(found === undefined ? "" : formatMac(found.mac)).toBe("ee:ee:ee:ee:ee:ee");
    expect(found?.mtu).toBe(1480);
    expect(node?.sysctl.get(`net.ipv4.conf.${device}.proxy_arp`)).toBe("1");
    expect(node?.sysctl.get(`net.ipv4.conf.${device}.rp_filter`)).toBe("1");
    expect(routesOf(world, "n0")).toContain(`10.244.166.130 dev ${device} scope link`);
  });
});

describe("the way to other nodes' blocks", () => {
  const inMode = (spec: string, flags: SourceFlags = {}) =>
    yamlWorld(THREE + pool(`cidr: 10.244.0.0/16, ${spec}`) + BLOCKS + PODS, flags);
  const toOthers = (world: World) => routesOf(world, "n0").filter((line) => /\/26/.test(line));

  it.each([
    [
      "IPIP always",
      "ipipMode: Always",
      [
        "blackhole 10.244.166.128/26 proto bird",
        "10.244.104.0/26 via 192.168.50.12 dev tunl0 onlink proto bird",
        "10.244.7.64/26 via 192.168.60.13 dev tunl0 onlink proto bird",
      ],
    ],
    [
      "IPIP across subnets",
      "ipipMode: CrossSubnet",
      [
        "blackhole 10.244.166.128/26 proto bird",
        "10.244.104.0/26 via 192.168.50.12 dev eth0 proto bird",
        "10.244.7.64/26 via 192.168.60.13 dev tunl0 onlink proto bird",
      ],
    ],
    [
      "no encapsulation: nothing leads to a node on another wire",
      "ipipMode: Never",
      ["blackhole 10.244.166.128/26 proto bird", "10.244.104.0/26 via 192.168.50.12 dev eth0 proto bird"],
    ],
  ])("%s", (_name, spec, expected) => {
    expect(toOthers(inMode(spec)).sort()).toEqual([...expected].sort());
  });

  it("VXLAN, whose ends have addresses of their own", () => {
    const world = inMode("vxlanMode: CrossSubnet");
    const [end = ""] = addresses(world, "n2", "vxlan.calico");
    const to = end.split("/")[0] ?? "";
    expect(toOthers(world).sort()).toEqual(
      [
        "blackhole 10.244.166.128/26 proto 80",
        "10.244.104.0/26 via 192.168.50.12 dev eth0 onlink proto 80",
        `10.244.7.64/26 via ${to} dev vxlan.calico onlink`,
      ].sort(),
    );
    const node = world.cluster.world.hosts.get("n0");
    const mac = vtepMac("n2", 4);
    expect(node?.neighbours.filter(({ lladdr }) => lladdr === mac)).toHaveLength(1);
    expect(node?.fdb.find((entry) => entry.mac === mac)).toMatchObject({
      dev: "vxlan.calico",
      state: "permanent",
    });
    expect(node?.devices.find(({ name }) => name === "vxlan.calico")).toMatchObject({
      mtu: 1450,
      detail: { kind: "vxlan", vni: 4096, port: 4789, learning: false },
    });
  });

  it.each([
    ["ipipMode: Always", "n0 tunl0", true],
    ["ipipMode: CrossSubnet", "n0 tunl0", false],
    ["vxlanMode: Always", "n0 vxlan.calico", true],
    ["vxlanMode: CrossSubnet", "n0 vxlan.calico", false],
  ])("%s: a packet goes that way and is answered", (spec, tunnel, near) => {
    const world = inMode(spec);
    for (const [to, wraps] of [
      ["10.244.104.5", near],
      ["10.244.7.66", true],
    ] as const) {
      expect(world.trace("a", `${to}:80`).verdict.disposition).toBe("DELIVERED");
      expect(devicesCrossed(world, "a", `${to}:80`).includes(tunnel)).toBe(wraps);
    }
  });

  it("an address of an own block that no pod has ends in the blackhole", () => {
    const world = inMode("ipipMode: Always");
    const { verdict } = world.trace("b", "10.244.166.190:80");
    expect(verdict.disposition).not.toBe("DELIVERED");
    expect(verdict.reason).toBe("blackhole-route");
  });

  it("an address borrowed from another node's block has a route of its own", () => {
    const lent = pod("d", "n1", at("10.244.166.140"));
    const world = yamlWorld(THREE + pool("cidr: 10.244.0.0/16, ipipMode: Always") + BLOCKS + PODS + lent);
    expect(routesOf(world, "n0")).toContain("10.244.166.140 via 192.168.50.12 dev tunl0 onlink proto bird");
    expect(world.trace("c", "10.244.166.140:80").verdict.disposition).toBe("DELIVERED");
  });
});

describe("how far a question for a neighbour goes", () => {
  const pods = ["a", "b", "c"].map((name) => pod(name, "n0")).join("");
  const reach = (world: World, of: string) =>
    questionReach(world.trace("a", of).outcomes[0] as Outcome).map(({ devices, hosts }) => [devices, hosts]);

  it("on a bridge to every port and every pod, on Calico's cables to the other end alone", () => {
    const bridged = yamlWorld(THREE + pods, { cni: "flannel" });
    // The asker's port, the bridge, the two other pods, and the asker itself, as its port sends back (hairpin).
    expect(reach(bridged, "192.168.50.11:22")[0]).toEqual([5, 4]);
    expect(reach(yamlWorld(THREE + pods, { cni: "calico" }), "192.168.50.11:22")[0]).toEqual([1, 1]);
  });
});

describe("BGP", () => {
  const reflector = "projectcalico.org/RouteReflectorClusterID: 224.0.0.1";
  const withReflector = THREE.replace(
    "{name: n0}",
    `{name: n0, labels: {rr: "yes"}, annotations: {${reflector}}}`,
  );
  const noMesh = `---\napiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata: {name: default}\nspec: {nodeToNodeMeshEnabled: false}\n`;
  const peers = `---\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: to-rr}\nspec: {nodeSelector: all(), peerSelector: rr == 'yes'}\n`;
  const rest = pool("cidr: 10.244.0.0/16, ipipMode: Always") + BLOCKS + PODS;

  it("without the mesh and without peers nobody hears of anybody", () => {
    const world = yamlWorld(THREE + noMesh + rest);
    expect(routesOf(world, "n1").some((line) => line.includes("tunl0"))).toBe(false);
    expect(world.trace("b", "10.244.7.66:80").verdict.disposition).not.toBe("DELIVERED");
  });

  it("a reflector passes each one's routes on to the others, with the first one's next hop", () => {
    const world = yamlWorld(withReflector + noMesh + peers + rest);
    expect(routesOf(world, "n1")).toContain("10.244.7.64/26 via 192.168.60.13 dev tunl0 onlink proto bird");
    expect(world.trace("b", "10.244.7.66:80").verdict.disposition).toBe("DELIVERED");
  });

  it("reflectors of one cluster pass to each other nothing that they heard of each other", () => {
    const all = ["n0", "n1", "n2"].reduce(
      (text, name) =>
        text.replace(
          `{name: ${name}}`,
          `{name: ${name}, labels: {name: ${name}}, annotations: {${reflector}}}`,
        ),
      THREE,
    );
    const session = (a: string, b: string) =>
      `---\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: ${a}-${b}}\nspec: {node: ${a}, peerSelector: name == '${b}'}\n`;
    const world = yamlWorld(all + noMesh + session("n0", "n1") + session("n1", "n2") + rest);
    const hears = (node: string, block: string) =>
      routesOf(world, node).some((line) => line.startsWith(block));
    expect(hears("n1", "10.244.166.128/26")).toBe(true);
    expect(hears("n2", "10.244.104.0/26")).toBe(true);
    expect(hears("n2", "10.244.166.128/26")).toBe(false);
  });

  it("a node that is no reflector passes nothing on", () => {
    const world = yamlWorld(
      withReflector.replace(`, annotations: {${reflector}}`, "") + noMesh + peers + rest,
    );
    expect(routesOf(world, "n1").some((line) => line.startsWith("10.244.7.64"))).toBe(false);
    expect(routesOf(world, "n1").some((line) => line.startsWith("10.244.166.128"))).toBe(true);
  });
});

describe("IPAM", () => {
  it("a node's addresses come of its own block, its tunnel's first", () => {
    const world = yamlWorld(
      THREE + pool("cidr: 10.244.0.0/16, ipipMode: Always") + pod("a", "n0") + pod("b", "n0"),
    );
    const [tunnel = ""] = addresses(world, "n0", "tunl0");
    const numbers = ["a", "b"].map((name) => addresses(world, name, "eth0")[0] ?? "");
    const last = (text: string) => Number(/\.(\d+)\/32$/.exec(text)?.[1]);
    expect(last(tunnel) % 64).toBe(0);
    expect(numbers.map(last)).toEqual([last(tunnel) + 1, last(tunnel) + 2]);
  });

  it("blocks of different nodes do not overlap, and a full block is followed by another", () => {
    const many = Array.from({ length: 70 }, (_, i) => pod(`p${i}`, "n0")).join("");
    const world = yamlWorld(THREE + pool("cidr: 10.244.0.0/16, ipipMode: Always") + many);
    const all = Array.from({ length: 70 }, (_, i) => addresses(world, `p${i}`, "eth0")[0]);
    expect(new Set(all).size).toBe(70);
    expect(routesOf(world, "n0").filter((line) => line.startsWith("blackhole"))).toHaveLength(2);
    expect(routesOf(world, "n1").filter((line) => line.includes("via 192.168.50.11"))).toHaveLength(2);
  });

  it("a pool used up leaves the pod Pending with Calico's words, and others' last addresses are borrowed first", () => {
    const text = nodes("192.168.50.11", "192.168.50.12") + pool("cidr: 10.9.0.0/29, blockSize: 30");
    const many = Array.from({ length: 9 }, (_, i) => pod(`p${i}`, "n0")).join("");
    const source = readSource([{ name: "c.yaml", text: text + many }], {});
    expect(source.errors).toEqual([]);
    reconcileAll(source.objects, settingsOf(source.detected));
    const pods = source.objects.list("Pod");
    expect(pods.filter(({ status }) => status?.phase === "Running")).toHaveLength(8);
    expect(pods.find(({ status }) => status?.phase === "Pending")?.status?.message).toMatch(
      /^failed to request IPv4 addresses/,
    );
  });
});

describe("pools that cannot be", () => {
  const errorsOf = (text: string) => {
    const source = readSource([{ name: "c.yaml", text: THREE + text }], {});
    return [...source.errors, ...source.warnings]
      .map(({ field, message }) => `${field} ${message}`)
      .join("\n");
  };

  it.each([
    ["cidr: 10.244.0.0/33", "spec.cidr"],
    ["cidr: 10.244.0.0/16, blockSize: 12", "no length from 20 to 32"],
    ["cidr: 10.244.0.0/28, blockSize: 26", "do not fit"],
    ["cidr: 10.244.0.0/16, ipipMode: Sometimes", "none of Never, Always, CrossSubnet"],
    ["cidr: 10.244.0.0/16, ipipMode: Always, vxlanMode: Always", "not in both"],
  ])("%s", (spec, message) => {
    expect(errorsOf(pool(spec))).toContain(message);
    expect(isPool(readPool("p", { cidr: "10.0.0.0/16" }))).toBe(true);
  });

  it("two pools that overlap", () => {
    expect(errorsOf(pool("cidr: 10.244.0.0/16") + pool("cidr: 10.244.8.0/24", "other"))).toContain(
      "overlaps 10.244.0.0/16 of IPPool default-ipv4-ippool",
    );
  });

  it("a pool outside of the cluster's range is told", () => {
    const kubeadm =
      "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: kubeadm-config, namespace: kube-system}\ndata:\n  ClusterConfiguration: |\n    apiVersion: kubeadm.k8s.io/v1beta3\n    kind: ClusterConfiguration\n    networking: {podSubnet: 10.244.0.0/16}\n";
    expect(errorsOf(kubeadm + pool("cidr: 192.168.0.0/16"))).toContain("is outside 10.244.0.0/16");
  });
});

describe("canal", () => {
  it("flannel's network, Calico's cables, addresses of the podCIDR", () => {
    const world = yamlWorld(THREE + pod("a", "n0") + pod("b", "n1"), { cni: "canal" });
    const node = world.cluster.world.hosts.get("n0");
    expect(node?.devices.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["flannel.1", workloadDevice("default", "a")]),
    );
    expect(node?.devices.some(({ name }) => name === "tunl0" || name === "cni0")).toBe(false);
    const [b = ""] = addresses(world, "b", "eth0");
    expect(b).toMatch(/^10\.244\.1\.\d+\/32$/);
    expect(world.trace("a", `${b.split("/")[0]}:80`).verdict.disposition).toBe("DELIVERED");
  });
});
