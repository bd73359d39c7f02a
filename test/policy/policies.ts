/** `kind name[.namespace]` and the spec, as flow YAML. */
function policy(kind: string, name: string, spec: string): string {
  const [own = "", namespace] = name.split("@");
  const where = namespace === undefined ? "" : `, namespace: ${namespace}`;
  return `---\napiVersion: ${VERSIONS[kind]}\nkind: ${kind.replace(/^Calico/, "")}\nmetadata: {name: ${own}${where}}\nspec: ${spec}\n`;
}

const VERSIONS: Readonly<Record<string, string>> = {
  NetworkPolicy: "networking.k8s.io/v1",
  AdminNetworkPolicy: "policy.networking.k8s.io/v1alpha1",
  BaselineAdminNetworkPolicy: "policy.networking.k8s.io/v1alpha1",
  CalicoNetworkPolicy: "projectcalico.org/v3",
  GlobalNetworkPolicy: "projectcalico.org/v3",
  GlobalNetworkSet: "projectcalico.org/v3",
  NetworkSet: "projectcalico.org/v3",
  HostEndpoint: "projectcalico.org/v3",
  Tier: "projectcalico.org/v3",
  Profile: "projectcalico.org/v3",
  FelixConfiguration: "projectcalico.org/v3",
};

const WEB = "podSelector: {matchLabels: {app: web}}";
const np = (name: string, spec: string) => policy("NetworkPolicy", name, spec);
const cnp = (name: string, spec: string) => policy("CalicoNetworkPolicy", name, spec);
const gnp = (name: string, spec: string) => policy("GlobalNetworkPolicy", name, spec);
const anp = (name: string, spec: string) => policy("AdminNetworkPolicy", name, spec);
const banp = (spec: string) => policy("BaselineAdminNetworkPolicy", "default", spec);

/** Sets of policies over the shop, each with what is peculiar to it. */
export const POLICIES: Readonly<Record<string, string>> = {
  "no policy": "",
  "deny all ingress": np("deny@shop", "{podSelector: {}, policyTypes: [Ingress]}"),
  "deny all egress": np("deny@shop", "{podSelector: {}, policyTypes: [Egress]}"),
  "deny everything": np("deny@shop", "{podSelector: {}, policyTypes: [Ingress, Egress]}"),
  "allow all ingress": np("a@shop", "{podSelector: {}, ingress: [{}]}"),
  "ingress of pods of the namespace": np("a@shop", `{${WEB}, ingress: [{from: [{podSelector: {}}]}]}`),
  "ingress of a namespace": np(
    "a@shop",
    `{${WEB}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: store}}}]}]}`,
  ),
  "ingress of a namespace by its name": np(
    "a@shop",
    `{${WEB}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: tools}}}]}]}`,
  ),
  "ingress of pods in all namespaces": np(
    "a@shop",
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}]}]}",
  ),
  "ingress of everybody in namespaces without a label": np(
    "a@shop",
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}]}]}",
  ),
  "either a namespace or pods": np(
    "a@back",
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: sales}}}, {podSelector: {matchLabels: {app: web}}}]}]}",
  ),
  "a block with exceptions": np(
    "a@shop",
    `{${WEB}, ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16, except: [10.1.1.0/24, 10.1.2.3/32]}}, {ipBlock: {cidr: 198.51.100.0/24}}]}]}`,
  ),
  "egress to a block, and of DNS": np(
    "a@shop",
    "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}, {ports: [{port: 53, protocol: UDP}]}]}",
  ),
  "an exception that is everything of the family": np(
    "a@shop",
    "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: '::/0', except: ['fd00::/8']}}]}]}",
  ),
  "ports of several protocols": np(
    "a@shop",
    "{podSelector: {}, ingress: [{ports: [{port: 80}, {port: 53, protocol: UDP}, {port: 80, protocol: SCTP}]}]}",
  ),
  "a protocol without a port": np(
    "a@shop",
    "{podSelector: {}, ingress: [{ports: [{protocol: UDP}, {port: 443}]}]}",
  ),
  "a range of ports": np("a@shop", "{podSelector: {}, ingress: [{ports: [{port: 400, endPort: 8080}]}]}"),
  "a named port of ingress": np("a@shop", "{podSelector: {}, ingress: [{ports: [{port: http}]}]}"),
  "a named port that nobody has": np("a@shop", "{podSelector: {}, ingress: [{ports: [{port: nothing}]}]}"),
  "a named port of egress": np(
    "a@tools",
    "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: http}, {port: sql}, {port: 443}]}]}",
  ),
  "many ports": np(
    "a@shop",
    `{podSelector: {}, ingress: [{ports: [${Array.from({ length: 40 }, (_, i) => `{port: ${60 + i}}`).join(", ")}, {port: http}]}]}`,
  ),
  "two policies add up": [
    np("a@shop", `{${WEB}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]}`),
    np("b@shop", `{${WEB}, ingress: [{ports: [{port: 443}]}]}`),
  ].join(""),
  "both ends must agree": [
    np("a@tools", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 80}, {port: 443}]}]}"),
    np("b@shop", "{podSelector: {}, ingress: [{ports: [{port: 443}]}]}"),
  ].join(""),
  expressions: np(
    "a@back",
    "{podSelector: {matchExpressions: [{key: app, operator: In, values: [db, web]}]}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [sales]}]}, podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}, {key: app, operator: Exists}]}}]}]}",
  ),
  "an admin policy denies before a NetworkPolicy allows": [
    np("a@shop", "{podSelector: {}, ingress: [{}]}"),
    anp(
      "deny",
      "{priority: 10, subject: {namespaces: {matchLabels: {team: sales}}}, ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: store}}}]}]}",
    ),
  ].join(""),
  "an admin policy allows what a NetworkPolicy denies": [
    np("a@shop", "{podSelector: {}, policyTypes: [Ingress]}"),
    anp(
      "allow",
      "{priority: 10, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: probe}}}}], ports: [{portNumber: {protocol: TCP, port: 80}}]}]}",
    ),
  ].join(""),
  "pass leaves it to the NetworkPolicies": [
    np("a@shop", "{podSelector: {}, ingress: [{ports: [{port: 443}]}]}"),
    anp(
      "p",
      "{priority: 5, subject: {namespaces: {}}, ingress: [{action: Pass, from: [{namespaces: {matchLabels: {team: store}}}]}]}",
    ),
    anp("d", "{priority: 6, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"),
  ].join(""),
  "the baseline holds where no NetworkPolicy does": [
    np("a@shop", "{podSelector: {matchLabels: {app: web}}, ingress: [{}]}"),
    banp("{subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"),
  ].join(""),
  "admin policies of egress": anp(
    "e",
    "{priority: 0, subject: {namespaces: {matchLabels: {team: sales}}}, egress: [{action: Allow, to: [{networks: [198.51.100.0/24]}]}, {action: Deny, to: [{nodes: {matchLabels: {zone: b}}}], ports: [{portRange: {start: 80, end: 443}}]}, {action: Deny, to: [{networks: [0.0.0.0/0]}], ports: [{namedPort: sql}, {portNumber: {protocol: UDP, port: 53}}]}]}",
  ),
  "priority decides": [
    anp(
      "z-first",
      "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 80}}]}]}",
    ),
    anp(
      "a-second",
      "{priority: 2, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}]}]}",
    ),
    np("a@shop", "{podSelector: {}, policyTypes: [Ingress]}"),
  ].join(""),
  "Calico: order, allow, deny": [
    cnp("second@shop", "{order: 20, selector: app == 'web', ingress: [{action: Allow}]}"),
    cnp(
      "first@shop",
      "{order: 10, selector: all(), ingress: [{action: Deny, protocol: TCP, source: {selector: app == 'probe', namespaceSelector: all()}, destination: {ports: [80, '400:500']}}]}",
    ),
  ].join(""),
  "Calico: a policy of a namespace means its own": cnp(
    "a@back",
    "{selector: app == 'db', types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'web'}}]}",
  ),
  "Calico: notSelector, notNets, notPorts, notProtocol": [
    gnp(
      "a",
      "{selector: app == 'web', types: [Ingress], ingress: [{action: Allow, source: {notSelector: app == 'probe'}, notProtocol: UDP}]}",
    ),
    gnp(
      "b",
      "{selector: app == 'api', types: [Ingress], ingress: [{action: Allow, protocol: TCP, source: {notNets: [10.1.1.0/24, 198.51.100.0/24]}, destination: {notPorts: [80, 443]}}]}",
    ),
  ].join(""),
  "Calico: the selector's whole language": gnp(
    "a",
    `{selector: "(app in {'web','api'} || app starts with 'd') && !has(nothing)", types: [Ingress], ingress: [{action: Allow, source: {selector: "app contains 'ro' || app ends with 'b' && tier != 'front'"}}]}`,
  ),
  "Calico: service accounts": gnp(
    "a",
    "{namespaceSelector: team == 'sales', types: [Ingress], ingress: [{action: Allow, source: {serviceAccounts: {names: [robot]}}, destination: {ports: [80]}, protocol: TCP}, {action: Allow, source: {serviceAccounts: {selector: role == 'bot'}}, protocol: UDP}]}",
  ),
  "Calico: network sets": [
    policy("GlobalNetworkSet", "friends", "{nets: [198.51.100.0/24, 10.1.2.0/24]}").replace(
      "{name: friends}",
      "{name: friends, labels: {kind: friend}}",
    ),
    policy("NetworkSet", "here@shop", "{nets: [203.0.113.0/24]}").replace(
      "namespace: shop}",
      "namespace: shop, labels: {kind: local}}",
    ),
    gnp(
      "a",
      "{selector: app == 'web', types: [Ingress], ingress: [{action: Allow, source: {selector: kind == 'friend'}}]}",
    ),
    cnp(
      "b@shop",
      "{selector: app == 'api', types: [Ingress], ingress: [{action: Allow, source: {selector: has(kind)}}, {action: Deny}]}",
    ),
  ].join(""),
  "Calico: a set of everything": [
    policy("GlobalNetworkSet", "all", "{nets: [0.0.0.0/0]}").replace(
      "{name: all}",
      "{name: all, labels: {kind: all}}",
    ),
    gnp(
      "a",
      "{selector: app == 'web', types: [Ingress], ingress: [{action: Allow, source: {selector: kind == 'all'}}]}",
    ),
  ].join(""),
  "Calico: tiers, pass, log": [
    policy("Tier", "security", "{order: 100}"),
    gnp(
      "security.a",
      "{tier: security, order: 1, selector: app == 'web', ingress: [{action: Log}, {action: Deny, source: {nets: [198.51.100.0/24]}}, {action: Pass, protocol: TCP}]}",
    ),
    np("a@shop", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"),
  ].join(""),
  "Calico: a tier that passes by itself": [
    policy("Tier", "soft", "{order: 100, defaultAction: Pass}"),
    gnp(
      "a",
      "{tier: soft, selector: all(), ingress: [{action: Deny, protocol: UDP}], egress: [{action: Deny, destination: {nets: [203.0.113.9/32]}}]}",
    ),
    np("a@shop", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"),
  ].join(""),
  "Calico: a tier that is not there": gnp("a", "{tier: nowhere, selector: all(), ingress: [{action: Deny}]}"),
  "Calico: named and numbered ports, nets on both sides": gnp(
    "a",
    "{selector: all(), types: [Ingress], ingress: [{action: Allow, protocol: TCP, source: {nets: [10.1.1.0/24, 10.1.2.2/32], notNets: [10.1.1.3/32, 10.1.1.9/32], ports: ['30000:50000', 1, 2]}, destination: {nets: [10.1.1.0/24, 10.1.2.0/25], ports: [http, sql, 443]}}, {action: Deny, destination: {notNets: [10.1.2.0/24]}}, {action: Allow, protocol: 17}]}",
  ),
  "Calico: beside Kubernetes' policies, by order and name": [
    np("b@shop", "{podSelector: {}, ingress: [{ports: [{port: 443}]}]}"),
    cnp(
      "a@shop",
      "{order: 1000, selector: all(), ingress: [{action: Deny, protocol: TCP, destination: {ports: [443]}}, {action: Allow, protocol: TCP, destination: {ports: [80]}}]}",
    ),
    cnp(
      "z@shop",
      "{selector: all(), ingress: [{action: Allow, source: {selector: app == 'db', namespaceSelector: all()}}]}",
    ),
  ].join(""),
  "Calico: a rule of IPv6 alone": gnp(
    "a",
    "{selector: all(), ingress: [{action: Deny, ipVersion: 6}, {action: Allow, ipVersion: 4}]}",
  ),
  "Calico: a host endpoint without policies lets only failsafe ports pass": policy(
    "HostEndpoint",
    "n1-eth0",
    "{node: n1, interfaceName: eth0}",
  ),
  "Calico: failsafe ports for some alone": [
    policy("HostEndpoint", "n1-eth0", "{node: n1, interfaceName: eth0}"),
    policy("HostEndpoint", "n2-eth0", "{node: n2, interfaceName: eth0}"),
    policy(
      "FelixConfiguration",
      "default",
      "{failsafeInboundHostPorts: [{protocol: tcp, port: 80, net: 198.51.100.0/24}, {protocol: tcp, port: 443, net: '2001:db8:100::/48'}, {protocol: udp, port: 53}], failsafeOutboundHostPorts: [{protocol: tcp, port: 8080, net: 203.0.113.9/32}, {protocol: tcp, port: 80, net: 'fd00:0:2::1'}]}",
    ),
  ].join(""),
  "Calico: a host endpoint with the profile that allows": policy(
    "HostEndpoint",
    "n1-all",
    "{node: n1, interfaceName: '*', profiles: [projectcalico-default-allow]}",
  ),
  "Calico: a host endpoint with a profile of somebody's": [
    policy("HostEndpoint", "n1", "{node: n1, interfaceName: '*', profiles: [mine]}"),
    policy(
      "Profile",
      "mine",
      "{ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}], egress: [{action: Deny, protocol: UDP}, {action: Allow}]}",
    ),
  ].join(""),
  "Calico: policies of host endpoints, found by their addresses": [
    policy("HostEndpoint", "n1", "{node: n1, expectedIPs: [10.0.1.1]}").replace(
      "{name: n1}",
      "{name: n1, labels: {host: one}}",
    ),
    policy("HostEndpoint", "n2", "{node: n2, interfaceName: eth0}").replace(
      "{name: n2}",
      "{name: n2, labels: {host: two}}",
    ),
    gnp(
      "in",
      "{selector: has(host), types: [Ingress], ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}, {action: Allow, source: {selector: host == 'one'}}]}",
    ),
    gnp(
      "out",
      "{selector: host == 'one', types: [Egress], egress: [{action: Deny, destination: {nets: [198.51.100.0/24]}}, {action: Allow}]}",
    ),
    gnp(
      "pods",
      "{selector: app == 'web', types: [Ingress], ingress: [{action: Allow, source: {selector: host == 'one'}}]}",
    ),
  ].join(""),
  "blocks of both families": np(
    "a@shop",
    "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 'fd00::/8', except: ['fd00:1:1::/48']}}, {ipBlock: {cidr: 10.1.0.0/16}}]}]}",
  ),
  "Calico: sets and nets of both families": [
    policy("GlobalNetworkSet", "all", "{nets: ['::/0', 10.1.1.0/24, '2001:db8:100::/48']}").replace(
      "{name: all}",
      "{name: all, labels: {kind: all}}",
    ),
    gnp(
      "a",
      "{selector: app == 'web', types: [Ingress], ingress: [{action: Deny, source: {nets: ['fd00:1:2::/48', 'fd00:1:1::3/128'], notNets: ['fd00:1:2::3/128']}}, {action: Allow, source: {selector: kind == 'all'}}]}",
    ),
    gnp(
      "b",
      "{selector: app == 'api', types: [Ingress, Egress], ingress: [{action: Deny, ipVersion: 4, protocol: TCP, destination: {ports: [http]}}, {action: Allow, protocol: TCP, destination: {ports: [http, 443]}}], egress: [{action: Allow, destination: {notNets: ['2001:db8::/32', 198.51.0.0/16]}}]}",
    ),
  ].join(""),
  "Calico: endpoints of Services, with their ports": [
    cnp(
      "a@shop",
      "{selector: all(), types: [Ingress, Egress], ingress: [{action: Allow, source: {services: {name: front, namespace: tools}}}, {action: Allow, protocol: UDP, source: {services: {name: front}}}], egress: [{action: Allow, destination: {services: {name: front}}}]}",
    ),
    gnp(
      "b",
      "{selector: app == 'probe', types: [Egress], egress: [{action: Deny, protocol: TCP, destination: {services: {name: front, namespace: shop}}}, {action: Allow, destination: {services: {name: nobody, namespace: shop}}}, {action: Allow, protocol: UDP}]}",
    ),
  ].join(""),
  "Calico: notSelector in a namespace means its own": cnp(
    "a@shop",
    "{selector: app == 'web', types: [Ingress], ingress: [{action: Allow, source: {notSelector: app == 'web'}}]}",
  ),
  "Calico: notSelector beside a selector": gnp(
    "a",
    "{selector: app == 'web', types: [Ingress, Egress], ingress: [{action: Allow, source: {selector: has(app), notSelector: app == 'probe'}}], egress: [{action: Allow, protocol: TCP, destination: {selector: has(app), notSelector: app == 'db', ports: [http, sql], notPorts: [sql]}}]}",
  ),
  "Calico: exceptions of one family make a rule of it": gnp(
    "a",
    "{selector: all(), types: [Ingress], ingress: [{action: Allow, source: {notNets: ['fd00:1:2::/48']}}, {action: Allow, protocol: TCP, source: {selector: app == 'db'}}]}",
  ),
  "Calico: policies of one selector in groups": [
    ...["a", "b", "c", "d", "e", "f", "g"].map((name, i) =>
      gnp(
        `many-${name}`,
        `{order: ${i}, selector: app == 'web', types: [Ingress], ingress: [{action: ${["Allow", "Deny", "Pass", "Log"][i % 4]}, protocol: TCP, source: {nets: [10.1.${i % 3}.0/24]}, destination: {ports: [${[80, 443, 5432, 8080][i % 4]}]}}]}`,
      ),
    ),
    np("z@shop", `{${WEB}, ingress: [{ports: [{port: 53, protocol: UDP}]}]}`),
    np("w@shop", `{${WEB}, ingress: [{from: [{podSelector: {}}]}]}`),
  ].join(""),
  "Calico: groups in tiers, of which one passes": [
    policy("Tier", "first", "{order: 1}"),
    policy("Tier", "soft", "{order: 2, defaultAction: Pass}"),
    ...["first", "soft"].flatMap((tier) =>
      ["a", "b", "c"].map((name, i) =>
        gnp(
          `${tier}.${name}`,
          `{tier: ${tier}, order: ${i}, selector: has(app), types: [Ingress, Egress], ingress: [{action: ${["Deny", "Pass", "Pass"][i]}, protocol: ${["UDP", "TCP", "SCTP"][i]}}], egress: [{action: ${["Pass", "Deny", "Pass"][i]}, destination: {nets: [${["10.1.1.0/24", "198.51.100.0/24", "0.0.0.0/0"][i]}]}}]}`,
        ),
      ),
    ),
    np("a@shop", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"),
  ].join(""),
  "Calico: ICMP of both families": gnp(
    "a",
    "{selector: all(), types: [Ingress], ingress: [{action: Allow, protocol: ICMP, icmp: {type: 8, code: 0}}, {action: Allow, protocol: ICMPv6, icmp: {type: 128}}, {action: Allow, protocol: ICMPv6, notICMP: {type: 1}}, {action: Allow, protocol: TCP}]}",
  ),
};
