import { describe, expect, it } from "vitest";
import { reconcileAll } from "../../src/control/reconcile-all.ts";
import type { Pod } from "../../src/object/kubernetes-object.ts";
import { settingsOf } from "../../src/source/detect.ts";
import { readSource } from "../../src/source/read-source.ts";
import { nodes } from "./yaml-world.ts";

/** Which pool a pod's addresses come of, what it may ask for by annotations, and what it is told when there are none. */

const pool = (name: string, spec: string) =>
  `---\napiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;
const pod = (name: string, node: string, annotations: Record<string, string> = {}, namespace = "default") =>
  `---\n${JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, annotations },
    spec: { nodeName: node, containers: [{ name: "c" }] },
  })}\n`;
const TWO = nodes(["10.0.0.1", "fd00:50::1"], ["10.0.0.2", "fd00:50::2"]);
const FOUR = pool("four", "cidr: 10.244.0.0/16");
const SIX = pool("six", 'cidr: "fd00:10:244::/64"');
const ASK = "cni.projectcalico.org/ipAddrs";
const OF4 = "cni.projectcalico.org/ipv4pools";
const OF6 = "cni.projectcalico.org/ipv6pools";

function given(text: string) {
  const { objects, errors, detected } = readSource([{ name: "c.yaml", text }], {});
  expect(errors).toEqual([]);
  reconcileAll(objects, settingsOf(detected));
  const of = (name: string): Pod | undefined =>
    objects.get("Pod", name.includes("/") ? name : `default/${name}`);
  return {
    objects,
    addresses: (name: string) => (of(name)?.status?.podIPs ?? []).map(({ ip }) => ip),
    told: (name: string) => of(name)?.status?.message,
    phase: (name: string) => of(name)?.status?.phase,
  };
}

describe("pools", () => {
  it("give an address of each family that they are of", () => {
    const { addresses } = given(TWO + FOUR + SIX + pod("a", "n0"));
    expect(addresses("a")).toEqual([
      expect.stringMatching(/^10\.244\./),
      expect.stringMatching(/^fd00:10:244::/),
    ]);
    expect(given(TWO + FOUR + pod("a", "n0")).addresses("a")).toHaveLength(1);
  });

  it("that choose nodes are of those alone", () => {
    const labelled = TWO.replace("{name: n1}", "{name: n1, labels: {rack: b}}");
    const text =
      pool("a", "cidr: 10.1.0.0/16, nodeSelector: \"rack != 'b'\"") +
      pool("b", "cidr: 10.2.0.0/16, nodeSelector: \"rack == 'b'\"");
    const { addresses } = given(labelled + text + pod("p", "n0") + pod("q", "n1"));
    expect(addresses("p")[0]).toMatch(/^10\.1\./);
    expect(addresses("q")[0]).toMatch(/^10\.2\./);
  });

  it("for tunnels are not for pods, nor those for pods for tunnels", () => {
    const text =
      pool("t", "cidr: 10.1.0.0/16, ipipMode: Always, allowedUses: [Tunnel]") +
      pool("w", "cidr: 10.2.0.0/16, ipipMode: Always, allowedUses: [Workload]");
    const { addresses, objects } = given(TWO + text + pod("p", "n0"));
    expect(addresses("p")[0]).toMatch(/^10\.2\./);
    const { annotations } = objects.get("Node", "n0")?.metadata ?? {};
    expect(annotations?.["projectcalico.org/IPv4IPIPTunnelAddr"]).toMatch(/^10\.1\./);
  });

  it("that are disabled give nothing more", () => {
    const { addresses } = given(TWO + pool("a", "cidr: 10.1.0.0/16, disabled: true") + FOUR + pod("p", "n0"));
    expect(addresses("p")[0]).toMatch(/^10\.244\./);
  });

  it("hold back what is reserved", () => {
    const reserved =
      "---\napiVersion: projectcalico.org/v3\nkind: IPReservation\nmetadata: {name: r}\nspec: {reservedCIDRs: [10.9.0.0/30, 10.9.0.5]}\n";
    const { addresses } = given(
      TWO + pool("a", "cidr: 10.9.0.0/29, blockSize: 29") + reserved + pod("p", "n0") + pod("q", "n0"),
    );
    expect([addresses("p"), addresses("q")]).toEqual([["10.9.0.4"], ["10.9.0.6"]]);
  });
});

describe("what a pod asks for", () => {
  const text =
    TWO +
    FOUR +
    SIX +
    pool("other", "cidr: 10.1.0.0/16") +
    pool("closed", "cidr: 10.3.0.0/16, disabled: true");

  it("addresses by name, of both families", () => {
    const { addresses, objects } = given(
      text + pod("a", "n0", { [ASK]: '["10.244.9.7", "fd00:10:244::77"]' }),
    );
    expect(addresses("a")).toEqual(["10.244.9.7", "fd00:10:244::77"]);
    const blocks = objects.list("BlockAffinity").map(({ metadata }) => metadata.name);
    expect(blocks).toContain("n0-10-244-9-0-26");
    expect(blocks).toContain("n0-fd00-10-244--40-122");
  });

  it("pools by name and by range, of its own or of its namespace", () => {
    const space = `---\n${JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: "lab", annotations: { [OF4]: '["other"]' } } })}\n`;
    const { addresses } = given(
      text +
        space +
        pod("a", "n0", { [OF4]: '["10.1.0.0/16"]' }) +
        pod("b", "n0", {}, "lab") +
        pod("c", "n0", { [OF4]: '["four"]' }, "lab"),
    );
    expect(addresses("a")[0]).toMatch(/^10\.1\./);
    expect(addresses("lab/b")[0]).toMatch(/^10\.1\./);
    expect(addresses("lab/c")[0]).toMatch(/^10\.244\./);
  });

  it.each<[string, Record<string, string>, string]>([
    [
      "an address of no pool",
      { [ASK]: '["192.0.2.1"]' },
      "failed to assign 192.0.2.1: The provided IP address is not in a configured pool",
    ],
    [
      "of a disabled one",
      { [ASK]: '["10.3.0.1"]' },
      "failed to assign 10.3.0.1: The provided IP address is not in a configured pool",
    ],
    [
      "one that is taken",
      { [ASK]: '["10.244.200.1"]' },
      "failed to assign 10.244.200.1: Address already assigned in block",
    ],
    [
      "two of a family",
      { [ASK]: '["10.244.9.1", "10.244.9.2"]' },
      `cannot have more than one IPv4 address for "${ASK}" annotation`,
    ],
    ["none", { [ASK]: "[]" }, `annotation "${ASK}" specified but empty`],
    ["what is none", { [ASK]: '["10.244.9"]' }, "invalid IP format: 10.244.9"],
    [
      "no list",
      { [ASK]: "10.244.9.1" },
      `failed to parse '10.244.9.1' as JSON: ${ASK} is a list such as ["10.244.0.7"]`,
    ],
    [
      "a pool that is not there",
      { [OF4]: '["nowhere"]' },
      "the given pool (nowhere) does not exist, or is not enabled",
    ],
    ["a disabled pool", { [OF4]: '["closed"]' }, "the given pool (closed) does not exist, or is not enabled"],
    ["a pool of the other family", { [OF6]: '["four"]' }, `${OF6}: four is a pool of IPv4`],
  ])("%s: it stays Pending and is told", (_name, annotations, message) => {
    const taken = pod("z", "n1", { [ASK]: '["10.244.200.1"]' }).replace('"z"', '"0-first"');
    const { told, phase, addresses } = given(text + taken + pod("a", "n1", annotations) + pod("b", "n1"));
    expect(told("a")).toBe(message);
    expect(phase("a")).toBe("Pending");
    expect(addresses("b")).toHaveLength(2);
  });
});
