import { describe, expect, it } from "vitest";
import { checkCluster } from "../../src/object/cluster-rules.ts";
import { formatInputError, type InputError } from "../../src/world/input-error.ts";
import { readText } from "./read.ts";

function network(spec: string): string {
  return `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: shop}\nspec: ${spec}\n`;
}
function admin(spec: string, kind = "AdminNetworkPolicy", name = "a"): string {
  return `apiVersion: policy.networking.k8s.io/v1alpha1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
}
function calico(kind: string, spec: string): string {
  return `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: {name: a}\nspec: ${spec}\n`;
}
const gnp = (spec: string) => calico("GlobalNetworkPolicy", spec);

describe("one mistake, one line", () => {
  it.each([
    [
      "a mistyped field",
      network("{podselector: {}}"),
      'a.yaml:4: NetworkPolicy shop/a spec.podselector: is no known field (did you mean "podSelector"?)',
    ],
    [
      "an unknown direction",
      network("{podSelector: {}, policyTypes: [ingress]}"),
      'a.yaml:4: NetworkPolicy shop/a spec.policyTypes[0]: "ingress" is not one of Ingress, Egress (did you mean "Ingress"?)',
    ],
    [
      "a selector that nothing can fulfil as it is written",
      network("{podSelector: {matchExpressions: [{key: a, operator: In}]}}"),
      "a.yaml:4: NetworkPolicy shop/a spec.podSelector.matchExpressions[0].values: is empty: In needs values",
    ],
    [
      "values that no operator wants",
      network("{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [x]}]}}"),
      "a.yaml:4: NetworkPolicy shop/a spec.podSelector.matchExpressions[0].values: does not go with Exists",
    ],
    [
      "an empty peer",
      network("{podSelector: {}, ingress: [{from: [{}]}]}"),
      "a.yaml:4: NetworkPolicy shop/a spec.ingress[0].from[0]: is empty: podSelector, namespaceSelector or ipBlock is expected",
    ],
    [
      "a block beside a selector",
      network("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}"),
      "a.yaml:4: NetworkPolicy shop/a spec.ingress[0].from[0].ipBlock: does not go with a selector: write a peer of its own for it",
    ],
    [
      "an exception outside of its block",
      network("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/24]}}]}]}"),
      "a.yaml:4: NetworkPolicy shop/a spec.ingress[0].from[0].ipBlock.except[0]: 11.0.0.0/24 is no smaller part of 10.0.0.0/8, the block that it is an exception from",
    ],
    [
      "a malformed block",
      network("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0}}]}]}"),
      'a.yaml:4: NetworkPolicy shop/a spec.ingress[0].from[0].ipBlock.cidr: "10.0.0.0" has no prefix length: write 10.0.0.0/32 for the single address',
    ],
    [
      "a range that begins with a name",
      network("{podSelector: {}, ingress: [{ports: [{port: http, endPort: 90}]}]}"),
      'a.yaml:4: NetworkPolicy shop/a spec.ingress[0].ports[0].endPort: stands with the name "http": it ends a range that begins with a number',
    ],
    [
      "a range that ends before it begins",
      network("{podSelector: {}, ingress: [{ports: [{port: 90, endPort: 80}]}]}"),
      "a.yaml:4: NetworkPolicy shop/a spec.ingress[0].ports[0].endPort: 80 is below port, 90",
    ],
    [
      "a priority out of range",
      admin("{priority: 1001, subject: {namespaces: {}}}"),
      "a.yaml:4: AdminNetworkPolicy a spec.priority: 1001 is not a whole number from 0 to 1000",
    ],
    [
      "two subjects",
      admin("{priority: 1, subject: {namespaces: {}, pods: {namespaceSelector: {}, podSelector: {}}}}"),
      "a.yaml:4: AdminNetworkPolicy a spec.subject: has 2 of namespaces or pods: exactly one is expected",
    ],
    [
      "an action the baseline has not",
      admin(
        "{subject: {namespaces: {}}, ingress: [{action: Pass, from: [{namespaces: {}}]}]}",
        "BaselineAdminNetworkPolicy",
        "default",
      ),
      'a.yaml:4: BaselineAdminNetworkPolicy default spec.ingress[0].action: "Pass" is not one of Allow, Deny',
    ],
    [
      "a baseline of another name",
      admin("{subject: {namespaces: {}}}", "BaselineAdminNetworkPolicy", "mine"),
      'a.yaml:3: BaselineAdminNetworkPolicy mine metadata.name: "mine" is not "default", the one name such an object may have',
    ],
    [
      "a rule without peers",
      admin("{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: []}]}"),
      "a.yaml:4: AdminNetworkPolicy a spec.ingress[0].from: is empty: a rule of an admin policy names its peers",
    ],
    [
      "nodes of ingress",
      admin("{priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{nodes: {}}]}]}"),
      "a.yaml:4: AdminNetworkPolicy a spec.ingress[0].from[0]: has 0 of namespaces or pods: exactly one is expected",
    ],
    [
      "a Calico selector",
      gnp("{selector: app = 'web'}"),
      `a.yaml:4: GlobalNetworkPolicy a spec.selector: "app = 'web'" is no selector: = has no meaning there`,
    ],
    [
      "ports without a protocol that has some",
      gnp("{ingress: [{action: Allow, destination: {ports: [80]}}]}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.ingress[0].destination.ports: needs protocol TCP, UDP or SCTP",
    ],
    [
      "what is no port",
      gnp("{ingress: [{action: Allow, protocol: TCP, destination: {ports: ['80-90']}}]}"),
      'a.yaml:4: GlobalNetworkPolicy a spec.ingress[0].destination.ports[0]: "80-90" is no port, no first:last and no name of a port',
    ],
    [
      "an unknown protocol",
      gnp("{ingress: [{action: Allow, protocol: tcp}]}"),
      'a.yaml:4: GlobalNetworkPolicy a spec.ingress[0].protocol: "tcp" is none of TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite and no number from 1 to 255',
    ],
    [
      "preDNAT of egress",
      gnp("{preDNAT: true, applyOnForward: true, egress: [{action: Allow}]}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.preDNAT: is of ingress alone: the policy has rules or the type of egress",
    ],
    [
      "doNotTrack without applyOnForward",
      gnp("{doNotTrack: true}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.applyOnForward: is not true: doNotTrack needs it",
    ],
    [
      "an application's rule that denies",
      gnp("{ingress: [{action: Deny, http: {methods: [GET]}}]}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.ingress[0].http: needs action Allow",
    ],
    [
      "an application's rule of egress",
      gnp("{egress: [{action: Allow, http: {methods: [GET]}}]}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.egress[0].http: is of ingress alone",
    ],
    [
      "a Service on the wrong side",
      gnp("{egress: [{action: Allow, source: {services: {name: a, namespace: b}}}]}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.egress[0].source.services: is not possible: such rules ask for a destination",
    ],
    [
      "a Service of no namespace",
      gnp("{egress: [{action: Allow, destination: {services: {name: a}}}]}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.egress[0].destination.services.namespace: is missing: no namespace is around it",
    ],
    [
      "a Service and ports",
      gnp(
        "{egress: [{action: Allow, protocol: TCP, destination: {ports: [80], services: {name: a, namespace: b}}}]}",
      ),
      "a.yaml:4: GlobalNetworkPolicy a spec.egress[0].destination.ports: does not go with services",
    ],
    [
      "a family that the range is not of",
      gnp("{ingress: [{action: Allow, ipVersion: 4, source: {nets: ['fd00::/8']}}]}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.ingress[0].ipVersion: 4 does not go with a range of IPv6",
    ],
    [
      "ICMP of the other family",
      gnp("{ingress: [{action: Allow, ipVersion: 6, protocol: ICMP}]}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.ingress[0].ipVersion: 6 does not go with ICMP",
    ],
    [
      "global() where endpoints are chosen",
      gnp("{selector: global()}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.selector: holds global(), which is of the namespaceSelector of a rule alone",
    ],
    [
      "a type twice",
      gnp("{types: [Ingress, Ingress]}"),
      "a.yaml:4: GlobalNetworkPolicy a spec.types: names Ingress more than once",
    ],
    [
      "a host endpoint of nothing",
      calico("HostEndpoint", "{node: n1}"),
      "a.yaml:4: HostEndpoint a spec.interfaceName: is missing: a device, *, or else expectedIPs is expected",
    ],
    [
      "a wrong version",
      network("{podSelector: {}}").replace("/v1", "/v2"),
      "a.yaml:1: NetworkPolicy shop/a apiVersion: networking.k8s.io/v2 is no version of NetworkPolicy: networking.k8s.io/v1 is expected",
    ],
  ])("%s", (_name, text, line) => {
    expect(readText(text).errors).toEqual([line]);
  });
});

describe("what selects nothing is told", () => {
  it.each([
    ["{matchLabels: {a: x}, matchExpressions: [{key: a, operator: In, values: [v]}]}", true],
    ["{matchLabels: {a: x}, matchExpressions: [{key: a, operator: NotIn, values: [x]}]}", true],
    ["{matchExpressions: [{key: a, operator: Exists}, {key: a, operator: DoesNotExist}]}", true],
    ["{matchLabels: {a: x}, matchExpressions: [{key: a, operator: In, values: [v, x]}]}", false],
    ["{matchExpressions: [{key: a, operator: NotIn, values: [x]}, {key: a, operator: DoesNotExist}]}", false],
    ["{matchExpressions: [{key: a, operator: NotIn, values: [x]}, {key: b, operator: DoesNotExist}]}", false],
  ])("%s: %s", (selector, isTold) => {
    const { errors, warnings } = readText(network(`{podSelector: ${selector}}`));
    expect(errors).toEqual([]);
    expect(warnings).toEqual(
      isTold
        ? [
            "a.yaml:4: NetworkPolicy shop/a spec.podSelector: selects nothing: what it demands of the label a contradicts itself",
          ]
        : [],
    );
  });

  it("labels that no object may have are mistakes", () => {
    expect(readText(network('{podSelector: {matchLabels: {"a b": x, c: "y z"}}}')).errors).toEqual([
      'a.yaml:4: NetworkPolicy shop/a spec.podSelector.matchLabels["a b"]: "a b" is no name of a label',
      'a.yaml:4: NetworkPolicy shop/a spec.podSelector.matchLabels.c: "y z" is no value of a label: at most 63 letters, digits, dashes, dots and underscores, a letter or digit at both ends',
    ]);
  });

  it("a selector that none of the namespace's pods has", () => {
    const pod = (labels: string) =>
      `---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop, labels: {${labels}}}\nspec: {containers: [{name: c}]}\n`;
    const warningsWith = (labels: string) => {
      const findings: { errors: InputError[]; warnings: InputError[] } = { errors: [], warnings: [] };
      const { map } = readText(network("{podSelector: {matchLabels: {app: web}}}") + pod(labels));
      checkCluster(map, { podsInNodeCidr: false }, findings);
      return findings.warnings.map(formatInputError);
    };
    expect(warningsWith("app: webb")).toEqual([
      "a.yaml:1: NetworkPolicy shop/a spec.podSelector: app=web matches no pod and no workload's template in namespace shop",
    ]);
    expect(warningsWith("app: web")).toEqual([]);
  });
});

describe("defaults", () => {
  it.each([
    ["{podSelector: {}}", ["Ingress"]],
    ["{podSelector: {}, egress: []}", ["Ingress"]],
    ["{podSelector: {}, egress: [{}]}", ["Ingress", "Egress"]],
    ["{podSelector: {}, policyTypes: [Egress]}", ["Egress"]],
  ])("types of %s", (spec, types) => {
    const { map, errors } = readText(network(spec));
    expect(errors).toEqual([]);
    expect(map.get("NetworkPolicy", "shop/a")?.spec.policyTypes).toEqual(types);
  });

  it("rules of a direction that the types leave out are told to have no effect", () => {
    expect(readText(network("{podSelector: {}, policyTypes: [Egress], ingress: [{}]}")).warnings).toEqual([
      "a.yaml:4: NetworkPolicy shop/a spec.ingress: has no effect: policyTypes does not name Ingress",
    ]);
  });

  it("Calico's NetworkPolicy and Kubernetes' of one name are two", () => {
    const text = `${network("{podSelector: {}}")}---\n${calico("NetworkPolicy", "{selector: all()}").replace("name: a", "name: a, namespace: shop")}`;
    const { map, errors } = readText(text);
    expect(errors).toEqual([]);
    expect(map.list("NetworkPolicy")).toHaveLength(1);
    expect(map.list("CalicoNetworkPolicy")).toHaveLength(1);
  });

  it("the custom resources behind Calico's API are the same objects", () => {
    const text = gnp("{selector: all()}").replace("projectcalico.org/v3", "crd.projectcalico.org/v1");
    const { map, errors } = readText(text);
    expect(errors).toEqual([]);
    expect(map.list("GlobalNetworkPolicy")[0]?.apiVersion).toBe("projectcalico.org/v3");
  });
});
