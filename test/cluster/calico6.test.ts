import { describe, expect, it } from "vitest";
import { formatIp } from "../../src/address/ip.ts";
import { formatMac } from "../../src/address/mac.ts";
import { QUESTION_DEFAULTS, resolveQuestion } from "../../src/cli/question.ts";
import { vtepMac, workloadDevice } from "../../src/cni/calico/names.ts";
import type { Host } from "../../src/kernel/host.ts";
import { formatIpsetSave } from "../../src/kernel/ipset/save.ts";
import { formatIptablesSave } from "../../src/kernel/netfilter/save/format.ts";
import { operationText } from "../../src/kernel/operation-text.ts";
import { ASK_DEFAULTS, ask } from "../../src/walk/ask.ts";
import { Session } from "../../src/walk/session.ts";
import type { Trace } from "../../src/walk/trace.ts";
import { nodes, type YamlWorld, yamlWorld } from "./yaml-world.ts";

/** Calico over IPv6, alone and beside IPv4: pools, blocks, cables, routes, tunnels, Felix. */

const NODES6 = nodes(
  ["192.168.50.11", "fd00:50::11"],
  ["192.168.50.12", "fd00:50::12"],
  ["192.168.60.13", "fd00:60::13"],
);
const ONLY6 = nodes("fd00:50::11", "fd00:50::12", "fd00:60::13").replaceAll(
  /spec: \{podCIDR[^}]*\}/g,
  "spec: {}",
);
const pool = (name: string, spec: string) =>
  `---\napiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;
const POOL4 = pool("default-ipv4-ippool", "cidr: 10.244.0.0/16, vxlanMode: Always, natOutgoing: true");
const pool6 = (spec: string) => pool("default-ipv6-ippool", `cidr: "fd00:10:244::/64", ${spec}`);
const pod = (name: string, node: string, addresses: readonly string[] = []) =>
  `---\napiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, labels: {app: ${name}}}\nspec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 80}]}]}\n${
    addresses.length === 0
      ? ""
      : `status: {phase: Running, podIP: "${addresses[0]}", podIPs: [${addresses.map((ip) => `{ip: "${ip}"}`).join(", ")}]}\n`
  }`;
const affinity = (node: string, cidr: string) =>
  `---\napiVersion: crd.projectcalico.org/v1\nkind: BlockAffinity\nmetadata: {name: ${node}-${cidr.replaceAll(/[./:]/g, "-")}}\nspec: {cidr: "${cidr}", node: ${node}, state: confirmed}\n`;
const BLOCKS =
  affinity("n0", "fd00:10:244::a00/122") +
  affinity("n1", "fd00:10:244::b40/122") +
  affinity("n2", "fd00:10:244::c80/122");
const PODS =
  pod("a", "n0", ["fd00:10:244::a02"]) +
  pod("b", "n1", ["fd00:10:244::b42"]) +
  pod("c", "n2", ["fd00:10:244::c82"]);

function hostOf({ cluster }: YamlWorld, name: string): Host {
  const host = cluster.world.hosts.get(name);
  if (host === undefined) throw new Error(`no host ${name}`);
  return host;
}

function trace(
  { cluster, inventory, network }: YamlWorld,
  from: string,
  to: string,
  family: 4 | 6 | null = 6,
): Trace {
  const query = resolveQuestion(
    cluster.world,
    { ...QUESTION_DEFAULTS, id: "q", from, to, family },
    inventory,
  );
  if (query.kind === "invalid") throw new Error(query.messages.join("; "));
  return ask(new Session(network), query.value, ASK_DEFAULTS);
}

const crossed = (found: Trace) =>
  found.outcomes[0]?.frames.map(({ host, device }) => `${host} ${device}`) ?? [];

function routesOf(world: YamlWorld, host: string): string[] {
  return hostOf(world, host)
    .routes6.filter(({ table, protocol }) => table === "main" && protocol !== "kernel")
    .map((route) =>
      (operationText({ kind: "route-add", route })[0] ?? "")
        .replace(/ip (-6 )?route add /, "")
        .replace(/ scope global| metric 1024/g, ""),
    );
}

const addresses6 = (world: YamlWorld, host: string, device: string) =>
  hostOf(world, host)
    .addresses6.filter(({ dev, scope }) => dev === device && scope === "global")
    .map(({ address, length }) => `${formatIp(address)}/${length}`);

describe("a pod's cable", () => {
  const world = yamlWorld(NODES6 + POOL4 + pool6("vxlanMode: Never") + pod("a", "n0") + pod("b", "n1"));

  it("has an address of each family, and of each a gateway that the other end is", () => {
    const { podIPs = [] } = world.inventory.objects.get("Pod", "default/a")?.status ?? {};
    expect(podIPs).toHaveLength(2);
    expect(podIPs[1]?.ip).toMatch(/^fd00:10:244::/);
    expect(addresses6(world, "a", "eth0")).toEqual([`${podIPs[1]?.ip}/128`]);
    expect(routesOf(world, "a")).toEqual(["default via fe80::ecee:eeff:feee:eeee dev eth0"]);
    const device = workloadDevice("default", "a");
    expect(routesOf(world, "n0")).toContain(`${podIPs[1]?.ip} dev ${device}`);
    expect(hostOf(world, "n0").sysctl.get(`net.ipv6.conf.${device}.proxy_ndp`)).toBe("1");
    expect(hostOf(world, "n0").devices.find(({ name }) => name === device)?.mtu).toBe(1450);
  });

  it("reaches the other pod by both", () => {
    expect(trace(world, "a", "b", 6).verdict.disposition).toBe("DELIVERED");
    expect(trace(world, "a", "b", 4).verdict.disposition).toBe("DELIVERED");
    expect(crossed(trace(world, "a", "b", 4))).toContain("n0 vxlan.calico");
    expect(crossed(trace(world, "a", "b", 6))).not.toContain("n0 vxlan-v6.calico");
  });
});

describe.each([
  ["of both families", NODES6 + POOL4],
  ["of IPv6 alone", ONLY6],
])("the way to other nodes' blocks, in a cluster %s", (_name, base) => {
  const inMode = (spec: string) => yamlWorld(base + pool6(spec) + BLOCKS + PODS);
  const toOthers = (world: YamlWorld) =>
    routesOf(world, "n0")
      .filter((line) => /\/122/.test(line))
      .sort();

  it("without a tunnel: BIRD's routes to nodes on the wire", () => {
    expect(toOthers(inMode("vxlanMode: Never"))).toEqual([
      "blackhole fd00:10:244::a00/122 proto bird",
      "fd00:10:244::b40/122 via fd00:50::12 dev eth0 proto bird",
    ]);
  });

  it("VXLAN across subnets", () => {
    const world = inMode("vxlanMode: CrossSubnet");
    const [end = ""] = addresses6(world, "n2", "vxlan-v6.calico");
    expect(end).toBe("fd00:10:244::c80/128");
    expect(toOthers(world)).toEqual([
      "blackhole fd00:10:244::a00/122 proto 80",
      "fd00:10:244::b40/122 via fd00:50::12 dev eth0 onlink proto 80",
      "fd00:10:244::c80/122 via fd00:10:244::c80 dev vxlan-v6.calico onlink",
    ]);
    const node = hostOf(world, "n0");
    const mac = vtepMac("n2", 6);
    expect(node.neighbours6.filter(({ lladdr }) => lladdr === mac)).toMatchObject([
      { dev: "vxlan-v6.calico", state: "permanent" },
    ]);
    const entry = node.fdb.find((one) => one.mac === mac);
    expect(entry?.dst === null || entry === undefined ? "" : formatIp(entry.dst)).toBe("fd00:60::13");
    expect(node.devices.find(({ name }) => name === "vxlan-v6.calico")).toMatchObject({
      mtu: 1430,
      detail: { kind: "vxlan", vni: 4096, port: 4789, learning: false },
    });
  });

  it.each([
    ["vxlanMode: Always", true],
    ["vxlanMode: CrossSubnet", false],
  ])("%s: packets go that way and are answered", (spec, near) => {
    const world = inMode(spec);
    for (const [to, wraps] of [
      ["b", near],
      ["c", true],
    ] as const) {
      const found = trace(world, "a", to);
      expect(found.verdict.disposition).toBe("DELIVERED");
      expect(crossed(found).includes("n0 vxlan-v6.calico")).toBe(wraps);
    }
  });

  it("an address of an own block that no pod has ends in the blackhole", () => {
    const { verdict } = trace(inMode("vxlanMode: Always"), "b", "[fd00:10:244::a3e]:80");
    expect(verdict.reason).toBe("blackhole-route");
  });

  it("an address borrowed from another node's block has a route of its own", () => {
    const lent = pod("d", "n1", ["fd00:10:244::a0c"]);
    const world = yamlWorld(base + pool6("vxlanMode: CrossSubnet") + BLOCKS + PODS + lent);
    expect(routesOf(world, "n0")).toContain("fd00:10:244::a0c via fd00:50::12 dev eth0 onlink proto 80");
    expect(trace(world, "c", "[fd00:10:244::a0c]:80").verdict.disposition).toBe("DELIVERED");
  });
});

describe("BGP", () => {
  const base = NODES6 + POOL4 + pool6("vxlanMode: Never") + BLOCKS + PODS;
  const noMesh =
    "---\napiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata: {name: default}\nspec: {nodeToNodeMeshEnabled: false}\n";
  const peer = (address: string) =>
    `---\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: p}\nspec: {node: n0, peerIP: "${address}"}\n`;
  const hears = (text: string) =>
    routesOf(yamlWorld(base + noMesh + text), "n0").some((line) => line.startsWith("fd00:10:244::b40/122"));

  it("has sessions of its own: a peer's IPv4 address is of no use to IPv6", () => {
    expect(hears("")).toBe(false);
    expect(hears(peer("192.168.50.12"))).toBe(false);
    expect(hears(peer("fd00:50::12"))).toBe(true);
    expect(hears(peer("[fd00:50::12]:179"))).toBe(true);
  });

  it("keeps the blocks of a pool that is not to be exported", () => {
    const hidden = yamlWorld(
      NODES6 + POOL4 + pool6("vxlanMode: Never, disableBGPExport: true") + BLOCKS + PODS,
    );
    expect(routesOf(hidden, "n0").filter((line) => line.includes("/122"))).toEqual([
      "blackhole fd00:10:244::a00/122 proto bird",
    ]);
  });
});

describe("MTUs", () => {
  it("are those that Felix is told, and a pod's is the smallest", () => {
    const told =
      "---\napiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {vxlanMTU: 1400, vxlanMTUV6: 1350}\n";
    const world = yamlWorld(NODES6 + POOL4 + pool6("vxlanMode: Always") + BLOCKS + PODS + told);
    const mtu = (device: string) => hostOf(world, "n0").devices.find(({ name }) => name === device)?.mtu;
    expect(mtu("vxlan.calico")).toBe(1400);
    expect(mtu("vxlan-v6.calico")).toBe(1350);
    expect(mtu(workloadDevice("default", "a"))).toBe(1350);
  });
});

describe("names", () => {
  it("the end of a node's VXLAN of IPv6 has a hash of its own", () => {
    // sha1 of `node1-v6`, by sha1sum(1).
    expect(formatMac(vtepMac("node1", 6))).toBe("66:0f:35:f2:60:df");
  });
});

describe("natOutgoing", () => {
  const world = (nat: boolean) =>
    yamlWorld(NODES6 + POOL4 + pool6(`natOutgoing: ${nat}, vxlanMode: Never`) + BLOCKS + PODS);
  const rules = (made: YamlWorld, family: 4 | 6) => {
    const ruleset = family === 4 ? hostOf(made, "n0").iptables : hostOf(made, "n0").ip6tables;
    return ruleset === null ? "" : formatIptablesSave(ruleset);
  };

  it("is of each family's own sets and chains", () => {
    const with6 = world(true);
    expect(rules(with6, 6)).toContain(
      "--match-set cali60masq-ipam-pools src -m set ! --match-set cali60all-ipam-pools dst -j MASQUERADE",
    );
    const sets = formatIpsetSave(hostOf(with6, "n0").ipsets ?? []);
    expect(sets).toContain("create cali60masq-ipam-pools hash:net family inet6");
    expect(sets).toContain("add cali60masq-ipam-pools fd00:10:244::/64");
    expect(sets).not.toContain("add cali40masq-ipam-pools fd00");
    expect(rules(world(false), 6)).not.toContain("masq-ipam-pools");
    expect(rules(world(false), 4)).toContain("cali40masq-ipam-pools");
  });

  it("hides a pod from what is of no pool, and only then", () => {
    const sourceAt = (made: YamlWorld) => {
      const { outcomes } = trace(made, "a", "[fd00:50::12]:22");
      return outcomes[0]?.server?.peer.address;
    };
    expect(sourceAt(world(true))).toBe("fd00:50::11");
    expect(sourceAt(world(false))).toBe("fd00:10:244::a02");
  });
});

describe("Felix", () => {
  const DENY = `---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: b}\nspec: {podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: {matchLabels: {app: c}}}]}]}\n`;

  it("judges over IPv6 as over IPv4, tunnels among them", () => {
    const world = yamlWorld(NODES6 + POOL4 + pool6("vxlanMode: Always") + BLOCKS + PODS + DENY);
    expect(trace(world, "c", "b").verdict.disposition).toBe("DELIVERED");
    const { verdict } = trace(world, "a", "b");
    expect([verdict.disposition, verdict.reason]).toEqual(["DROPPED", "rule-drop"]);
    const text = formatIptablesSave(hostOf(world, "n0").ip6tables ?? { backend: "nft", tables: new Map() });
    expect(text).toContain("Allow IPv6 VXLAN packets from allowed hosts");
    expect(text).toContain("-A cali-POSTROUTING -o vxlan-v6.calico");
    expect(text).toContain("--icmpv6-type 135");
    expect(text).not.toContain("cali40");
  });

  it("writes nothing of IPv6 where it is told not to", () => {
    const off = `---\napiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {ipv6Support: false}\n`;
    const world = yamlWorld(NODES6 + POOL4 + pool6("vxlanMode: Never") + BLOCKS + PODS + DENY + off);
    expect(
      formatIptablesSave(hostOf(world, "n1").ip6tables ?? { backend: "nft", tables: new Map() }),
    ).not.toContain("cali-");
    expect(trace(world, "a", "b").verdict.disposition).toBe("DELIVERED");
  });
});
