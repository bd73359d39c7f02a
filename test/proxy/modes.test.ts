import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PROXY_MODES, type ProxyMode } from "../../src/proxy/configuration.ts";
import { someEndpoints } from "./arbitrary-endpoints.ts";
import { CASES, type ProxyCase } from "./cases.ts";
import { ends, type Flow, flow } from "./flows.ts";
import { programmedIn } from "./mode-hosts.ts";
import { type EndpointText, service, slice } from "./objects.ts";
import { exchanged } from "./six.ts";

/** Where one node sends packets in each mode, by the walk, and what the modes do in their own way. */

const CLUSTER_IP = "10.96.0.10:80";
const WRONG_PORT = "10.96.0.10:81";
const UNALLOCATED = "10.96.0.99:80";
const VIP = "203.0.113.9:80";
const EXTERNAL_IP = "192.0.2.1:80";
const NODE_PORT = "192.168.1.1:30080";
const BRIDGE_NODE_PORT = "10.1.0.1:30080";
const LOCALHOST = "127.0.0.1:30080";
const A = "10.1.0.2:8080";
const B = "10.1.1.2:8080";
const MASQ = (endpoint: string): string => `${endpoint} masqueraded`;

type PerMode = Readonly<Record<ProxyMode, readonly string[]>>;

/** Of iptables, nftables, IPVS. */
function apart(iptables: string[], nftables: string[], ipvs: string[]): PerMode {
  return { iptables, nftables, ipvs };
}

const REJECTED = apart(["rule-reject"], ["rule-reject"], ["ipvs-no-server"]);
/** IPVS keeps to no policy that leaves nobody. */
const DROPPED_BUT_IN_IPVS = apart(["rule-drop"], ["rule-drop"], [B]);

const FLOWS: readonly (readonly [string, Flow["from"], string, string[] | PerMode])[] = [
  ["cluster-ip", "pod", CLUSTER_IP, [A, B]],
  ["cluster-ip", "outside", CLUSTER_IP, [MASQ(A), MASQ(B)]],
  ["cluster-ip", "10.1.0.2", CLUSTER_IP, [MASQ(A), B]],
  ["cluster-ip", "pod", WRONG_PORT, apart([WRONG_PORT], ["rule-reject"], ["rule-reject"])],
  ["cluster-ip", "outside", WRONG_PORT, apart([WRONG_PORT], ["rule-reject"], ["rule-reject"])],
  ["cluster-ip", "node", WRONG_PORT, apart([WRONG_PORT], ["rule-reject"], ["rule-reject"])],
  ["cluster-ip", "pod", UNALLOCATED, apart([UNALLOCATED], ["rule-drop"], [UNALLOCATED])],
  ["cluster-ip", "node", UNALLOCATED, apart([UNALLOCATED], ["rule-drop"], [UNALLOCATED])],
  ["masquerade-all", "pod", CLUSTER_IP, [MASQ(A)]],
  ["masquerade-all", "pod", NODE_PORT, [A]],
  ["no-detector", "outside", CLUSTER_IP, [A]],
  ["no-detector", "pod", NODE_PORT, [A]],
  // A node's own packet to a cluster IP has that address as source, as it is the node's.
  ["no-detector", "node", CLUSTER_IP, apart([A], [A], [MASQ(A)])],
  ["bridge-interface", "pod", NODE_PORT, [A]],
  ["bridge-interface", "outside", CLUSTER_IP, [MASQ(A)]],
  ["interface-prefix", "outside", CLUSTER_IP, [MASQ(A)]],
  ["node-cidr", "outside", CLUSTER_IP, [MASQ(A)]],
  ["node-port", "outside", NODE_PORT, [MASQ(B)]],
  ["node-port", "pod", NODE_PORT, [MASQ(B)]],
  ["node-port", "node", NODE_PORT, [B]],
  ["node-port", "node", LOCALHOST, apart([B], ["no-listener-tcp"], ["no-listener-tcp"])],
  ["node-port", "pod", BRIDGE_NODE_PORT, apart([MASQ(B)], ["no-listener-tcp"], [MASQ(B)])],
  ["node-port-addresses", "pod", BRIDGE_NODE_PORT, ["no-listener-tcp"]],
  ["node-port-addresses", "pod", NODE_PORT, [MASQ(A)]],
  ["load-balancer", "outside", VIP, [MASQ(B)]],
  ["load-balancer-proxy", "outside", VIP, [VIP]],
  ["external-ips", "outside", EXTERNAL_IP, [MASQ(B)]],
  ["external-ips", "pod", EXTERNAL_IP, [MASQ(B)]],
  ["external-ips-local", "outside", EXTERNAL_IP, [A]],
  ["source-ranges", "outside", VIP, [MASQ(B)]],
  ["source-ranges", "pod", VIP, ["rule-drop"]],
  ["source-ranges", "node", VIP, ["rule-drop"]],
  ["source-ranges", "pod", NODE_PORT, [MASQ(B)]],
  ["source-ranges-node", "node", VIP, [B]],
  ["source-ranges-no-endpoints", "outside", VIP, REJECTED],
  // Only iptables mode forgets the ranges of a Service that has no endpoints.
  ["source-ranges-no-endpoints", "pod", VIP, apart(["rule-reject"], ["rule-drop"], ["rule-drop"])],
  ["internal-local", "pod", CLUSTER_IP, [A]],
  ["internal-local-none", "pod", CLUSTER_IP, apart(["rule-drop"], ["rule-drop"], ["ipvs-no-server"])],
  ["internal-local-none", "node", CLUSTER_IP, apart(["rule-drop"], ["rule-drop"], ["ipvs-no-server"])],
  ["internal-local-node-port", "outside", NODE_PORT, [MASQ(A), MASQ(B)]],
  ["external-local", "outside", NODE_PORT, [A]],
  // IPVS knows no way past the policy for pods and the node.
  ["external-local", "pod", NODE_PORT, apart([A, B], [A, B], [A])],
  ["external-local", "node", NODE_PORT, apart([MASQ(A), B], [MASQ(A), B], [A])],
  ["external-local-none", "outside", VIP, DROPPED_BUT_IN_IPVS],
  ["external-local-none", "outside", EXTERNAL_IP, DROPPED_BUT_IN_IPVS],
  ["external-local-none", "outside", NODE_PORT, DROPPED_BUT_IN_IPVS],
  ["external-local-none", "pod", VIP, [B]],
  ["external-local-none", "node", NODE_PORT, [B]],
  ["external-local-none", "outside", CLUSTER_IP, [MASQ(B)]],
  ["no-endpoints", "pod", CLUSTER_IP, REJECTED],
  ["no-endpoints", "outside", EXTERNAL_IP, REJECTED],
  ["no-endpoints", "outside", NODE_PORT, REJECTED],
  ["no-endpoints", "node", CLUSTER_IP, REJECTED],
  ["terminating-local", "outside", NODE_PORT, [A]],
  ["terminating-local", "pod", NODE_PORT, apart([B], [B], [A])],
  ["terminating-remote", "outside", NODE_PORT, DROPPED_BUT_IN_IPVS],
  ["zone-hints", "pod", CLUSTER_IP, ["10.1.1.3:8080"]],
  ["affinity", "pod", CLUSTER_IP, [A, B]],
];

/** An end with its address exchanged. */
function inSix(end: string): string {
  const [, address, rest] = /^([\d.]+)(:.*)$/.exec(end) ?? [];
  return address === undefined ? end : `[${exchanged(address)}]${rest}`;
}

function caseNamed(name: string): ProxyCase {
  const found = CASES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no case ${name}`);
  return found;
}

function asked(from: Flow["from"], text: string): Flow {
  const [to = "", port = ""] = text.split(":");
  return { from, to, port: Number(port) };
}

describe.each(PROXY_MODES)("where packets go in mode %s", (mode) => {
  it.each(FLOWS)("%s: from %s to %s", (name, from, to, expected) => {
    const wanted = Array.isArray(expected) ? expected : (expected as PerMode)[mode];
    expect(ends(programmedIn(mode, caseNamed(name)), asked(from, to))).toEqual(wanted);
  });

  it.each(FLOWS)("in IPv6, %s: from %s to %s", (name, from, to, expected) => {
    if (to === LOCALHOST) return;
    const wanted = Array.isArray(expected) ? expected : (expected as PerMode)[mode];
    expect(ends(programmedIn(mode, caseNamed(name), 6), asked(from, to), 6)).toEqual(
      wanted.map(inSix).sort(),
    );
  });

  it("in IPv6 no mode serves node ports at ::1", () => {
    const node = programmedIn(mode, caseNamed("node-port"), 6);
    expect(ends(node, asked("node", LOCALHOST), 6)).toEqual(["no-listener-tcp"]);
  });

  it("UDP and TCP on one port are apart", () => {
    const node = programmedIn(mode, caseNamed("three-protocols"));
    expect(ends(node, { from: "pod", to: "10.96.0.20", port: 7000, proto: "udp" })).toEqual([
      "10.1.0.2:7000",
    ]);
  });

  it.each([
    ["v1.20.4", "iptables ipvs"],
    ["v1.24.17", "iptables ipvs"],
    ["v1.29.0", "iptables ipvs nftables"],
    ["v1.32.3", "iptables ipvs nftables"],
  ])("kube-proxy %s sends them where the newest does", (version, modes) => {
    if (!modes.split(" ").includes(mode)) return;
    for (const [name, from, to] of FLOWS.filter(([one]) =>
      ["cluster-ip", "node-port", "source-ranges"].includes(one),
    )) {
      if (WHICH_RELEASE.has(to)) continue;
      const given = caseNamed(name);
      const old = { ...given, node: { ...given.node, version } };
      expect([name, from, to, ends(programmedIn(mode, old), asked(from, to))]).toEqual([
        ...[name, from, to],
        ends(programmedIn(mode, given), asked(from, to)),
      ]);
    }
  });
});

/** What a release does with them is another thing in each. */
const WHICH_RELEASE: ReadonlySet<string> = new Set([WRONG_PORT, UNALLOCATED, VIP, BRIDGE_NODE_PORT]);

describe("what releases do in their own way", () => {
  it.each<[string, ProxyMode, Flow["from"], string, string[]]>([
    ["v1.20.4", "ipvs", "pod", WRONG_PORT, ["no-listener-tcp"]],
    ["v1.26.0", "ipvs", "pod", WRONG_PORT, ["rule-reject"]],
    ["v1.29.3", "nftables", "pod", WRONG_PORT, [WRONG_PORT]],
    ["v1.30.0", "nftables", "pod", WRONG_PORT, ["rule-reject"]],
    ["v1.32.0", "nftables", "pod", UNALLOCATED, [UNALLOCATED]],
    ["v1.33.0", "nftables", "pod", UNALLOCATED, ["rule-drop"]],
  ])("%s, %s: from %s to %s", (version, mode, from, to, expected) => {
    const given = caseNamed("cluster-ip");
    expect(ends(programmedIn(mode, { ...given, node: { version } }), asked(from, to))).toEqual(expected);
  });

  it.each<[string, ProxyMode, string[]]>([
    ["v1.28.5", "ipvs", [B]],
    ["v1.29.0", "ipvs", ["rule-drop"]],
    ["v1.30.0", "nftables", ["rule-drop"]],
  ])(
    "%s, %s: a node that source ranges leave out asks for a load balancer's address",
    (version, mode, expected) => {
      const given = caseNamed("source-ranges");
      expect(ends(programmedIn(mode, { ...given, node: { version } }), asked("node", VIP))).toEqual(expected);
    },
  );

  it.each<[string, string[]]>([
    ["v1.30.0", [MASQ(B)]],
    ["v1.31.0", ["no-listener-tcp"]],
  ])("%s, nftables: node ports at other addresses than the primary", (version, expected) => {
    const given = caseNamed("node-port");
    expect(
      ends(programmedIn("nftables", { ...given, node: { version } }), asked("pod", BRIDGE_NODE_PORT)),
    ).toEqual(expected);
  });
});

const aService = fc.record({
  endpoints: someEndpoints,
  hinted: fc.boolean(),
});

type Given = typeof aService extends fc.Arbitrary<infer T> ? T : never;

function objectsOf({ endpoints, hinted }: Given): Pick<ProxyCase, "services" | "slices"> {
  const texts = endpoints.map(({ zones, ...rest }): EndpointText => (hinted ? { ...rest, zones } : rest));
  return {
    services: [
      service("shop/web", {
        type: "NodePort",
        clusterIP: "10.96.0.10",
        ports: [{ name: "http", port: 80, nodePort: 30080 }],
      }),
    ],
    slices: [slice("shop/web", ["http:8080"], texts)],
  };
}

/** Who may be reached, in few words: those ready, in this zone if all say where; else those that still answer. */
function reachable({ endpoints, hinted }: Given): string[] {
  const ready = endpoints.filter((one) => one.ready);
  const near = hinted ? ready.filter(({ zones }) => zones.includes("z1")) : [];
  const chosen = near.length > 0 ? near : ready;
  const last = endpoints.filter((one) => !one.ready && one.serving && one.terminating);
  return (chosen.length > 0 ? chosen : last).map(({ ip }) => `${ip}:8080`).sort();
}

describe("the modes agree", () => {
  it.each([
    ["a pod", "pod", CLUSTER_IP],
    ["a client outside", "outside", NODE_PORT],
  ] as const)("whom %s may reach, with equal odds", (_title, from, to) => {
    fc.assert(
      fc.property(aService, (given) => {
        const wanted = reachable(given);
        for (const mode of PROXY_MODES) {
          const found = flow(programmedIn(mode, objectsOf(given)), asked(from, to));
          if (wanted.length === 0) {
            const refusal = mode === "ipvs" ? "ipvs-no-server" : "rule-reject";
            expect([mode, found.map((end) => end.to)]).toEqual([mode, [refusal]]);
            continue;
          }
          expect([mode, found.map((end) => end.to)]).toEqual([mode, wanted]);
          for (const { odds, masqueraded } of found) {
            expect(odds).toBeCloseTo(1 / wanted.length, 8);
            expect(masqueraded).toBe(from === "outside");
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
