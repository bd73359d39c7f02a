import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { hopscope } from "./cli.ts";

/** Objects of a cluster, and beside them what one of its nodes really holds. */
const OBJECTS = "fixtures/nmt";
const folder = mkdtempSync(join(tmpdir(), "hopscope-"));

interface SnapshotJson {
  readonly hosts: Record<string, { iptablesSave: string; routes: { dst: string }[] }>;
}

interface TraceJson {
  readonly verdict: { disposition: string; reason: string; host?: string };
  readonly outcomes: { server?: { host: string }; rules: { host: string; text: string }[] }[];
  readonly assumptions: string[];
}

async function ask(...args: readonly string[]): Promise<TraceJson> {
  const { out, err } = await hopscope(["trace", ...args, "-o", "json"]);
  if (out === "") throw new Error(err);
  return JSON.parse(out) as TraceJson;
}

/** What the objects alone make of a node, changed: the state that its snapshot holds. */
async function snapshotOf(
  node: string,
  change: (host: SnapshotJson["hosts"][string]) => void,
): Promise<string> {
  const { out } = await hopscope(["export", "--node", node, "--format", "snapshot", "-f", OBJECTS]);
  const snapshot = JSON.parse(out) as SnapshotJson;
  const host = snapshot.hosts[node];
  if (host === undefined) throw new Error(`no ${node}`);
  change(host);
  const path = join(folder, `${node}.json`);
  writeFileSync(path, JSON.stringify({ hosts: { [node]: host } }));
  return path;
}

describe("a snapshot's host that bears the name of a Node", () => {
  let changed = "";

  beforeAll(async () => {
    changed = await snapshotOf("node1", (host) => {
      host.iptablesSave = host.iptablesSave.replace(
        /^-A PREROUTING .*$/m,
        "-A PREROUTING -p tcp -m tcp --dport 8080 -j RETURN\n$&",
      );
    });
  });

  it("is that node: its own rules count, those that the objects would make do not", async () => {
    const { out } = await hopscope([
      "export",
      "--node",
      "node1",
      "--format",
      "iptables-save",
      "-f",
      OBJECTS,
      "-f",
      changed,
    ]);
    expect(out).toContain("-A PREROUTING -p tcp -m tcp --dport 8080 -j RETURN");
    const pods = await hopscope(["trace", "pod/none", "node1", "-f", OBJECTS, "-f", changed]);
    expect(pods.err).toContain("there is no Pod");
  });

  it("carries its pods, which the objects name, by their names", async () => {
    const plain = await ask("deploy/nginx", "svc/tomcat:8080", "-f", OBJECTS);
    const joined = await ask("deploy/nginx", "svc/tomcat:8080", "-f", OBJECTS, "-f", changed);
    const servers = ({ outcomes }: TraceJson) => outcomes.map(({ server }) => server?.host).sort();
    expect(joined.verdict.disposition).toBe("DELIVERED");
    expect(servers(joined)).toEqual(servers(plain));
    expect(joined.assumptions.join("\n")).toContain("of node1: which port is its own nothing shows");
  });

  it("decides what its pods' packets meet", async () => {
    // The pods' names are in the list of hosts that a wrong one is answered with.
    const names = [...(await hopscope(["trace", "x", "y", "-f", OBJECTS])).err.matchAll(/nginx-[\w-]+/g)].map(
      ([name]) => name,
    );
    const asked = await Promise.all(
      names.map((name) => ask(`pod/${name}`, "svc/tomcat:8080", "-f", OBJECTS, "-f", changed)),
    );
    const met = asked.filter(({ outcomes }) =>
      outcomes[0]?.rules.some(({ host, text }) => host === "node1" && /--dport 8080 -j RETURN/.test(text)),
    );
    expect(met.length).toBeGreaterThan(0);
    for (const trace of met) expect(trace.verdict.disposition).not.toBe("DELIVERED");
  });

  it("may be a dump of the node's own tools", async () => {
    const dump = join(folder, "node2");
    mkdirSync(dump, { recursive: true });
    for (const [file, format] of [["rules.txt", "iptables-save"]] as const) {
      const { out } = await hopscope(["export", "--node", "node2", "--format", format, "-f", OBJECTS]);
      writeFileSync(join(dump, file), out);
    }
    const { out, err } = await hopscope([
      "export",
      "--node",
      "node2",
      "--format",
      "iptables-save",
      "-f",
      OBJECTS,
      "-f",
      dump,
    ]);
    expect(err).toBe("");
    expect(out).toContain("KUBE-SVC-");
  });

  it("needs no agent to be built, where every node has one", async () => {
    const nodes = await Promise.all(["node1", "node2", "node3"].map((name) => snapshotOf(name, () => {})));
    const all = nodes.flatMap((path) => ["-f", path]);
    // Without the ConfigMap of flannel, and with Calico's own objects instead.
    const cilium = join(folder, "cilium");
    mkdirSync(cilium, { recursive: true });
    const cluster = readFileSync(`${OBJECTS}/cluster.yaml`, "utf8");
    const documents = cluster
      .split(/^---$/m)
      .filter((document) => !/kube-flannel-cfg/.test(document))
      .map((document) => document.replace(/^ *annotations:\n|^.*flannel.*\n/gm, ""));
    writeFileSync(join(cilium, "cluster.yaml"), documents.join("---"));
    writeFileSync(
      join(cilium, "agent.yaml"),
      "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: cilium, namespace: kube-system}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {hostNetwork: true, containers: [{name: agent}]}}}\n",
    );
    const question = [
      "trace",
      "deploy/nginx",
      "svc/tomcat:8080",
      "-q",
      "-f",
      `${OBJECTS}/workloads.yaml`,
      "-f",
      cilium,
    ];
    const refused = await hopscope(question);
    expect(refused.err).toContain("the CNI cilium is not modelled");
    const one = await hopscope([...question, "-f", nodes[0] as string]);
    expect(one.err).toContain("the CNI cilium is not modelled");
    const { out, err } = await hopscope([...question, ...all]);
    expect(err).toBe("");
    expect(out).toMatch(/^DELIVERED/);
  });
});
