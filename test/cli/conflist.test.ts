import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { hopscope } from "./cli.ts";

/** A user's own folder of conflists as a source: what it makes of a cluster, and what is said of a bad one. */

const folder = mkdtempSync(join(tmpdir(), "hopscope-conflist-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const CLUSTER = file(
  "cluster.yaml",
  [
    ...[0, 1].map(
      (i) =>
        `{apiVersion: v1, kind: Node, metadata: {name: n${i}}, spec: {podCIDR: 10.22.${i}.0/24}, status: {addresses: [{type: InternalIP, address: 192.168.50.1${i}}]}}`,
    ),
    ...["a", "b"].map(
      (name) =>
        `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, annotations: {k8s.v1.cni.cncf.io/networks: "macnet, other"}}, spec: {nodeName: n0, containers: [{name: c, ports: [{containerPort: 80}]}]}}`,
    ),
    `{apiVersion: k8s.cni.cncf.io/v1, kind: NetworkAttachmentDefinition, metadata: {name: macnet}, spec: {config: '{"type":"macvlan"}'}}`,
  ].join("\n---\n"),
);

const list = (plugins: readonly unknown[], more: object = {}): string =>
  JSON.stringify({ cniVersion: "1.0.0", name: "mine", plugins, ...more }, null, 2);
const HOST_LOCAL = { type: "host-local", ranges: [[{ subnet: "10.99.0.0/24" }]] };
const BRIDGE = { type: "bridge", bridge: "mybr", isGateway: true, mtu: 1400, ipam: HOST_LOCAL };

async function traced(conflist: string): Promise<Awaited<ReturnType<typeof hopscope>>> {
  return hopscope(["trace", "-f", CLUSTER, "-f", file("10-mine.conflist", conflist), "pod/a", "pod/b:80"]);
}

describe("a conflist of one's own", () => {
  it("attaches the pods as it says, in their nodes' ranges", async () => {
    const { code, out } = await traced(
      list([BRIDGE, { type: "portmap", capabilities: { portMappings: true } }]),
    );
    expect(code).toBe(0);
    expect(out).toContain("DELIVERED");
    expect(out.replaceAll(/\s+/g, " ")).toContain(
      "10-mine.conflist:1 says, with each node's podCIDR in the place of host-local's ranges",
    );
    const state = await hopscope([
      "export",
      "-f",
      CLUSTER,
      "-f",
      join(folder, "10-mine.conflist"),
      "--node",
      "n0",
      "--format",
      "ip",
    ]);
    expect(state.out).toMatch(/^ip link add mybr .* mtu 1400 type bridge$/m);
    expect(state.out).toMatch(/^ip addr add 10\.22\.0\.1\/24 .*dev mybr/m);
  });

  it.each(["macvlan", "ptp"])("%s attaches them as well", async (type) => {
    const { code, out } = await traced(
      list([{ type, ...(type === "macvlan" ? { master: "eth0" } : {}), ipam: HOST_LOCAL }]),
    );
    expect([code, out.split(" ")[0]]).toEqual([0, "DELIVERED"]);
    // Nobody has a bridge between: the card's macvlans hand each other frames, a ptp pod's way is by the node.
    expect(/^ {2}2 {2}n0/m.test(out)).toBe(type === "ptp");
  });

  it("may leave the ranges of host-local to the node", async () => {
    const { code } = await traced(list([{ ...BRIDGE, ipam: { type: "host-local" } }]));
    expect(code).toBe(0);
  });

  it("further interfaces by annotation are noted", async () => {
    const { out } = await traced(list([BRIDGE]));
    expect(out.replaceAll(/\s+/g, " ")).toContain(
      "Pod default/a and 1 more asks for further interfaces (k8s.v1.cni.cncf.io/networks: macnet, other): they are noted, and not made",
    );
  });

  it("one address for pods of two nodes is told", async () => {
    const fixed = { type: "static", addresses: [{ address: "10.22.0.9/24", gateway: "10.22.0.1" }] };
    const { out } = await traced(list([{ ...BRIDGE, ipam: fixed }]));
    expect(out.replaceAll(/\s+/g, " ")).toContain(
      "10.22.0.9 is the address of 2 pods, default/a and default/b",
    );
  });

  it("a plugin that is not modelled is left out of a chain, and said", async () => {
    const { code, err } = await traced(list([BRIDGE, { type: "portmp" }]));
    expect(code).toBe(0);
    expect(err).toMatch(
      /10-mine\.conflist:\d+: plugins\[1\]\.type: "portmp" is no plugin that is modelled here, and is left out \(did you mean/,
    );
  });

  it.each([
    [list([]), "plugins: holds no plugin"],
    [list([{ bridge: "b" }]), 'plugins: [0]: "type", the plugin\'s name, is missing'],
    [list([BRIDGE], { cniVersion: "7.0.0" }), '"7.0.0" is no version of CNI'],
    [list([BRIDGE], { name: "bad name!" }), '"bad name!" is no name of a network'],
    [
      list([{ ...BRIDGE, ipam: { type: "host-local", subnet: "10.22.0.0/33" } }]),
      "plugins[0].ipam: invalid CIDR address: 10.22.0.0/33",
    ],
    [
      list([
        {
          ...BRIDGE,
          ipam: { type: "host-local", ranges: [[{ subnet: "10.1.0.0/24" }], [{ subnet: "10.1.0.0/25" }]] },
        },
      ]),
      "plugins[0].ipam: range set 0 overlaps with 1",
    ],
    ['{"name": "x", "plugins": "bridge"}', 'plugins: "bridge" is not a list'],
    [list([{ type: "weird" }]), "the CNI weird is not built yet"],
    [list([{ type: "brige" }]), 'plugins[0].type) (did you mean "bridge"?)'],
    [list([{ type: "portmap" }, BRIDGE]), "portmap makes no interface by itself"],
    [
      list([{ ...BRIDGE, isGateway: "yes" }]),
      "plugins[0].isGateway: failed to load netconf: json: cannot unmarshal string into Go struct field NetConf.isGateway of type bool",
    ],
    [
      list([{ ...BRIDGE, ipam: { type: "static", addresses: [{ address: "10.22.0.9" }] } }]),
      "plugins[0].ipam: the 'address' field is expected to be in CIDR notation, got: '10.22.0.9'",
    ],
    [
      list([BRIDGE, { type: "portmap", markMasqBit: 40 }]),
      "plugins[1]: failed to parse config: MasqMarkBit must be between 0 and 31",
    ],
    [list([BRIDGE], { cniVersion: 1 }), "cniVersion: 1 is no version of CNI"],
    [
      list([{ ...BRIDGE, bridge: "a-very-long-bridge-name" }]),
      'Pod default/a: failed to create bridge "a-very-long-bridge-name": could not add "a-very-long-bridge-name": numerical result out of range',
    ],
    [
      list([{ ...BRIDGE, ipam: { type: "dhcp" } }]),
      "Pod default/a: error dialing DHCP daemon: dial unix /run/cni/dhcp.sock",
    ],
    [list([{ ...BRIDGE, vlan: 5000 }]), "Pod default/a: invalid VLAN ID 5000"],
  ])("%s: %s", async (conflist, message) => {
    const { code, out, err } = await traced(conflist);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err.split("\n")[0]).toContain(message);
    expect(err).toMatch(/^error: .*\w:\d+/);
    expect(err).not.toMatch(/\n {4}at /);
  });
});

describe("a network that is not modelled", () => {
  const daemonSet = (name: string) =>
    `{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: ${name}, namespace: kube-system}, spec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c}]}}}}`;

  it.each([
    ["antrea-agent", "antrea", "ports of an Open vSwitch"],
    ["ovs-cni-amd64", "ovs", "ports of an Open vSwitch"],
    ["ovnkube-node", "ovn-kubernetes", "ports of an Open vSwitch"],
    ["cilium", "cilium", "its eBPF programs"],
  ])("%s is recognised as %s, and not guessed", async (name, cni, reason) => {
    const installed = file("cni.yaml", daemonSet(name));
    const { code, out, err } = await hopscope(["trace", "-f", CLUSTER, "-f", installed, "pod/a", "pod/b:80"]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(`the CNI ${cni} is not modelled (DaemonSet kube-system/${name}`);
    expect(err).toContain(reason);
    expect(err.trim().split("\n")).toHaveLength(1);
    const instead = await hopscope([
      "trace",
      "-f",
      CLUSTER,
      "-f",
      installed,
      "pod/a",
      "pod/b:80",
      "--cni",
      "flannel",
    ]);
    expect(instead.code).toBe(0);
  });
});
