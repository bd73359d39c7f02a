import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseIptablesSave } from "../../../src/kernel/netfilter/save/parse.ts";
import { portalsOf } from "../../../src/proxy/userspace/portals.ts";
import { hopscope } from "../../cli/cli.ts";

/** kube-proxy's first mode: rules that lead to its own ports, and the connections that it opens itself. */

const folder = mkdtempSync(join(tmpdir(), "hopscope-"));

const node = (name: string): string =>
  `{apiVersion: v1, kind: Node, metadata: {name: ${name}}, status: {nodeInfo: {kubeletVersion: v1.22.8, kubeProxyVersion: v1.22.8}}}`;
const pod = (name: string, on: string, app: string, port = 8080): string =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, labels: {app: ${app}}}, spec: {nodeName: ${on}, containers: [{name: c, ports: [{containerPort: ${port}}, {containerPort: 53, protocol: UDP}]}]}}`;
const service = (name: string, app: string, clusterIP: string, more = ""): string =>
  `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {selector: {app: ${app}}, clusterIP: ${clusterIP}, ports: [{name: http, port: 80, targetPort: 8080}] ${more}}}`;

const OBJECTS = [
  ...[node("n1"), node("n2")],
  "{apiVersion: kubeproxy.config.k8s.io/v1alpha1, kind: KubeProxyConfiguration, mode: userspace, clusterCIDR: 10.244.0.0/16}",
  ...[pod("client", "n1", "client"), pod("other", "n1", "other")],
  ...[pod("near", "n1", "server"), pod("far", "n2", "server")],
  ...[pod("deaf", "n1", "halfdeaf", 8081), pod("good", "n2", "halfdeaf"), pod("shut", "n2", "shut", 8081)],
  '{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: NodePort, selector: {app: server}, clusterIP: 10.96.0.10, externalIPs: ["192.0.2.1"], ports: [{name: http, port: 80, targetPort: 8080, nodePort: 30080}, {name: dns, protocol: UDP, port: 53, nodePort: 30053}, {name: s, protocol: SCTP, port: 99}]}, status: {loadBalancer: {ingress: [{ip: 198.51.100.9}]}}}',
  service(
    "sticky",
    "server",
    "10.96.0.11",
    ", sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}",
  ),
  service("halfdeaf", "halfdeaf", "10.96.0.12"),
  service("shut", "shut", "10.96.0.13"),
  service("none", "nobody", "10.96.0.14"),
];

function written(name: string, documents: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, documents.join("\n---\n"));
  return path;
}

const PATH = written("cluster.yaml", OBJECTS);

interface Answer {
  readonly id: string;
  readonly cause?: string;
  readonly verdict: { readonly disposition: string; readonly reason: string; readonly certainty: string };
  readonly outcomes: readonly {
    readonly probability: { readonly num: number; readonly den: number };
    readonly server?: { readonly host: string; readonly peer: { readonly address: string } };
    readonly servers?: readonly unknown[];
    readonly frames: readonly {
      readonly phase: string;
      readonly host: string;
      readonly direction: string;
      readonly ip: { readonly src: string; readonly dst: string };
      readonly tcp?: { readonly dport: number; readonly flags: string };
    }[];
  }[];
}

async function answers(lines: readonly object[], path = PATH): Promise<Answer[]> {
  const { out } = await hopscope(["trace", "--queries", "-", "-o", "ndjson", "-f", path], {
    stdin: lines.map((line) => JSON.stringify(line)).join("\n"),
  });
  return out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
}

async function asked(from: string, to: string, path = PATH): Promise<Answer> {
  const [answer] = await answers([{ id: "q", from, to }], path);
  return answer as Answer;
}

/** Who answered with what odds, and whom he took for the client. */
function seen({ outcomes }: Answer): string[] {
  return outcomes
    .map(({ server, probability: { num, den } }) => `${num}/${den} ${server?.host} ${server?.peer.address}`)
    .sort();
}

describe("the rules", () => {
  it("of clusters IPs, external ones, load balancers' and node ports, as 1.25 has them", async () => {
    const { out, code } = await hopscope(["export", "--node", "n1", "--format", "iptables-save", "-f", PATH]);
    expect(code).toBe(0);
    const web = out.split("\n").filter((line) => /"default\/web:http"|handle |non-local/.test(line));
    const port = /--to-ports (\d+)/.exec(web.find((line) => line.includes("10.96.0.10")) ?? "")?.[1];
    const of = (chain: string, end: string, to: string, more = ""): string =>
      `-A ${chain} ${end.startsWith("-") ? "" : `-d ${end}/32 `}-p tcp -m comment --comment "default/web:http" -m tcp --dport ${end.startsWith("-") ? end.slice(1) : 80}${more} -j ${to}`;
    const taken = `REDIRECT --to-ports ${port}`;
    const handed = `DNAT --to-destination 172.18.0.2:${port}`;
    const notPort = " -m physdev ! --physdev-is-in";
    const local = " -m addrtype --dst-type LOCAL";
    const last = `-m addrtype --dst-type LOCAL -m comment --comment "handle service NodePorts; NOTE: this must be the last rule in the chain"`;
    const first = `-m comment --comment "handle ClusterIPs; NOTE: this must be before the NodePort rules"`;
    expect(web).toEqual([
      '-A INPUT -m comment --comment "Ensure that non-local NodePort traffic can flow" -j KUBE-NODEPORT-NON-LOCAL',
      of("KUBE-NODEPORT-NON-LOCAL", `-${port}`, "ACCEPT", " -m state --state NEW"),
      `-A PREROUTING ${first} -j KUBE-PORTALS-CONTAINER`,
      `-A PREROUTING ${last} -j KUBE-NODEPORT-CONTAINER`,
      `-A OUTPUT ${first} -j KUBE-PORTALS-HOST`,
      `-A OUTPUT ${last} -j KUBE-NODEPORT-HOST`,
      of("KUBE-NODEPORT-CONTAINER", "-30080", taken),
      of("KUBE-NODEPORT-HOST", "-30080", handed),
      of("KUBE-PORTALS-CONTAINER", "10.96.0.10", taken),
      of("KUBE-PORTALS-CONTAINER", "192.0.2.1", taken, notPort),
      of("KUBE-PORTALS-CONTAINER", "192.0.2.1", taken, local),
      of("KUBE-PORTALS-CONTAINER", "198.51.100.9", taken),
      of("KUBE-PORTALS-HOST", "10.96.0.10", handed),
      of("KUBE-PORTALS-HOST", "192.0.2.1", handed, local),
      of("KUBE-PORTALS-HOST", "198.51.100.9", handed),
    ]);
    expect(out).not.toContain("sctp");
  });

  it("tell whose ports they lead to, each once", () => {
    const lines = [
      '-A KUBE-PORTALS-CONTAINER -d 10.0.0.1/32 -p tcp -m comment --comment "default/kubernetes:https" -m tcp --dport 443 -j REDIRECT --to-ports 42353',
      '-A KUBE-PORTALS-CONTAINER -d 10.0.0.10/32 -p udp -m comment --comment "kube-system/kube-dns:" -m udp --dport 53 -j DNAT --to-destination 10.128.0.3:60000',
      '-A KUBE-PORTALS-HOST -d 10.0.0.1/32 -p tcp -m comment --comment "default/kubernetes:https" -m tcp --dport 443 -j DNAT --to-destination 10.128.0.3:42353',
      "-A KUBE-PORTALS-HOST -d 10.0.0.2/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination 10.128.0.3:1",
    ];
    const text = `*nat\n:KUBE-PORTALS-CONTAINER - [0:0]\n:KUBE-PORTALS-HOST - [0:0]\n${lines.join("\n")}\nCOMMIT\n`;
    const read = parseIptablesSave(text);
    if (read.kind !== "ok") throw new Error(read.errors[0]?.message);
    expect(portalsOf(read.ruleset)).toEqual([
      { name: "default/kubernetes:https", protocol: "tcp", proxyPort: 42353 },
      { name: "kube-system/kube-dns", protocol: "udp", proxyPort: 60000 },
    ]);
  });
});

describe("the connections", () => {
  it.each([
    ["pod/client", "svc/web:80"],
    ["pod/client", "svc/web:53/udp"],
    ["node/n1", "svc/web:80"],
  ])("%s → %s: a second one from the node, to either endpoint", async (from, to) => {
    const answer = await asked(from, to);
    expect(answer.verdict.disposition).toBe("DELIVERED");
    // On its own bridge the node has another address than towards the other node.
    expect(seen(answer)).toEqual(["1/2 far 10.244.0.0", "1/2 near 10.244.0.1"]);
  });

  it.each(["node/n1:30080", "192.0.2.1:80", "198.51.100.9:80"])("external → %s", async (to) => {
    const answer = await asked("external", to);
    expect(answer.verdict.disposition).toBe("DELIVERED");
    for (const { server } of answer.outcomes) {
      expect(server?.host).toMatch(/^(near|far)$/);
      expect(server?.peer.address).toMatch(/^10\.244\./);
    }
  });

  it("both are shown: the client's ends at the node, whose own has its address", async () => {
    const { outcomes } = await asked("pod/client", "svc/web:80");
    const syns = outcomes
      .find(({ server }) => server?.host === "near")
      ?.frames.filter(
        ({ tcp, direction, phase }) => tcp?.flags === "S" && direction === "out" && phase === "request",
      );
    expect(new Set(syns?.map(({ host, ip, tcp }) => `${host} ${ip.src} ${ip.dst} ${tcp?.dport}`))).toEqual(
      new Set(["client 10.244.0.2 10.96.0.10 80", "n1 10.244.0.1 10.244.0.4 8080"]),
    );
  });

  it("in turns, whoever asks", async () => {
    const lines = Array.from({ length: 6 }, (_, i) => ({
      id: `q${i}`,
      session: "s",
      from: i % 2 === 0 ? "pod/client" : "pod/other",
      to: "svc/web:80",
    }));
    const hosts = (await answers(lines)).map(({ outcomes }) => outcomes.map(({ server }) => server?.host));
    expect(hosts[0]).toHaveLength(2);
    const after = hosts.slice(1).map((each) => each.join());
    expect(new Set(after)).toEqual(new Set(["near", "far"]));
    for (let i = 1; i < after.length; i++) expect(after[i]).not.toBe(after[i - 1]);
  });

  it("a client stays with its endpoint while its affinity lasts", async () => {
    const ask = (id: string, from: string) => ({ id, session: "s", from, to: "svc/sticky:80" });
    const lines = [
      ask("a", "pod/client"),
      ask("b", "pod/client"),
      ask("c", "pod/other"),
      ask("d", "pod/client"),
      { session: "s", step: "wait", seconds: 61 },
      ask("e", "pod/client"),
    ];
    const told = new Map(
      (await answers(lines)).map(({ id, outcomes = [] }) => [
        id,
        outcomes.map(({ server }) => server?.host).join(),
      ]),
    );
    const own = told.get("b");
    expect(own).toMatch(/^(near|far)$/);
    expect(told.get("d")).toBe(own);
    expect(told.get("c")).not.toBe(own);
    // The other client's turn was the last.
    expect(told.get("e")).toBe(own);
  });

  it("an endpoint that refuses is passed over for the next", async () => {
    const answer = await asked("pod/client", "svc/halfdeaf:80");
    expect(answer.verdict.disposition).toBe("DELIVERED");
    expect(new Set(answer.outcomes.map(({ server }) => server?.host))).toEqual(new Set(["good"]));
  });

  it("where all refuse, or there is none, the client's is closed", async () => {
    const shut = await asked("pod/client", "svc/shut:80");
    expect(shut.verdict).toMatchObject({ disposition: "REFUSED", reason: "no-listener-tcp" });
    const none = await asked("pod/client", "svc/none:80");
    expect(none.verdict).toMatchObject({ disposition: "REFUSED", reason: "relay-failed" });
    expect(none.cause).toContain("the selector app=nobody of Service default/none matches no pod");
  });
});

describe("a node's dump", () => {
  const dumped = async (): Promise<string> => {
    const { out } = await hopscope(["export", "--node", "n1", "--format", "snapshot", "-f", PATH]);
    return out;
  };

  it("alone: kube-proxy takes the connection, and to whom it passes on nobody has said", async () => {
    const path = written("alone.json", [await dumped()]);
    const { verdict } = await asked("host/n1", "10.96.0.10:80", path);
    expect(verdict).toMatchObject({ disposition: "DELIVERED", certainty: "unknown-match" });
  });

  it("beside the objects: the endpoints are theirs", async () => {
    const both = mkdtempSync(join(tmpdir(), "hopscope-"));
    writeFileSync(join(both, "n1.json"), await dumped());
    // Another mode is told there, and the dump has it over that.
    writeFileSync(
      join(both, "objects.yaml"),
      OBJECTS.filter((text) => !text.includes("KubeProxyConfiguration")).join("\n---\n"),
    );
    const answer = await asked("node/n1", "svc/web:80", both);
    expect(answer.verdict.disposition).toBe("DELIVERED");
    expect(answer.outcomes.map(({ server }) => server?.host).sort()).toEqual(["far", "near"]);
  });
});

it("a release that has it no more is said to write what the last one did", async () => {
  const late = OBJECTS.map((text) => text.replaceAll("v1.22.8", "v1.30.0"));
  const { out } = await hopscope(["trace", "pod/client", "svc/web:80", "-f", written("late.yaml", late)]);
  expect(out.replaceAll(/\s+/g, " ")).toContain(
    "kube-proxy v1.30.0 of n1 has no userspace mode, which 1.26 took out: it writes what 1.25 did",
  );
});
