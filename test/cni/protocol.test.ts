import { describe, expect, it } from "vitest";
import { Machine, type MachineState, MemoryFiles, newNetns } from "../../src/cni/machine.ts";
import { HASHED_NAMES } from "../../src/cni/names.ts";
import { parseNetwork, readNetwork } from "../../src/cni/network-config.ts";
import { type Environment, type Outcome, runPlugin } from "../../src/cni/run-plugin.ts";
import { type Attachment, Runtime } from "../../src/cni/runtime.ts";
import type { Json } from "../../src/kernel/json-fields.ts";
import { readRun } from "./recorded-run.ts";

/** The protocol: what a plugin says to a call, in the words of the real ones. */

class Node {
  state: MachineState = {
    node: "node",
    hosts: new Map(["node", "pod1", "pod2", "pod3"].map((name) => [name, newNetns(name, "pod")])),
    wires: [],
  };
  readonly files = new MemoryFiles();

  plugin(environment: Partial<Environment>, config: Json): Outcome {
    return this.#with((machine) => runPlugin(machine, { ...CALL, ...environment }, config, "1.1"));
  }

  runtime(list: Json, work: (runtime: Runtime) => Outcome): Outcome {
    const read = readNetwork(list);
    if (read.kind === "invalid") throw new Error(read.message);
    return this.#with((machine) => work(new Runtime(machine, read.value)));
  }

  #with(work: (machine: Machine) => Outcome): Outcome {
    const machine = new Machine(this.state, this.files, HASHED_NAMES);
    const outcome = work(machine);
    this.state = machine.finish();
    return outcome;
  }

  addresses(network: string): string[] {
    return [...this.files.store(network, "").toFiles().keys()].filter((name) => /^\d+\./.test(name));
  }
}

const CALL: Environment = {
  ...{ command: "ADD", containerId: "c1", netns: "/run/netns/pod1", ifName: "eth0", args: "" },
};
const HOST_LOCAL = { type: "host-local", ranges: [[{ subnet: "10.22.0.0/24" }]] };
const BRIDGE = { type: "bridge", isGateway: true, ipam: HOST_LOCAL };
const CONF = { ...BRIDGE, name: "n", cniVersion: "1.0.0" };

function attachment(n: number, capabilities: Json = {}): Attachment {
  return { containerId: `c${n}`, netns: `/run/netns/pod${n}`, ifName: "eth0", args: "", capabilities };
}

function errorOf(outcome: Outcome): unknown {
  return outcome.kind === "error" ? outcome.error : outcome.result;
}

describe("errors", () => {
  const other = readRun("11-errors").other ?? {};
  it.each([
    ["11-version", { command: "VERSION" }, { cniVersion: "1.0.0" }],
    ["12-missing-containerid", { containerId: "" }, CONF],
    ["13-bad-ifname", { ifName: "eth0/bad" }, CONF],
    ["14-bad-netname", {}, { ...CONF, name: "bad name!" }],
    ["15-no-such-netns", { netns: "/run/netns/nosuchns" }, CONF],
  ] as const)("as recorded: %s", (name, environment, config) => {
    expect(errorOf(new Node().plugin(environment, config))).toEqual(other[name]);
  });

  it.each([
    [{}, { ...CONF, name: "" }, 7, "missing network name"],
    [{ containerId: "-x" }, CONF, 4, "invalid characters in containerID"],
    [{ containerId: "", ifName: "" }, CONF, 4, "required env variables [CNI_CONTAINERID,CNI_IFNAME] missing"],
    [{ ifName: "a-name-of-16-char" }, CONF, 4, "interface name is too long"],
    [{ ifName: ".." }, CONF, 4, "interface name is . or .."],
    [{}, { ...CONF, cniVersion: "9.9.9" }, 1, "incompatible CNI versions"],
    [{ command: "CHECK" }, { ...CONF, cniVersion: "0.2.0" }, 1, "config version does not allow CHECK"],
    [{ args: "IP=10.51.0.5" }, CONF, 999, 'ARGS: unknown args ["IP=10.51.0.5"]'],
    [{ args: "foo" }, CONF, 999, 'ARGS: invalid pair "foo"'],
    [
      { args: "IgnoreUnknown=1;IP=10.22.0.1" },
      CONF,
      999,
      "failed to allocate for range 0: requested ip 10.22.0.1 is subnet's gateway",
    ],
    [{ args: "IgnoreUnknown=1;IP=10.9.0.1" }, CONF, 999, "failed to allocate all requested IPs: 10.9.0.1"],
    [
      {},
      { ...CONF, hairpinMode: true, promiscMode: true },
      999,
      "cannot set hairpin mode and promiscuous mode at the same time.",
    ],
    [{}, { ...CONF, vlan: 5000 }, 999, "invalid VLAN ID 5000 (must be between 0 and 4094)"],
    [{}, { ...CONF, type: "portmap" }, 999, "must be called as chained plugin"],
    [{}, { ...CONF, type: "firewall" }, 999, "missing prevResult from earlier plugin"],
    [{}, { ...CONF, type: "tuning" }, 999, "Required prevResult missing"],
    [{}, { ...CONF, type: "nosuch" }, 999, 'failed to find plugin "nosuch" in path [/opt/cni/bin]'],
    [
      {},
      { ...CONF, isDefaultGateway: true, ipam: { ...HOST_LOCAL, routes: [{ dst: "0.0.0.0/0" }] } },
      999,
      "failed to add route '{0.0.0.0 00000000000000000000ffff00000000} via 10.22.0.1 dev eth0': file exists",
    ],
    [
      {},
      { ...CONF, ipam: { ...HOST_LOCAL, routes: [{ dst: "10.7.0.0/16", gw: "10.99.0.1" }] } },
      999,
      "failed to add route '{10.7.0.0 ffff0000} via 10.99.0.1 dev eth0': network is unreachable",
    ],
    [
      {},
      { name: "f", cniVersion: "1.0.0", type: "flannel", delegate: {} },
      999,
      "loadFlannelSubnetEnv failed: open /run/flannel/subnet.env: no such file or directory",
    ],
  ] as const)("%j %j: %i %s", (environment, config, code, msg) => {
    expect(errorOf(new Node().plugin(environment, config))).toMatchObject({ code, msg });
  });
});

describe("results in the form of their version", () => {
  const add = (cniVersion: string) => {
    const outcome = new Node().runtime(
      {
        name: "n",
        cniVersion,
        plugins: [{ ...BRIDGE, ipam: { ...HOST_LOCAL, routes: [{ dst: "0.0.0.0/0" }] } }],
      },
      (runtime) => runtime.add(attachment(1)),
    );
    return errorOf(outcome) as Json;
  };

  it.each(["0.1.0", "0.2.0"])("%s knows one address a family", (version) => {
    expect(add(version)).toEqual({
      cniVersion: version,
      ip4: { ip: "10.22.0.2/24", gateway: "10.22.0.1", routes: [{ dst: "0.0.0.0/0" }] },
      dns: {},
    });
  });

  it.each(["0.3.0", "0.3.1", "0.4.0"])("%s names the family of an address", (version) => {
    expect(add(version)).toMatchObject({
      ips: [{ version: "4", interface: 2, address: "10.22.0.2/24", gateway: "10.22.0.1" }],
    });
  });

  it("1.1.0 tells the MTU of an interface, 1.0.0 does not", () => {
    expect(add("1.1.0")).toMatchObject({ interfaces: [{ name: "cni0" }, { mtu: 1500 }, { mtu: 1500 }] });
    expect(JSON.stringify(add("1.0.0"))).not.toContain("mtu");
  });
});

describe("a chain", () => {
  const mapping = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] };
  const list = {
    ...{ name: "n", cniVersion: "1.1.0" },
    plugins: [BRIDGE, { type: "portmap", capabilities: { portMappings: true } }],
  };

  it("gives a plugin the capabilities it asks for, on DEL those of ADD", () => {
    const node = new Node();
    node.runtime(list, (runtime) => runtime.add(attachment(1, { ...mapping, mac: "02:00:00:00:00:01" })));
    const nat = () =>
      node.state.hosts.get("node")?.iptables?.tables.get("nat")?.chains.get("CNI-HOSTPORT-DNAT");
    expect(nat()?.rules).toHaveLength(1);
    expect(node.state.hosts.get("pod1")?.devices).toHaveLength(2);
    node.runtime(list, (runtime) => runtime.del(attachment(1)));
    expect(nat()?.rules).toHaveLength(0);
    expect(node.state.hosts.get("pod1")?.devices).toHaveLength(1);
    expect(node.runtime(list, (runtime) => runtime.del(attachment(1)))).toEqual({ kind: "ok", result: null });
  });

  it("GC takes out all but the valid attachments", () => {
    const node = new Node();
    for (const n of [1, 2, 3]) node.runtime(list, (runtime) => runtime.add(attachment(n)));
    expect(node.addresses("n")).toHaveLength(3);
    node.runtime(list, (runtime) => runtime.gc([{ containerId: "c2", ifName: "eth0" }]));
    expect(node.addresses("n")).toEqual(["10.22.0.3"]);
    expect(node.runtime(list, (runtime) => runtime.check(attachment(2)))).toEqual({
      kind: "ok",
      result: null,
    });
  });

  it("STATUS of flannel without its subnet is 50, and with it good", () => {
    const node = new Node();
    const flannel = { name: "f", cniVersion: "1.1.0", plugins: [{ type: "flannel" }] };
    expect(errorOf(node.runtime(flannel, (runtime) => runtime.status()))).toMatchObject({ code: 50 });
    node.files.write(
      "/run/flannel/subnet.env",
      "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n",
    );
    expect(errorOf(node.runtime(flannel, (runtime) => runtime.status()))).toBeNull();
  });

  it("flannel hands on to the bridge as the recorded delegate was configured", () => {
    const node = new Node();
    node.files.write(
      "/run/flannel/subnet.env",
      "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n",
    );
    const list = {
      ...{ name: "cbr0", cniVersion: "1.0.0" },
      plugins: [{ type: "flannel", delegate: { hairpinMode: true, isDefaultGateway: true } }],
    };
    const result = errorOf(node.runtime(list, (runtime) => runtime.add(attachment(1)))) as Json;
    const recorded = readRun("03-bridge-flannel-delegate").steps["1-add-pod1-cbr0"]?.calls[0]?.stdout as Json;
    const { ips, routes } = recorded as { readonly ips: unknown; readonly routes: unknown };
    expect(result).toMatchObject({ ips, routes });
    node.runtime(list, (runtime) => runtime.del(attachment(1)));
    expect(node.addresses("cbr0")).toEqual([]);
  });
});

it.each([
  ["[]", /an object is expected/],
  ["{}", /has neither "plugins"/],
  ['{"plugins":[]}', /holds no plugin/],
  ['{"plugins":[{}]}', /plugins\[0\]: "type", the plugin's name, is missing/],
])("a configuration that is none: %s", (content, message) => {
  const read = parseNetwork(content);
  expect(read.kind === "invalid" ? read.message : "").toMatch(message);
});

it("a configuration that is no JSON is left to who knows its file", () => {
  expect(parseNetwork("{")).toEqual({ kind: "unreadable" });
});
