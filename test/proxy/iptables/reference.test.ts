import fc from "fast-check";
import type { Service } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import { describe, expect, it } from "vitest";
import type { LocalDetector } from "../../../src/proxy/configuration.ts";
import { fullSync, IptablesProxier } from "../../../src/proxy/iptables/proxier.ts";
import { restoreText } from "../../../src/proxy/iptables/restore-text.ts";
import { proxyModel } from "../../../src/proxy/model.ts";
import { CONFIGURATION, type EndpointText, NODE, service, slice } from "../objects.ts";
import { type Chains, referenceChains } from "../reference.ts";

const anEndpoint = fc.record({
  ip: fc.integer({ min: 1, max: 14 }).map((i) => `10.1.7.${i}`),
  on: fc.constantFrom(undefined, "n1", "n2", "n3"),
  ready: fc.constantFrom(undefined, true, false),
  serving: fc.constantFrom(undefined, true, false),
  terminating: fc.constantFrom(undefined, true, false),
  zones: fc.constantFrom<(string[] | undefined)[]>(undefined, ["z1"], ["z2"], ["z1", "z2"]),
  nodes: fc.constantFrom<(string[] | undefined)[]>(undefined, ["n1"], ["n2"]),
});

const aService = fc.record({
  type: fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer"),
  externalIPs: fc.constantFrom<string[][]>([], ["192.0.2.1"], ["192.0.2.1", "192.0.2.9"]),
  vips: fc.constantFrom([], ["203.0.113.9"], ["203.0.113.9", "203.0.113.8"]),
  ranges: fc.constantFrom<string[][]>([], ["198.51.100.0/24"], ["198.51.100.0/24", "192.168.1.1/32"]),
  internal: fc.constantFrom("Cluster", "Local"),
  external: fc.constantFrom("Cluster", "Local"),
  affinity: fc.constantFrom(undefined, 60, 10_800),
  protocol: fc.constantFrom("TCP", "UDP", "SCTP"),
  hinted: fc.boolean(),
  slices: fc.array(fc.array(anEndpoint, { maxLength: 4 }), { maxLength: 3 }),
  second: fc.boolean(),
});

type Given = typeof aService extends fc.Arbitrary<infer T> ? T : never;

function objectsOf(given: Given, i: number): { service: Service; slices: EndpointSlice[] } {
  const name = `shop/s${i}`;
  const nodePort = given.type === "ClusterIP" ? {} : { nodePort: 30_000 + 2 * i };
  const ports = [{ name: "a", port: 80, protocol: given.protocol, ...nodePort }];
  if (given.second)
    ports.push({
      name: "b",
      port: 81,
      protocol: "TCP",
      ...("nodePort" in nodePort ? { nodePort: 30_001 + 2 * i } : {}),
    });
  const made = service(
    name,
    {
      type: given.type,
      clusterIP: `10.96.0.${i + 1}`,
      externalIPs: given.externalIPs,
      loadBalancerSourceRanges: given.ranges,
      internalTrafficPolicy: given.internal,
      externalTrafficPolicy: given.external,
      healthCheckNodePort: 31_000 + i,
      ...(given.affinity === undefined
        ? {}
        : {
            sessionAffinity: "ClientIP",
            sessionAffinityConfig: { clientIP: { timeoutSeconds: given.affinity } },
          }),
      ports,
    },
    { vips: given.vips.map((ip) => ({ ip })) },
  );
  const slices = given.slices.map((endpoints, n) =>
    slice(
      name,
      [`a:8080/${given.protocol}`, "b:9090/TCP"],
      endpoints.map(({ zones, nodes, ...rest }) => {
        const defined = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
        const hints = {
          ...(zones === undefined ? {} : { zones }),
          ...(nodes === undefined ? {} : { nodes }),
        };
        return { ...defined, ...(given.hinted ? hints : {}) } as unknown as EndpointText;
      }),
      `${n}`,
    ),
  );
  return { service: made, slices };
}

/** The same of the text, without what no Service has a part in. */
function chainsOf(text: string): Chains {
  const chains: Chains = new Map();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    const [, chain = "", rest = ""] = /^-A (\S+) (.*)$/.exec(line) ?? [];
    if (!/^KUBE-(SERVICES|EXTERNAL|NODEPORTS|PROXY-FIREWALL|SVC|SVL|EXT|FW|SEP)/.test(chain)) continue;
    if (rest.includes("kubernetes service nodeports")) continue;
    const key = `${table} ${chain}`;
    chains.set(key, [...(chains.get(key) ?? []), rest]);
  }
  return chains;
}

const DETECTORS: readonly (readonly [LocalDetector, string | null])[] = [
  [{ kind: "none" }, null],
  [{ kind: "cluster-cidr", cidrs: ["10.1.0.0/16"] }, "-s 10.1.0.0/16"],
  [{ kind: "bridge-interface", name: "cni0" }, "-i cni0"],
];

describe("what is computed once for many nodes", () => {
  it("is on each what its description says of that node alone", () => {
    fc.assert(
      fc.property(
        fc.array(aService, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...DETECTORS),
        fc.boolean(),
        (given, [detector, local], masqueradeAll) => {
          const made = given.map(objectsOf);
          const services = made.map((one) => one.service);
          const slices = made.flatMap((one) => one.slices);
          const proxier = new IptablesProxier(proxyModel(services, slices), {
            ...CONFIGURATION,
            detector,
            masqueradeAll,
          });
          for (const [name, ip, zone] of [
            ["n1", "192.168.1.1", "z1"],
            ["n2", "192.168.1.2", "z2"],
            ["n3", "192.168.2.3", "z1"],
            ["n4", "192.168.2.4", null],
          ] as const) {
            const rules = proxier.rulesFor({ ...NODE, name, ip, zone });
            const expected = referenceChains(services, slices, { name, ip, zone }, { local, masqueradeAll });
            expect(chainsOf(restoreText(fullSync(rules))), name).toEqual(expected);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
