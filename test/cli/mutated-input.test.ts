import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hopscope } from "./cli.ts";

/** One document of each kind that is looked into, all of them right and meant for one cluster. */
const DOCUMENTS: readonly object[] = [
  {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n1", labels: { "topology.kubernetes.io/zone": "z" } },
    spec: { podCIDR: "10.244.0.0/24", taints: [{ key: "a", effect: "NoSchedule" }] },
    status: {
      addresses: [{ type: "InternalIP", address: "192.168.0.2" }],
      nodeInfo: { kubeletVersion: "v1.30.0" },
      allocatable: { pods: "110" },
    },
  },
  {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", labels: { app: "a" } },
    spec: {
      nodeName: "n1",
      containers: [{ name: "c", ports: [{ name: "http", containerPort: 80, hostPort: 8080 }] }],
    },
    status: { podIP: "10.244.0.5", phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
  },
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "d" },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "d" } },
      template: {
        metadata: { labels: { app: "d" } },
        spec: { tolerations: [{ operator: "Exists" }], containers: [{ name: "c" }] },
      },
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "s" },
    spec: {
      type: "LoadBalancer",
      clusterIP: "10.96.0.9",
      clusterIPs: ["10.96.0.9"],
      selector: { app: "a" },
      externalIPs: ["1.2.3.4"],
      loadBalancerSourceRanges: ["10.0.0.0/8"],
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } },
      externalTrafficPolicy: "Local",
      healthCheckNodePort: 31000,
      ipFamilies: ["IPv4"],
      ports: [{ name: "p", port: 80, targetPort: "http", nodePort: 30080, protocol: "TCP" }],
    },
    status: { loadBalancer: { ingress: [{ ip: "203.0.113.9", ipMode: "VIP" }] } },
  },
  { apiVersion: "v1", kind: "Service", metadata: { name: "t" }, spec: { ports: [{ port: 80 }] } },
  {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "t-1", labels: { "kubernetes.io/service-name": "t" } },
    addressType: "IPv4",
    endpoints: [
      {
        addresses: ["10.244.1.9"],
        nodeName: "n2",
        conditions: { ready: true, serving: true, terminating: false },
        hints: { forZones: [{ name: "z" }], forNodes: [{ name: "n1" }] },
      },
    ],
    ports: [{ name: "", port: 80, protocol: "TCP" }],
  },
  {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name: "e" },
    subsets: [{ addresses: [{ ip: "10.9.9.9", nodeName: "n1" }], ports: [{ port: 80, name: "x" }] }],
  },
  { apiVersion: "v1", kind: "Service", metadata: { name: "e" }, spec: { ports: [{ port: 80, name: "x" }] } },
  {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "iptables",
    clusterCIDR: "10.244.0.0/16",
    detectLocalMode: "ClusterCIDR",
    detectLocal: { bridgeInterface: "", interfaceNamePrefix: "" },
    iptables: { masqueradeAll: false, masqueradeBit: 14, localhostNodePorts: true },
    conntrack: { tcpBeLiberal: false },
    nodePortAddresses: ["192.168.0.0/16"],
    featureGates: { A: true },
  },
  {
    apiVersion: "kubeadm.k8s.io/v1beta3",
    kind: "ClusterConfiguration",
    networking: { podSubnet: "10.244.0.0/16", serviceSubnet: "10.96.0.0/12", dnsDomain: "cluster.local" },
    apiServer: { extraArgs: { "service-node-port-range": "30000-32767" } },
  },
  { cniVersion: "1.0.0", name: "cbr0", plugins: [{ type: "flannel", delegate: { hairpinMode: true } }] },
  { Network: "10.244.0.0/16", SubnetLen: 24, Backend: { Type: "vxlan", VNI: 1 } },
  {
    apiVersion: "v1",
    kind: "List",
    items: [{ apiVersion: "v1", kind: "Namespace", metadata: { name: "x" } }],
  },
];

type Step = string | number;

function pathsOf(value: unknown, base: readonly Step[] = []): (readonly Step[])[] {
  if (typeof value !== "object" || value === null) return [base];
  const inner = Object.entries(value).flatMap(([key, one]) =>
    pathsOf(one, [...base, Array.isArray(value) ? Number(key) : key]),
  );
  return base.length === 0 ? inner : [base, ...inner];
}

function replaced(value: unknown, [step, ...rest]: readonly Step[], by: unknown): unknown {
  if (step === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  const inside = copy as Record<Step, unknown>;
  inside[step] = replaced(inside[step], rest, by);
  return copy;
}

const ALL = DOCUMENTS.flatMap((document, i) => pathsOf(document).map((path) => ({ i, path })));

const JUNK = fc.constantFrom<unknown>(
  ...[null, undefined, 0, -1, 1.5, 1e10, 65_536, true, false, "", "x", "None", "***HIDDEN***", "\u0000"],
  ...["10.0.0.1", "10.0.0.0/8", "10.244.0.0/31", "0.0.0.0/0", "255.255.255.255", "127.0.0.1", "fd00::1"],
  ...["fd00::/64", "a".repeat(300), [], {}, [null], [[]], ["x"], [1], { a: null }, { x: { y: 1 } }],
);

const QUESTIONS = [
  ["trace", "node/n1", "10.96.0.9:80", "-o", "json"],
  ["trace", "10.244.0.9", "10.96.0.9:80", "--at", "node/n1"],
  ["trace", "pod/a", "svc/t:80"],
  ["export", "--node", "n1", "--format", "iptables-save"],
  ["export", "--node", "n1", "--format", "snapshot"],
];

const folder = mkdtempSync(join(tmpdir(), "hopscope-"));
const path = join(folder, "cluster.yaml");

function write(documents: readonly unknown[]): void {
  writeFileSync(path, documents.map((document) => `---\n${JSON.stringify(document)}\n`).join(""));
}

describe("a cluster's documents", () => {
  it("are right as they are", async () => {
    write(DOCUMENTS);
    for (const question of QUESTIONS) {
      const { err, code } = await hopscope([...question, "-f", path]);
      expect(err.replace(/^warning: .*\n/gm, "")).toBe("");
      expect(code).toBeLessThanOrEqual(1);
    }
  });

  it("with anything in the place of any field are answered, or refused in clear lines", async () => {
    const mutation = fc.record({ at: fc.constantFrom(...ALL), by: JUNK });
    await fc.assert(
      fc.asyncProperty(
        fc.array(mutation, { minLength: 1, maxLength: 2 }),
        fc.constantFrom(...QUESTIONS),
        async (mutations, question) => {
          const documents: unknown[] = [...DOCUMENTS];
          for (const { at, by } of mutations) documents[at.i] = replaced(documents[at.i], at.path, by);
          write(documents);
          const { out, err, code } = await hopscope([...question, "-f", path]);
          expect(code, err).toBeLessThanOrEqual(2);
          for (const line of err.trimEnd().split("\n")) expect(line).toMatch(/^(?:$|error: |warning: )/);
          expect(err).not.toMatch(/undefined|\[object|NaN/);
          if (code === 2) expect(out).toBe("");
        },
      ),
      { numRuns: 250 },
    );
  });
});
