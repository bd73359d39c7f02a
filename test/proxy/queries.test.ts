import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hopscope } from "../cli/cli.ts";
import { nodeObject } from "./object-files.ts";
import { service, slice } from "./objects.ts";

/**
 * Questions from addresses `at` a node of which only Nodes, Services and EndpointSlices are known: who is sent where, with
 * what odds, and who is masqueraded. n1 has the endpoint 10.1.0.5, n2 10.1.1.5, n3 none.
 */

const folder = mkdtempSync(join(tmpdir(), "hopscope-"));

const HERE = { ip: "10.1.0.5", on: "n1" };
const THERE = { ip: "10.1.1.5", on: "n2" };

interface Policies {
  readonly internal?: "Local";
  readonly external?: "Local";
  readonly endpoints?: readonly object[];
  readonly ranges?: readonly string[];
  readonly proxy?: object;
  readonly version?: string;
}

async function write(name: string, given: Policies): Promise<string> {
  const web = service(
    "shop/web",
    {
      type: "LoadBalancer",
      clusterIP: "10.96.0.41",
      externalIPs: ["192.168.99.11"],
      externalTrafficPolicy: given.external ?? "Cluster",
      internalTrafficPolicy: given.internal ?? "Cluster",
      loadBalancerSourceRanges: [...(given.ranges ?? [])],
      ports: [
        { name: "p80", port: 80, nodePort: 30001 },
        { name: "u53", port: 53, protocol: "UDP", nodePort: 30053 },
      ],
    },
    { vips: [{ ip: "198.51.100.4" }] },
  );
  const endpoints = (given.endpoints ?? [HERE, THERE]) as (typeof HERE)[];
  const { version = "v1.34.0" } = given;
  const items = [
    nodeObject("n1", ["192.168.0.2", "192.168.1.2"], "10.1.0.0/24", "z1", version),
    nodeObject("n2", ["192.168.0.3"], "10.1.1.0/24", "z1", version),
    nodeObject("n3", ["192.168.0.4"], "10.1.2.0/24", "z1", version),
    web,
    slice("shop/web", ["p80:8080", "u53:5353/UDP"], endpoints),
    {
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      clusterCIDR: "10.1.0.0/16",
      ...given.proxy,
    },
  ];
  const path = join(folder, `${name}.json`);
  writeFileSync(path, items.map((item) => JSON.stringify(item)).join("\n"));
  return path;
}

interface Answer {
  readonly id: string;
  readonly outcomes: readonly {
    readonly probability: { readonly num: number; readonly den: number };
    readonly verdict: { readonly disposition: string };
    readonly rewrites: readonly { phase: string; host: string; field: string; from: string; to: string }[];
    readonly frames: readonly { phase: string; icmp?: { type: number; code: number } }[];
  }[];
}

const SOURCES: Readonly<Record<string, object>> = {
  pod: { from: "10.1.0.2", at: "node/n1" },
  node: { from: "node/n1" },
  outside: { from: "203.0.113.77", at: "node/n1" },
  "pod at n3": { from: "10.1.2.2", at: "node/n3" },
  "node n3": { from: "node/n3" },
  "outside at n3": { from: "203.0.113.77", at: "node/n3" },
};

const CIP = "10.96.0.41:80";
const PORT = "192.168.0.2:30001";
const PORT3 = "192.168.0.4:30001";
const VIP = "198.51.100.4:80";
const EIP = "192.168.99.11:80";
const BOTH = "1/2 10.1.0.5:8080, 1/2 10.1.1.5:8080";
const HERE_ONLY = "1/1 10.1.0.5:8080";
const masqueraded = (text: string): string =>
  text
    .split(", ")
    .map((one) => `${one} masqueraded`)
    .join(", ");

function endOf({ probability: { num, den }, verdict, rewrites, frames }: Answer["outcomes"][number]): string {
  const own = rewrites.filter(({ phase }) => phase === "request");
  const sent = own.find(({ field }) => field === "dst")?.to;
  if (sent !== undefined) {
    return `${num}/${den} ${sent}${own.some(({ field }) => field === "src") ? " masqueraded" : ""}`;
  }
  const error = frames.find(({ icmp }) => icmp !== undefined)?.icmp;
  return error === undefined ? verdict.disposition : `${verdict.disposition} ${error.type}/${error.code}`;
}

async function ask(path: string, asked: readonly (readonly [string, string])[]): Promise<string[]> {
  const questions = join(folder, "queries.ndjson");
  const lines = asked.map(([from, to], i) => JSON.stringify({ id: `${i}`, ...SOURCES[from], to }));
  writeFileSync(questions, lines.join("\n"));
  const { out, err } = await hopscope(["trace", "--queries", questions, "-o", "ndjson", "-f", path]);
  expect(err).toBe("");
  const answers = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
  return answers.map(({ outcomes }) =>
    outcomes
      .map(endOf)
      .sort((a, b) => (a < b ? -1 : 1))
      .join(", "),
  );
}

type Row = readonly [from: string, to: string, end: string];

const TABLES: readonly (readonly [string, Policies, readonly Row[]])[] = [
  [
    "policy Cluster",
    {},
    [
      ["pod", CIP, BOTH],
      ["node", CIP, masqueraded(BOTH)],
      ["outside", CIP, masqueraded(BOTH)],
      ...["pod", "node", "outside"].flatMap((from) =>
        [PORT, "192.168.1.2:30001", VIP, EIP].map((to): Row => [from, to, masqueraded(BOTH)]),
      ),
      ["node", "127.0.0.1:30001", masqueraded(BOTH)],
      ["pod", "10.96.0.41:53/udp", "1/2 10.1.0.5:5353, 1/2 10.1.1.5:5353"],
    ],
  ],
  [
    "externalTrafficPolicy Local: pods and the node itself reach all, others what is there",
    { external: "Local" },
    [
      ["pod", CIP, BOTH],
      ["outside", CIP, masqueraded(BOTH)],
      ...[PORT, VIP, EIP].flatMap((to): Row[] => [
        ["pod", to, BOTH],
        ["node", to, masqueraded(BOTH)],
        ["outside", to, HERE_ONLY],
      ]),
      ["pod at n3", PORT3, BOTH],
      ["node n3", PORT3, masqueraded(BOTH)],
      ["outside at n3", PORT3, "DROPPED"],
      ["outside at n3", VIP, "DROPPED"],
      ["outside at n3", EIP, "DROPPED"],
    ],
  ],
  [
    "internalTrafficPolicy Local",
    { internal: "Local" },
    [
      ["pod", CIP, HERE_ONLY],
      ["node", CIP, masqueraded(HERE_ONLY)],
      ["outside", CIP, masqueraded(HERE_ONLY)],
      ["outside", PORT, masqueraded(BOTH)],
      ["pod at n3", CIP, "DROPPED"],
      ["node n3", CIP, "DROPPED"],
      ["outside at n3", PORT3, masqueraded(BOTH)],
    ],
  ],
  [
    "both Local",
    { internal: "Local", external: "Local" },
    [
      ["pod", CIP, HERE_ONLY],
      ["pod", VIP, BOTH],
      ["outside", VIP, HERE_ONLY],
      ["outside", CIP, masqueraded(HERE_ONLY)],
      ["node", EIP, masqueraded(BOTH)],
    ],
  ],
  [
    "masqueradeAll is for the cluster IP",
    { external: "Local", proxy: { iptables: { masqueradeAll: true } } },
    [
      ["pod", CIP, masqueraded(BOTH)],
      ["outside", CIP, masqueraded(BOTH)],
      ["pod", VIP, BOTH],
      ["outside", VIP, HERE_ONLY],
    ],
  ],
  [
    "no detector: nobody is known to be a pod",
    { external: "Local", proxy: { clusterCIDR: "" } },
    [
      ["pod", CIP, BOTH],
      ["node", CIP, BOTH],
      ["outside", CIP, BOTH],
      ["pod", VIP, HERE_ONLY],
      ["node", VIP, masqueraded(BOTH)],
      ["outside", VIP, HERE_ONLY],
    ],
  ],
  [
    "NodeCIDR: pods of other nodes are strangers",
    { external: "Local", proxy: { detectLocalMode: "NodeCIDR", clusterCIDR: "" } },
    [
      ["pod", CIP, BOTH],
      ["pod", VIP, BOTH],
      ["pod at n3", VIP, BOTH],
      ["outside", CIP, masqueraded(BOTH)],
    ],
  ],
  [
    "no endpoints",
    { endpoints: [] },
    [
      ["pod", CIP, "REJECTED 3/3"],
      ["node", CIP, "REJECTED 3/3"],
      ["outside", PORT, "REJECTED 3/3"],
      ["outside", VIP, "REJECTED 3/3"],
      ["outside", EIP, "REJECTED 3/3"],
      ["outside", "192.168.0.2:30053/udp", "REJECTED 3/3"],
    ],
  ],
  [
    "source ranges: the VIP alone asks for them, pods too",
    { ranges: ["203.0.113.0/25"] },
    [
      ["outside", VIP, masqueraded(BOTH)],
      ["pod", VIP, "DROPPED"],
      ["node", VIP, "DROPPED"],
      ["pod", EIP, masqueraded(BOTH)],
      ["pod", PORT, masqueraded(BOTH)],
    ],
  ],
  [
    "node ports on some addresses only, and not on 127.0.0.1",
    { proxy: { nodePortAddresses: ["192.168.1.0/24"], iptables: { localhostNodePorts: false } } },
    [
      ["outside", "192.168.1.2:30001", masqueraded(BOTH)],
      ["outside", PORT, "REFUSED"],
      ["node", "127.0.0.1:30001", "REFUSED"],
    ],
  ],
  [
    "1.22: an external IP is masqueraded for strangers only",
    { version: "v1.22.17" },
    [
      ["pod", CIP, BOTH],
      ["node", CIP, masqueraded(BOTH)],
      ["pod", EIP, BOTH],
      ["outside", EIP, masqueraded(BOTH)],
      ["pod", VIP, masqueraded(BOTH)],
      ["pod", PORT, masqueraded(BOTH)],
    ],
  ],
  [
    "1.22: what policy Local does not take is marked, and dropped on its way in",
    { version: "v1.22.17", external: "Local" },
    [
      ...[PORT, VIP, EIP].flatMap((to): Row[] => [
        ["pod", to, BOTH],
        ["node", to, masqueraded(BOTH)],
        ["outside", to, HERE_ONLY],
      ]),
      ["outside at n3", PORT3, "DROPPED"],
      ["pod at n3", PORT3, BOTH],
    ],
  ],
  [
    "1.22: one that goes away serves nobody",
    { version: "v1.22.17", endpoints: [{ ...HERE, ready: false, serving: true, terminating: true }] },
    [["pod", CIP, "REJECTED 3/3"]],
  ],
  [
    "1.24: the same in chains of today's names",
    { version: "v1.24.17", external: "Local", ranges: ["203.0.113.0/25"] },
    [
      ["outside", VIP, HERE_ONLY],
      ["node", VIP, "DROPPED"],
      ["outside at n3", PORT3, "DROPPED"],
      ["pod at n3", PORT3, BOTH],
    ],
  ],
  [
    "an endpoint that goes away serves where no other does",
    {
      external: "Local",
      endpoints: [{ ...HERE, ready: false, serving: true, terminating: true }, THERE],
    },
    [
      ["pod", CIP, "1/1 10.1.1.5:8080"],
      ["outside", VIP, HERE_ONLY],
      ["outside at n3", VIP, "DROPPED"],
    ],
  ],
];

describe("a question from an address at a node", () => {
  it.each(TABLES)("%s", async (name, policies, rows) => {
    const path = await write(name.replace(/\W+/g, "-"), policies);
    const ends = await ask(
      path,
      rows.map(([from, to]) => [from, to]),
    );
    const told = rows.map(([from, to], i) => `${from} → ${to}: ${ends[i]}`);
    expect(told).toEqual(rows.map(([from, to, end]) => `${from} → ${to}: ${end}`));
  });
});
