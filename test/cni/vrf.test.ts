import { describe, expect, it } from "vitest";
import { formatIpv4 } from "../../src/address/ipv4.ts";
import { formatIpv6 } from "../../src/address/ipv6.ts";
import { Machine, type MachineState, MemoryFiles, newNetns } from "../../src/cni/machine.ts";
import { HASHED_NAMES } from "../../src/cni/names.ts";
import { runPlugin } from "../../src/cni/run-plugin.ts";
import type { Json } from "../../src/kernel/json-fields.ts";
import { sessionOf, told } from "../walk/asking.ts";

/**
 * The plugin `vrf` behind `bridge`: the kernel here has no VRFs, so the real one is asked only for its errors
 * (`real-plugins.test.ts`); what it does is what its source says (plugins/meta/vrf of containernetworking/plugins).
 */
class Node {
  state: MachineState = {
    node: "node",
    hosts: new Map(["node", "pod1", "pod2"].map((name) => [name, newNetns(name, "pod")])),
    wires: [],
  };
  readonly #files = new MemoryFiles();

  call(command: "ADD" | "DEL" | "CHECK", config: Json, pod = "pod1", ifName = "eth0"): Json {
    const machine = new Machine(this.state, this.#files, HASHED_NAMES);
    const environment = { command, containerId: pod, netns: `/run/netns/${pod}`, ifName, args: "" };
    const outcome = runPlugin(machine, environment, { name: "n", cniVersion: "1.0.0", ...config }, "1.1");
    this.state = machine.finish();
    return (outcome.kind === "error" ? outcome.error : (outcome.result ?? {})) as unknown as Json;
  }

  /** ADD of both, one behind the other. */
  chain(vrf: Json, pod = "pod1", ifName = "eth0"): Json {
    const prevResult = this.call("ADD", BRIDGE, pod, ifName);
    return this.call("ADD", { type: "vrf", ...vrf, prevResult }, pod, ifName);
  }

  pod(name = "pod1") {
    const host = this.state.hosts.get(name);
    if (host === undefined) throw new Error(`no ${name}`);
    return host;
  }
}

const ranges = [[{ subnet: "10.22.0.0/24" }], [{ subnet: "fd22::/64" }]];
const BRIDGE: Json = {
  type: "bridge",
  isGateway: true,
  ipam: { type: "host-local", ranges, routes: [{ dst: "0.0.0.0/0" }] },
};

describe("the vrf plugin", () => {
  it("makes the VRF, and the interface's addresses and networks are in its table", () => {
    const node = new Node();
    expect(node.chain({ vrfname: "red", table: 42 })["ips"]).toHaveLength(2);
    const pod = node.pod();
    expect(pod.devices.find(({ name }) => name === "red")).toMatchObject({
      up: true,
      detail: { kind: "vrf", table: 42 },
    });
    expect(pod.devices.find(({ name }) => name === "eth0")?.master).toBe("red");
    const own = pod.routes.filter(({ nextHops }) => nextHops[0]?.dev === "eth0");
    expect(
      own.map(({ type, dst, table }) => `${type} ${formatIpv4(dst.address)}/${dst.length} ${table}`),
    ).toEqual(
      [
        "local 10.22.0.2/32 42",
        "broadcast 10.22.0.255/32 42",
        "unicast 10.22.0.0/24 42",
        "broadcast 10.22.0.255/32 42",
      ].filter((text, i, all) => all.indexOf(text) === i),
    );
    // the kernel takes the IPv6 address on the way in, the plugin gives it back
    expect(
      pod.addresses6
        .filter(({ dev, scope }) => dev === "eth0" && scope === "global")
        .map(({ address }) => formatIpv6(address)),
    ).toEqual(["fd22::2"]);
    expect(
      pod.routes6.filter(({ nextHops }) => nextHops[0]?.dev === "eth0").every(({ table }) => table === "42"),
    ).toBe(true);
    expect(pod.rules.some(({ action }) => action.kind === "l3mdev")).toBe(true);
  });

  it("chooses the first table that no other VRF has", () => {
    const node = new Node();
    node.chain({ vrfname: "red" });
    node.chain({ vrfname: "blue" }, "pod1", "net1");
    const tables = node.pod().devices.flatMap(({ detail }) => (detail.kind === "vrf" ? [detail.table] : []));
    expect(tables).toEqual([1, 2]);
  });

  it("what is in the VRF is reached by who is bound to it", () => {
    const node = new Node();
    node.chain({ vrfname: "red" });
    const { hosts, wires } = node.state;
    const world = { hosts, wires, origins: { sources: [] } };
    expect(told(sessionOf(world), "pod1", "icmp 10.22.0.1 dev=red")).toBe("answered by 10.22.0.1, answered");
    expect(told(sessionOf(world), "pod1", "icmp fd22::1 dev=red")).toBe("answered by fd22::1, answered");
    expect(told(sessionOf(world), "pod1", "udp 10.22.0.1:53")).toBe("unreachable ENETUNREACH, no-route");
    expect(told(sessionOf(world), "node", "icmp 10.22.0.2")).toBe("answered by 10.22.0.2, answered");
  });

  it("goes with its last interface", () => {
    const node = new Node();
    node.chain({ vrfname: "red" });
    node.chain({ vrfname: "red" }, "pod1", "net1");
    const vrf = { type: "vrf", vrfname: "red" };
    expect(node.call("DEL", vrf, "pod1", "net1")).toEqual({});
    expect(node.pod().devices.some(({ name }) => name === "red")).toBe(true);
    expect(node.call("DEL", vrf)).toEqual({});
    expect(node.pod().devices.some(({ name }) => name === "red")).toBe(false);
    expect(node.pod().routes.some(({ table }) => table === "1")).toBe(false);
    expect(node.call("DEL", vrf)).toEqual({});
  });

  it.each<[Json, string]>([
    [{}, "configuration is expected to have a valid vrf name"],
    [{ vrfname: "lo" }, "cmdAdd failed: Netlink lo is not a VRF"],
  ])("%j: %s", (config, msg) => {
    expect(new Node().chain(config)["msg"]).toBe(msg);
  });

  it("says which master an interface has already", () => {
    const node = new Node();
    const prevResult = node.chain({ vrfname: "red" });
    const again = node.call("ADD", { type: "vrf", vrfname: "blue", prevResult });
    expect(again["msg"]).toBe("cmdAdd failed: interface eth0 has already a master set: red");
    const absent = node.call("ADD", { type: "vrf", vrfname: "blue", prevResult }, "pod1", "eth7");
    expect(absent["msg"]).toBe("cmdAdd failed: could not get link by name eth7");
  });
});
