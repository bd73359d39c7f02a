import { describe, expect, it } from "vitest";
import type { Flow, Party } from "../../src/policy/verdict/flow.ts";
import type { PolicyWorld } from "./policy-world.ts";
import { shopWith } from "./shop.ts";

/**
 * What the Kubernetes documentation ("Network Policies"), the network policy API's (KEP-2091: "Allow", "Deny", "Pass", the
 * baseline) and Calico's ("Get started with Calico network policy", "host endpoints") say in words, written down by hand. Both the reading of the objects and
 * the programmed rules must say so.
 */

interface Recipe {
  readonly name: string;
  readonly policies: string;
  /** `yes` or `no`, then `from -> to:port/PROTO`, commas between flows. */
  readonly rows: readonly string[];
}

const NP = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
const ANP = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\n";
const BANP = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\n";
const GNP = "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n";
const HEP = "apiVersion: projectcalico.org/v3\nkind: HostEndpoint\n";

const RECIPES: readonly Recipe[] = [
  {
    name: "by default, a pod is non-isolated",
    policies: "",
    rows: [
      "yes shop/web -> back/db:5432/TCP, 198.51.100.7 -> shop/web:80/TCP, shop/web -> 198.51.100.7:443/TCP",
      "yes n1 -> shop/api:80/TCP, shop/api -> n1:6443/TCP, shop/web -> shop/api:80/SCTP",
    ],
  },
  {
    name: "default deny all ingress traffic",
    policies: `${NP}metadata: {name: default-deny-ingress, namespace: shop}
spec:
  podSelector: {}
  policyTypes:
  - Ingress`,
    rows: [
      "no shop/web -> shop/api:80/TCP, back/db -> shop/web:80/TCP, 198.51.100.7 -> shop/web:80/TCP, n2 -> shop/web:80/TCP",
      "yes shop/web -> back/db:5432/TCP, shop/web -> 198.51.100.7:443/TCP",
      // The pod's own node is always let in: the kubelet must ask it how it is.
      "yes n1 -> shop/web:80/TCP, n2 -> shop/api:80/TCP",
    ],
  },
  {
    name: "allow all ingress traffic, beside one that denies it",
    policies: `${NP}metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
---
${NP}metadata: {name: allow-all-ingress, namespace: shop}
spec:
  podSelector: {}
  ingress:
  - {}
  policyTypes:
  - Ingress`,
    rows: ["yes back/db -> shop/web:80/TCP, 198.51.100.7 -> shop/api:443/TCP, shop/web -> shop/api:53/UDP"],
  },
  {
    name: "default deny all egress traffic",
    policies: `${NP}metadata: {name: default-deny-egress, namespace: shop}
spec:
  podSelector: {}
  policyTypes:
  - Egress`,
    rows: [
      "no shop/web -> shop/api:80/TCP, shop/web -> back/db:5432/TCP, shop/api -> 198.51.100.7:443/TCP, shop/web -> n1:6443/TCP",
      "yes back/db -> shop/web:80/TCP, n1 -> shop/web:80/TCP, n2 -> shop/web:80/TCP",
    ],
  },
  {
    name: "the NetworkPolicy resource: one of role, namespace and block, on one port",
    policies: `${NP}metadata: {name: test-network-policy, namespace: back}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - ipBlock:
        cidr: 198.51.0.0/16
        except: [198.51.200.0/24]
    - namespaceSelector: {matchLabels: {team: sales}}
    - podSelector: {matchLabels: {app: web}}
    ports:
    - {protocol: TCP, port: 5432}
  egress:
  - to:
    - ipBlock: {cidr: 203.0.113.0/24}
    ports:
    - {protocol: TCP, port: 443}`,
    rows: [
      "yes shop/web -> back/db:5432/TCP, shop/api -> back/db:5432/TCP, back/web -> back/db:5432/TCP, 198.51.100.7 -> back/db:5432/TCP",
      "no tools/probe -> back/db:5432/TCP, 203.0.113.9 -> back/db:5432/TCP, shop/web -> back/db:80/TCP, n2 -> back/db:5432/TCP",
      "yes back/db -> 203.0.113.9:443/TCP",
      "no back/db -> 203.0.113.9:80/TCP, back/db -> 198.51.100.7:443/TCP, back/db -> shop/web:80/TCP",
      "yes back/web -> shop/web:80/TCP, shop/web -> back/web:80/TCP",
    ],
  },
  {
    name: "namespaceSelector AND podSelector in one peer",
    policies: `${NP}metadata: {name: a, namespace: back}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {team: sales}}
      podSelector: {matchLabels: {app: web}}`,
    rows: [
      "yes shop/web -> back/db:5432/TCP",
      "no shop/api -> back/db:5432/TCP, back/web -> back/db:5432/TCP, tools/probe -> back/db:5432/TCP",
    ],
  },
  {
    name: "namespaceSelector OR podSelector in two peers",
    policies: `${NP}metadata: {name: a, namespace: back}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {team: sales}}
    - podSelector: {matchLabels: {app: web}}`,
    rows: [
      "yes shop/web -> back/db:5432/TCP, shop/api -> back/db:5432/TCP, back/web -> back/db:5432/TCP",
      "no tools/probe -> back/db:5432/TCP",
    ],
  },
  {
    name: "targeting a range of ports",
    policies: `${NP}metadata: {name: multi-port-egress, namespace: tools}
spec:
  podSelector: {matchLabels: {app: probe}}
  policyTypes: [Egress]
  egress:
  - to:
    - ipBlock: {cidr: 10.0.0.0/8}
    ports:
    - {protocol: TCP, port: 5000, endPort: 8000}`,
    rows: [
      "yes tools/probe -> back/db:5432/TCP, tools/probe -> n1:6443/TCP",
      "no tools/probe -> shop/web:80/TCP, tools/probe -> shop/api:8080/TCP, tools/probe -> 198.51.100.7:5432/TCP",
    ],
  },
  {
    name: "targeting a namespace by its name",
    policies: `${NP}metadata: {name: a, namespace: shop}
spec:
  podSelector: {}
  ingress:
  - from:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: tools}`,
    rows: [
      "yes tools/probe -> shop/web:80/TCP",
      "no back/db -> shop/web:80/TCP, shop/api -> shop/web:80/TCP",
    ],
  },
  {
    name: "a named port is the selected pod's",
    policies: `${NP}metadata: {name: a, namespace: shop}
spec:
  podSelector: {}
  ingress:
  - ports: [{port: http}]`,
    rows: [
      "yes back/db -> shop/web:80/TCP, back/db -> shop/api:8080/TCP",
      "no back/db -> shop/web:8080/TCP, back/db -> shop/api:80/TCP, back/db -> shop/web:80/UDP",
    ],
  },
  {
    name: "SCTP support",
    policies: `${NP}metadata: {name: a, namespace: shop}
spec:
  podSelector: {}
  ingress:
  - ports: [{protocol: SCTP, port: 80}]`,
    rows: ["yes back/db -> shop/web:80/SCTP", "no back/db -> shop/web:80/TCP, back/db -> shop/web:80/UDP"],
  },
  {
    name: "allow traffic at a high priority, whatever a NetworkPolicy says",
    policies: `${ANP}metadata: {name: monitoring}
spec:
  priority: 9
  subject: {namespaces: {}}
  ingress:
  - name: allow-from-monitoring
    action: Allow
    from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: tools}}}]
---
${NP}metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}`,
    rows: [
      "yes tools/probe -> shop/web:80/TCP",
      "no back/db -> shop/web:80/TCP, 198.51.100.7 -> shop/web:80/TCP",
    ],
  },
  {
    name: "the lowest priority number decides, and deny is final",
    policies: `${ANP}metadata: {name: deny-store}
spec:
  priority: 10
  subject: {namespaces: {matchLabels: {team: sales}}}
  ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: store}}}]}]
---
${ANP}metadata: {name: allow-all}
spec:
  priority: 20
  subject: {namespaces: {}}
  ingress: [{action: Allow, from: [{namespaces: {}}]}]
---
${NP}metadata: {name: allow, namespace: shop}
spec: {podSelector: {}, ingress: [{}]}`,
    rows: [
      "no back/db -> shop/web:80/TCP",
      "yes tools/probe -> shop/web:80/TCP, 198.51.100.7 -> shop/web:80/TCP",
    ],
  },
  {
    name: "pass delegates to NetworkPolicies, and past them to the baseline",
    policies: `${ANP}metadata: {name: a}
spec:
  priority: 1
  subject: {namespaces: {}}
  ingress: [{action: Pass, from: [{namespaces: {matchLabels: {team: store}}}]}]
---
${ANP}metadata: {name: b}
spec:
  priority: 2
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
---
${NP}metadata: {name: own, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}
---
${BANP}metadata: {name: default}
spec:
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 8080}}]}]`,
    rows: [
      "yes back/db -> shop/web:80/TCP, back/db -> shop/api:80/TCP",
      "no back/db -> shop/web:443/TCP, back/db -> shop/api:8080/TCP, tools/probe -> shop/web:80/TCP",
      // The NetworkPolicy is responsible for web: the baseline is not asked.
      "no back/db -> shop/web:8080/TCP",
    ],
  },
  {
    name: "the baseline is overridden by a NetworkPolicy",
    policies: `${BANP}metadata: {name: default}
spec:
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
---
${NP}metadata: {name: own, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{}]}`,
    rows: ["yes back/db -> shop/web:80/TCP", "no back/db -> shop/api:80/TCP, shop/web -> back/db:80/TCP"],
  },
  {
    name: "an admin policy names nobody outside by namespaces: {}",
    policies: `${ANP}metadata: {name: a}
spec:
  priority: 1
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]`,
    rows: ["yes 198.51.100.7 -> shop/web:80/TCP, n2 -> shop/web:80/TCP", "no shop/web -> shop/api:80/TCP"],
  },
  {
    name: "Calico: the lowest order decides, and a policy that selects an endpoint denies the rest",
    policies: `${GNP}metadata: {name: late}
spec: {order: 20, selector: app == 'web', ingress: [{action: Allow}]}
---
${GNP}metadata: {name: early}
spec: {order: 10, selector: app == 'web', ingress: [{action: Deny, protocol: TCP, destination: {ports: [80]}}]}
---
${GNP}metadata: {name: other}
spec: {order: 5, selector: app == 'db', ingress: [{action: Allow, protocol: TCP, destination: {ports: [5432]}}]}`,
    rows: [
      "no back/db -> shop/web:80/TCP, shop/web -> back/db:80/TCP",
      "yes back/db -> shop/web:443/TCP, shop/web -> back/db:5432/TCP, back/db -> 198.51.100.7:80/TCP",
    ],
  },
  {
    name: "Calico: selector negates who, notSelector negates the match",
    policies: `${GNP}metadata: {name: a}
spec: {selector: app == 'web', types: [Ingress], ingress: [{action: Allow, source: {selector: "!has(tier)"}}]}
---
${GNP}metadata: {name: b}
spec: {selector: app == 'api', types: [Ingress], ingress: [{action: Allow, source: {notSelector: has(tier)}}]}`,
    rows: [
      "yes back/db -> shop/web:80/TCP, back/db -> shop/api:80/TCP, 198.51.100.7 -> shop/api:80/TCP",
      "no shop/api -> shop/web:80/TCP, shop/web -> shop/api:80/TCP, 198.51.100.7 -> shop/web:80/TCP",
    ],
  },
  {
    name: "Calico: a host endpoint denies all but failsafe ports, and not its own pods",
    policies: `${HEP}metadata: {name: n1, labels: {role: node}}
spec: {node: n1, interfaceName: eth0}`,
    rows: [
      "no n2 -> n1:80/TCP, 198.51.100.7 -> n1:443/TCP, n1 -> 198.51.100.7:80/TCP, n1 -> shop/api:80/TCP",
      "yes 198.51.100.7 -> n1:6443/TCP, n1 -> 198.51.100.7:53/UDP",
      "yes shop/web -> n1:80/TCP, n1 -> shop/web:80/TCP, 198.51.100.7 -> shop/web:80/TCP, shop/web -> 198.51.100.7:80/TCP",
    ],
  },
];

function partyNamed(world: PolicyWorld, name: string): Party {
  const found = world.parties.find(({ workload, node, address }) =>
    workload === null ? (node ?? address) === name : `${workload.namespace}/${workload.name}` === name,
  );
  if (found === undefined) throw new Error(`nobody is called ${name}`);
  return found;
}

function flowOf(world: PolicyWorld, text: string): Flow {
  const [, from = "", to = "", port, protocol = ""] = /^(\S+) -> (.+):(\d+)\/(\w+)$/.exec(text) ?? [];
  return {
    source: partyNamed(world, from),
    destination: partyNamed(world, to),
    ...{ protocol, port: Number(port), sourcePort: 40_000 },
  };
}

describe.each(RECIPES)("$name", ({ policies, rows }) => {
  const world = shopWith(policies);
  const flows = rows.flatMap((row) => {
    const [, answer = "", list = ""] = /^(yes|no) (.+)$/.exec(row) ?? [];
    return list.split(", ").map((text): [string, string] => [answer, text]);
  });
  it.each(flows)("%s: %s", (answer, text) => {
    const flow = flowOf(world, text);
    const isAllowed = answer === "yes";
    expect({ said: world.says(flow), went: world.passes(flow) }).toEqual({
      said: isAllowed,
      went: isAllowed,
    });
  });
});
