import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hopscope } from "../cli/cli.ts";

/** Settings of Calico that change what nodes do: ports and address of natOutgoing, blocks and their rules, dataplanes. */

const folder = mkdtempSync(join(tmpdir(), "hopscope-calico-"));
const object = (kind: string, spec: string, name = "default", api = "crd.projectcalico.org/v1") =>
  `---\napiVersion: ${api}\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const pool = (more = "") => object("IPPool", `{cidr: 10.244.0.0/16, natOutgoing: true${more}}`, "pool");
const felix = (spec: string) => object("FelixConfiguration", spec);
const node = (i: number) =>
  `---\napiVersion: v1\nkind: Node\nmetadata: {name: n${i}}\nstatus: {addresses: [{type: InternalIP, address: 192.168.50.1${i}}]}\n`;
const pod = (name: string, on: number) =>
  `---\napiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {nodeName: n${on}, containers: [{name: c}]}\n`;

async function ran(text: string, ...args: string[]) {
  const file = join(folder, "cluster.yaml");
  writeFileSync(file, text);
  return hopscope([...args, "-f", file]);
}

const ONE = `${node(1)}${pod("p", 1)}`;

async function natRules(text: string, format = "iptables-save"): Promise<string[]> {
  const { out } = await ran(text, "export", "--node", "n1", "--format", format);
  return out.split("\n").filter((line) => line.startsWith("-A cali-nat-outgoing"));
}

/** Without Felix's hash, which `felix-names.test.ts` holds against its own. */
function plain(rules: readonly string[]): string[] {
  return rules.map((rule) =>
    rule
      .replace(/-m comment --comment "cali:[^"]*" /, "")
      .replace(/-m set --match-set \S+ src -m set ! --match-set \S+ dst /, "POOLS ")
      .replace("-A cali-nat-outgoing ", ""),
  );
}

describe("natOutgoing", () => {
  it.each([
    ["{}", ["POOLS -j MASQUERADE --random-fully"]],
    [
      '{natPortRange: "32768:40000"}',
      [
        "-p tcp POOLS -j MASQUERADE --to-ports 32768-40000 --random-fully",
        "-p tcp POOLS -j RETURN",
        "-p udp POOLS -j MASQUERADE --to-ports 32768-40000 --random-fully",
        "-p udp POOLS -j RETURN",
        "POOLS -j MASQUERADE --random-fully",
      ],
    ],
    ["{natOutgoingAddress: 192.168.50.77}", ["POOLS -j SNAT --to-source 192.168.50.77 --random-fully"]],
    [
      '{natOutgoingAddress: 192.168.50.77, natPortRange: "40000:40001"}',
      [
        "-p tcp POOLS -j SNAT --to-source 192.168.50.77:40000-40001 --random-fully",
        "-p tcp POOLS -j RETURN",
        "-p udp POOLS -j SNAT --to-source 192.168.50.77:40000-40001 --random-fully",
        "-p udp POOLS -j RETURN",
        "POOLS -j SNAT --to-source 192.168.50.77 --random-fully",
      ],
    ],
  ])("%s", async (spec, expected) => {
    expect(plain(await natRules(pool() + felix(spec) + ONE))).toEqual(expected);
  });

  it("leaves with a port of the range, as the other end sees it", async () => {
    const text = pool() + felix('{natPortRange: "40000:40001"}') + ONE;
    for (const proto of ["tcp", "udp"]) {
      const { out } = await ran(text, "trace", "pod/p", `external:80/${proto}`, "-o", "json");
      const { outcomes } = JSON.parse(out) as { outcomes: { server: { peer: { port: number } } }[] };
      expect([40_000, 40_001]).toContain(outcomes[0]?.server.peer.port);
    }
  });

  it.each(["0", '"50000:40000"', '"1:70000"', "many"])("natPortRange %s is refused", async (value) => {
    const { code, err } = await ran(pool() + felix(`{natPortRange: ${value}}`) + ONE, "verify");
    expect(code).toBe(2);
    expect(err).toContain("spec.natPortRange:");
  });
});

describe("blocks", () => {
  const block = (cidr: string, affinity: string, allocations: string) =>
    object("IPAMBlock", `{cidr: ${cidr}, affinity: "${affinity}", allocations: ${allocations}}`, "b");

  async function addressOf(text: string, name: string): Promise<string> {
    const { out, err } = await ran(text, "trace", `pod/${name}`, "external:80", "-v");
    return /^ {2}from .* ([0-9.]+)$/m.exec(out)?.[1] ?? err;
  }

  it("that the datastore holds are their nodes', and what is given out stays with its owner", async () => {
    const held = block("10.244.7.0/26", "host:n1", "[0, null, 1, null]");
    const text = pool() + held + node(1) + pod("p", 1) + pod("q", 1);
    expect(await addressOf(text, "p")).toBe("10.244.7.1");
    expect(await addressOf(text, "q")).toBe("10.244.7.3");
    const others = pool() + held + node(2) + pod("p", 2);
    expect(await addressOf(others, "p")).not.toMatch(/^10\.244\.7\./);
  });

  it("of others are borrowed from, unless affinity is strict", async () => {
    const small =
      object("IPPool", "{cidr: 10.244.0.0/30, blockSize: 30}", "pool") +
      object("BlockAffinity", "{cidr: 10.244.0.0/30, node: n1, state: confirmed}", "b") +
      [1, 2].map(node).join("") +
      pod("p", 2);
    expect(await addressOf(small, "p")).toBe("10.244.0.0");
    const strict = small + object("IPAMConfig", "{strictAffinity: true}");
    expect(await addressOf(strict, "p")).toContain("No more free affine blocks");
  });

  it("of one node are no more than it may have", async () => {
    const many = object("IPPool", "{cidr: 10.244.0.0/28, blockSize: 30}", "pool") + node(1);
    const pods = ["a", "b", "c", "d", "e"].map((name) => pod(name, 1)).join("");
    expect(await addressOf(many + pods, "e")).toMatch(/^10\.244\.0\.\d+$/);
    const one = object("IPAMConfig", "{maxBlocksPerHost: 1}");
    expect(await addressOf(many + one + pods, "e")).toContain("No more free affine blocks");
  });
});

it.each([
  [
    object("Installation", "{calicoNetwork: {linuxDataplane: BPF}}", "default", "operator.tigera.io/v1"),
    "eBPF",
  ],
  [
    object("Installation", "{calicoNetwork: {linuxDataplane: Nftables}}", "default", "operator.tigera.io/v1"),
    "nftables",
  ],
  [
    '---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: calico-node, namespace: kube-system}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: calico-node, env: [{name: FELIX_BPFENABLED, value: "true"}]}]}}}\n',
    "eBPF",
  ],
])("a dataplane that is not modelled is named, wherever it is chosen", async (text, name) => {
  const { err } = await ran(pool() + text + ONE, "trace", "pod/p", "external:80", "-q");
  expect(err).toMatch(new RegExp(`^warning: .*${name} dataplane is not modelled`));
});
