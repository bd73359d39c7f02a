import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { disagreements, flowsOf, shopWith } from "./shop.ts";

/** Random policies of every kind over the shop: what the objects say is where packets get. A failure prints its seed. */

const RUNS = 60;
/** Of each family; those of IPv6 are whole walks. */
const FLOWS = { 4: 120, 6: 25 };

const port = fc.constantFrom(80, 443, 8080, 5432, 53, 6443);
const protocol = fc.constantFrom("TCP", "UDP", "SCTP");
const namedPort = fc.constantFrom("http", "sql", "dns", "none");
const net = fc.constantFrom(
  ...[
    "10.1.0.0/16",
    "10.1.1.0/24",
    "10.1.2.0/24",
    "10.1.1.2/32",
    "198.51.100.0/24",
    "0.0.0.0/0",
    "10.0.1.1/32",
    "fd00::/8",
    "fd00:1:1::/48",
    "::/0",
  ],
);
const someNets = fc.uniqueArray(net, { minLength: 1, maxLength: 3 });

const labels = fc.constantFrom(
  ...[{}, { app: "web" }, { app: "api" }, { app: "db" }, { tier: "front" }, { app: "nobody" }],
);
const namespaceLabels = fc.constantFrom(
  ...[{}, { team: "sales" }, { team: "store" }, { "kubernetes.io/metadata.name": "tools" }],
);
const expression = fc.oneof(
  fc.record({
    key: fc.constantFrom("app", "tier", "team"),
    operator: fc.constantFrom("In", "NotIn"),
    values: fc.uniqueArray(fc.constantFrom("web", "db", "front", "sales"), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({
    key: fc.constantFrom("app", "tier", "team"),
    operator: fc.constantFrom("Exists", "DoesNotExist"),
  }),
);
const selectorOf = (map: fc.Arbitrary<object>) =>
  fc.oneof(
    map.map((matchLabels) => ({ matchLabels })),
    fc.record({ matchExpressions: fc.array(expression, { minLength: 1, maxLength: 2 }) }),
  );
const podSelector = selectorOf(labels);
const namespaceSelector = selectorOf(namespaceLabels);

const ipBlock = fc.constantFrom(
  ...[
    { cidr: "10.1.0.0/16", except: ["10.1.1.0/24"] },
    { cidr: "0.0.0.0/0", except: ["10.1.1.3/32", "10.1.2.0/24"] },
    { cidr: "198.51.100.0/24" },
    { cidr: "fd00::/8", except: ["fd00:1:2::/48"] },
  ],
);
const peer = fc.oneof(
  fc.record({ podSelector }),
  fc.record({ namespaceSelector }),
  fc.record({ podSelector, namespaceSelector }),
  fc.record({ ipBlock }),
);
const policyPort = fc.oneof(
  fc.record({ protocol, port }),
  fc.record({ protocol }),
  fc.record({ protocol, port: namedPort }),
  fc.record({
    protocol,
    port: fc.integer({ min: 1, max: 500 }),
    endPort: fc.integer({ min: 500, max: 9000 }),
  }),
);
const ports = fc.array(policyPort, { maxLength: 3 });
const peers = fc.array(peer, { maxLength: 3 });
const types = fc.constantFrom(["Ingress"], ["Egress"], ["Ingress", "Egress"]);
const NAMESPACES = fc.constantFrom("shop", "back", "tools");

const networkPolicy = fc.record({
  apiVersion: fc.constant("networking.k8s.io/v1"),
  kind: fc.constant("NetworkPolicy"),
  metadata: fc.record({ namespace: NAMESPACES }),
  spec: fc.record({
    podSelector,
    policyTypes: types,
    ingress: fc.array(fc.record({ from: peers, ports }), { maxLength: 3 }),
    egress: fc.array(fc.record({ to: peers, ports }), { maxLength: 3 }),
  }),
});

const subject = fc.oneof(
  fc.record({ namespaces: namespaceSelector }),
  fc.record({ pods: fc.record({ namespaceSelector, podSelector }) }),
);
const adminPeer = fc.oneof(
  subject,
  fc.record({ networks: someNets }),
  fc.record({ nodes: fc.constantFrom({}, { matchLabels: { zone: "a" } }, { matchLabels: { zone: "c" } }) }),
);
const adminPorts = fc.array(
  fc.oneof(
    fc.record({ portNumber: fc.record({ protocol, port }) }),
    fc.record({
      portRange: fc.record({ protocol, start: fc.constant(60), end: port.filter((n) => n > 60) }),
    }),
    fc.record({ namedPort }),
  ),
  { maxLength: 2 },
);
const adminRules = (actions: readonly string[], field: string, of: fc.Arbitrary<object>) =>
  fc.array(
    fc.record({
      action: fc.constantFrom(...actions),
      [field]: fc.array(of, { minLength: 1, maxLength: 2 }),
      ports: adminPorts,
    }),
    { maxLength: 3 },
  );
const adminSpec = (actions: readonly string[]) => ({
  subject,
  ingress: adminRules(actions, "from", subject),
  egress: adminRules(actions, "to", adminPeer),
});
const adminPolicy = fc.record({
  apiVersion: fc.constant("policy.networking.k8s.io/v1alpha1"),
  kind: fc.constant("AdminNetworkPolicy"),
  metadata: fc.constant({}),
  spec: fc.record({ ...adminSpec(["Allow", "Deny", "Pass"]), priority: fc.integer({ min: 0, max: 3 }) }),
});
const baseline = fc.record({
  apiVersion: fc.constant("policy.networking.k8s.io/v1alpha1"),
  kind: fc.constant("BaselineAdminNetworkPolicy"),
  metadata: fc.constant({ name: "default" }),
  spec: fc.record(adminSpec(["Allow", "Deny"])),
});

const selector = fc.constantFrom(
  ...[
    "all()",
    "",
    "app == 'web'",
    "has(tier)",
    "!has(tier)",
    "app in {'db', 'api'}",
    "app != 'web' && has(app)",
  ],
  ...["kind == 'friend'", "app == 'web' || kind == 'friend'", "app starts with 'p'", "has(nothing)"],
);
const calicoPort = fc.oneof(port, namedPort, fc.constantFrom("50:90", "400:9000"));
const accounts = fc.constantFrom({ names: ["robot"] }, { selector: "role == 'bot'" }, { names: ["default"] });
const sometimes = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 3 });
const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: 3 }, { arbitrary: value, weight: 1 });

const entity = (hasPorts: boolean) =>
  fc.record({
    nets: rarely(someNets),
    notNets: rarely(someNets),
    selector: sometimes(selector),
    notSelector: rarely(selector.filter((text) => text !== "")),
    namespaceSelector: rarely(fc.constantFrom("all()", "team == 'sales'", "global()", "!has(team)")),
    serviceAccounts: rarely(accounts),
    ...(hasPorts
      ? {
          ports: sometimes(fc.array(calicoPort, { minLength: 1, maxLength: 3 })),
          notPorts: rarely(fc.tuple(calicoPort)),
        }
      : {}),
  });
/** A rule may not ask for a family and name ranges of the other. */
function ofOneFamily<T extends object>(rule: T): T {
  const { ipVersion, source, destination } = rule as {
    ipVersion?: number;
    source?: { nets?: string[]; notNets?: string[] };
    destination?: { nets?: string[]; notNets?: string[] };
  };
  const nets = [source, destination].flatMap((end) => [...(end?.nets ?? []), ...(end?.notNets ?? [])]);
  const clashes = nets.some((one) => (one.includes(":") ? 6 : 4) !== ipVersion);
  return clashes ? { ...rule, ipVersion: undefined } : rule;
}
const anyCalicoRule = fc.oneof(
  fc.record({
    action: fc.constantFrom("Allow", "Deny", "Pass", "Log"),
    protocol: fc.constantFrom("TCP", "UDP", "SCTP", 6, 17),
    ipVersion: rarely(fc.constantFrom(4, 6)),
    source: rarely(entity(false)),
    destination: sometimes(entity(true)),
  }),
  fc.record({
    action: fc.constantFrom("Allow", "Deny", "Pass", "Log"),
    notProtocol: rarely(fc.constantFrom("TCP", "UDP", 132)),
    source: sometimes(entity(false)),
    destination: rarely(entity(false)),
  }),
);
const calicoRule = anyCalicoRule.map(ofOneFamily);
const services = fc.record({
  name: fc.constantFrom("front", "front", "nobody"),
  namespace: fc.constantFrom("shop", "tools"),
});
const ofService = (side: "source" | "destination") =>
  fc.record({
    action: fc.constantFrom("Allow", "Deny", "Pass"),
    protocol: rarely(fc.constantFrom("TCP", "UDP")),
    [side]: fc.record({ services }),
  });
const calicoRules = (side: "source" | "destination") =>
  fc.array(fc.oneof({ arbitrary: calicoRule, weight: 5 }, { arbitrary: ofService(side), weight: 1 }), {
    maxLength: 3,
  });
const calicoSpec = {
  tier: fc.constantFrom(undefined, undefined, "soft", "hard", "default"),
  order: fc.option(fc.constantFrom(1, 10, 1000), { nil: undefined }),
  selector,
  serviceAccountSelector: rarely(fc.constantFrom("role == 'bot'", "all()")),
  types: sometimes(types),
  ingress: calicoRules("source"),
  egress: calicoRules("destination"),
};
const calicoPolicy = fc.record({
  apiVersion: fc.constant("projectcalico.org/v3"),
  kind: fc.constant("NetworkPolicy"),
  metadata: fc.record({ namespace: NAMESPACES }),
  spec: fc.record(calicoSpec),
});
const globalPolicy = fc.record({
  apiVersion: fc.constant("projectcalico.org/v3"),
  kind: fc.constant("GlobalNetworkPolicy"),
  metadata: fc.constant({}),
  spec: fc.record({
    ...calicoSpec,
    namespaceSelector: rarely(fc.constantFrom("all()", "team == 'store'", "global()")),
    applyOnForward: fc.constant(false),
  }),
});

const FIXED = [
  { kind: "Tier", metadata: { name: "soft" }, spec: { order: 10, defaultAction: "Pass" } },
  { kind: "Tier", metadata: { name: "hard" }, spec: { order: 20 } },
  {
    kind: "GlobalNetworkSet",
    metadata: { name: "friends", labels: { kind: "friend" } },
    spec: { nets: ["198.51.100.0/24", "10.1.2.0/28"] },
  },
].map((object) => ({ apiVersion: "projectcalico.org/v3", ...object }));
const hostEndpoint = {
  apiVersion: "projectcalico.org/v3",
  kind: "HostEndpoint",
  metadata: { name: "n1", labels: { app: "web", kind: "friend" } },
  spec: { node: "n1", interfaceName: "eth0", expectedIPs: ["10.0.1.1"] },
};

const policies = fc.record({
  list: fc.array(fc.oneof(networkPolicy, networkPolicy, adminPolicy, calicoPolicy, globalPolicy), {
    minLength: 2,
    maxLength: 8,
  }),
  baseline: fc.option(baseline),
  hasHostEndpoint: fc.boolean(),
});

function documents(given: {
  list: readonly object[];
  baseline: object | null;
  hasHostEndpoint: boolean;
}): string {
  const named = given.list.map((object, i) => {
    const { metadata } = object as { metadata: object };
    return { ...object, metadata: { name: `p${i}`, ...metadata } };
  });
  const all = [
    ...FIXED,
    ...named,
    ...(given.baseline === null ? [] : [given.baseline]),
    ...(given.hasHostEndpoint ? [hostEndpoint] : []),
  ];
  return all.map((object) => JSON.stringify(object)).join("\n---\n");
}

describe("random policies", () => {
  it("do to packets what they say", { timeout: 120_000 }, () => {
    let [asked, stopped] = [0, 0];
    fc.assert(
      fc.property(policies, fc.nat(1000), fc.constantFrom<4 | 6>(4, 4, 6), (given, offset, family) => {
        const world = shopWith(documents(given), family);
        const all = flowsOf(world);
        // Every n-th, so that each run sees all parties.
        const step = Math.max(1, Math.floor(all.length / FLOWS[family]));
        const flows = all.filter((_, i) => (i + offset) % step === 0);
        asked += flows.length;
        stopped += flows.filter((flow) => !world.says(flow)).length;
        expect(disagreements(world, flows)).toEqual([]);
      }),
      { numRuns: RUNS },
    );
    // Neither of both answers is rare, or the table would prove little.
    expect(asked).toBeGreaterThan(RUNS * 50);
    expect(stopped / asked).toBeGreaterThan(0.2);
    expect(stopped / asked).toBeLessThan(0.95);
  });
});
