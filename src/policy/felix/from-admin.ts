import { allOf, type CalicoSelector } from "../../object/calico-selector.ts";
import type { AdminNetworkPolicy, BaselineAdminNetworkPolicy } from "../../object/kubernetes-object.ts";
import type { Lister } from "../../object/object-map.ts";
import type {
  AdminPolicyPeer,
  AdminPolicyPort,
  AdminPolicyRule,
  AdminPolicySubject,
} from "../../object/policy-types.ts";
import { matches, selectorOf } from "../../object/selector.ts";
import { type PolicyTier, policyName } from "../tier.ts";
import { inNamespaces, isPod } from "./from-kubernetes.ts";
import { ANY_END, ANY_PACKET, type FelixPolicy, type PolicyRule, type RuleEntity } from "./policy.ts";

/** A policy of the network policy API as Calico takes it over: into a tier of its own, by its priority. */
export function fromAdminPolicy(
  object: AdminNetworkPolicy | BaselineAdminNetworkPolicy,
  tier: PolicyTier,
  objects: Lister,
): FelixPolicy {
  const { subject, ingress = [], egress = [] } = object.spec;
  const rules = (given: readonly AdminPolicyRule[], direction: "ingress" | "egress") =>
    given.flatMap((rule, i) => rulesOf(rule, direction, i, objects));
  return {
    ...{ object, tier, name: policyName(object, tier.name) },
    order: object.kind === "AdminNetworkPolicy" ? object.spec.priority : 0,
    selector: subjectSelector(subject),
    directions: [
      ...(ingress.length > 0 ? (["Ingress"] as const) : []),
      ...(egress.length > 0 ? (["Egress"] as const) : []),
    ],
    ingress: rules(ingress, "ingress"),
    egress: rules(egress, "egress"),
    ...{ doNotTrack: false, preDNAT: false, applyOnForward: false },
  };
}

/** As Calico's policies, which begin with what they say of pods. */
function subjectSelector(subject: AdminPolicySubject): CalicoSelector {
  const [namespaces, pods] = selectorsOf(subject);
  return allOf(pods, namespaces);
}

function selectorsOf({ namespaces, pods }: AdminPolicySubject): [CalicoSelector, CalicoSelector] {
  return pods === undefined
    ? [inNamespaces(namespaces ?? {}), isPod({})]
    : [inNamespaces(pods.namespaceSelector), isPod(pods.podSelector)];
}

function rulesOf(
  rule: AdminPolicyRule,
  direction: "ingress" | "egress",
  index: number,
  objects: Lister,
): PolicyRule[] {
  const action = ({ Allow: "allow", Deny: "deny", Pass: "pass" } as const)[rule.action];
  const peers = (rule.from ?? rule.to ?? []).flatMap((peer) => entityOf(peer, objects) ?? []);
  return peers.flatMap((peer) =>
    portsOf(rule.ports ?? []).map(({ protocol, ports }): PolicyRule => {
      const isIngress = direction === "ingress";
      return {
        ...ANY_PACKET,
        ...{ action, protocol, field: ["spec", direction, index] },
        source: isIngress ? peer : ANY_END,
        destination: isIngress ? { ...ANY_END, ...ports } : { ...peer, ...ports },
      };
    }),
  );
}

/** undefined: nobody is meant. */
function entityOf(peer: AdminPolicyPeer, objects: Lister): RuleEntity | undefined {
  const { networks, nodes } = peer;
  if (networks !== undefined) return { ...ANY_END, nets: networks };
  if (nodes === undefined) return { ...ANY_END, selector: allOf(...selectorsOf(peer)) };
  const wanted = objects.list("Node").filter(({ metadata }) => matches(selectorOf(nodes), metadata.labels));
  const nets = wanted.flatMap(({ status }) =>
    (status?.addresses ?? []).flatMap(({ type, address }) =>
      type === "InternalIP" || type === "ExternalIP"
        ? [address.includes(":") ? `${address}/128` : `${address}/32`]
        : [],
    ),
  );
  return nets.length === 0 ? undefined : { ...ANY_END, nets };
}

const PROTOCOLS = ["tcp", "udp", "sctp"];

interface Ports {
  readonly protocol: string | null;
  readonly ports: Pick<RuleEntity, "ports" | "namedPorts">;
}

/** A port's name says no protocol: it may be of any. */
function portsOf(given: readonly AdminPolicyPort[]): Ports[] {
  if (given.length === 0) return [{ protocol: null, ports: { ports: [], namedPorts: [] } }];
  return PROTOCOLS.flatMap((protocol) => {
    const ranges = given.flatMap(({ portNumber, portRange }) => {
      if (portNumber !== undefined)
        return portNumber.protocol.toLowerCase() === protocol
          ? [{ first: portNumber.port, last: portNumber.port }]
          : [];
      if (portRange === undefined || (portRange.protocol ?? "TCP").toLowerCase() !== protocol) return [];
      return [{ first: portRange.start, last: portRange.end }];
    });
    const named = given.flatMap(({ namedPort }) => (namedPort === undefined ? [] : [namedPort]));
    return ranges.length + named.length === 0
      ? []
      : [{ protocol, ports: { ports: ranges, namedPorts: named } }];
  });
}
