import type { LabelSelector } from "kubernetes-types/meta/v1.js";
import type { NetworkPolicyPeer, NetworkPolicyPort } from "kubernetes-types/networking/v1.js";
import { allOf, type CalicoSelector, withKeyPrefix } from "../../object/calico-selector.ts";
import { type NetworkPolicy, namespaceOf } from "../../object/kubernetes-object.ts";
import type { FieldPath } from "../../object/place.ts";
import { inNamespace } from "../calico-entity.ts";
import { NAMESPACE, NAMESPACE_PREFIX, ORCHESTRATOR } from "../calico-labels.ts";
import { KUBERNETES_ORDER, type PolicyTier, policyName } from "../tier.ts";
import {
  ANY_END,
  ANY_PACKET,
  type FelixPolicy,
  type PolicyRule,
  type PortRange,
  type RuleEntity,
} from "./policy.ts";

/** A NetworkPolicy as Calico takes it over (libcalico-go, `lib/backend/k8s/conversion`). */
export function fromNetworkPolicy(object: NetworkPolicy, tier: PolicyTier): FelixPolicy {
  const { podSelector, policyTypes = [], ingress = [], egress = [] } = object.spec;
  const namespace = namespaceOf(object);
  return {
    ...{ object, tier, name: policyName(object, tier.name), order: KUBERNETES_ORDER },
    selector: allOf(isPod(podSelector), inNamespace(namespace)),
    directions: policyTypes.flatMap((type) => (type === "Ingress" || type === "Egress" ? [type] : [])),
    ingress: ingress.flatMap(({ from, ports }, i) =>
      rulesOf(from, ports, namespace, ["spec", "ingress", i], (peer, port) => ({
        source: peer,
        destination: port,
      })),
    ),
    egress: egress.flatMap(({ to, ports }, i) =>
      rulesOf(to, ports, namespace, ["spec", "egress", i], (peer, port) => ({
        source: ANY_END,
        destination: { ...peer, ports: port.ports, namedPorts: port.namedPorts },
      })),
    ),
    ...{ doNotTrack: false, preDNAT: false, applyOnForward: false },
  };
}

/** Pods by their labels: host endpoints, which may have the same, are none. */
export function isPod(selector: LabelSelector | undefined): CalicoSelector {
  const own = labelSelector(selector ?? {});
  return allOf({ kind: "==", key: ORCHESTRATOR, value: "k8s" }, ...(own.kind === "&&" ? own.of : [own]));
}

/** Who lives in a namespace with these labels. */
export function inNamespaces(selector: LabelSelector): CalicoSelector {
  const found = withKeyPrefix(labelSelector(selector), NAMESPACE_PREFIX);
  return found.kind === "all" ? { kind: "has", key: NAMESPACE } : found;
}

function labelSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): CalicoSelector {
  const pairs = Object.entries(matchLabels).sort(([a], [b]) => (a < b ? -1 : 1));
  return allOf(
    ...pairs.map(([key, value]): CalicoSelector => ({ kind: "==", key, value: value ?? "" })),
    ...matchExpressions.map(({ key, operator, values = [] }): CalicoSelector => {
      switch (operator) {
        case "NotIn":
          return { kind: "not in", key, values };
        case "Exists":
          return { kind: "has", key };
        case "DoesNotExist":
          return { kind: "!", of: { kind: "has", key } };
        default:
          return { kind: "in", key, values };
      }
    }),
  );
}

/** Ports of one protocol, on whose side they are asked for. */
interface PortEntity extends RuleEntity {
  readonly ports: readonly PortRange[];
  readonly namedPorts: readonly string[];
}

/** One rule for each peer and each protocol. */
function rulesOf(
  peers: readonly NetworkPolicyPeer[] | undefined,
  ports: readonly NetworkPolicyPort[] | undefined,
  namespace: string,
  field: FieldPath,
  ends: (peer: RuleEntity, ports: PortEntity) => Pick<PolicyRule, "source" | "destination">,
): PolicyRule[] {
  const entities =
    (peers ?? []).length === 0 ? [ANY_END] : (peers ?? []).map((peer) => entityOf(peer, namespace));
  return entities.flatMap((peer) =>
    portsByProtocol(ports ?? []).map(
      ({ protocol, entity }): PolicyRule => ({
        ...ANY_PACKET,
        ...ends(peer, entity),
        ...{ action: "allow", protocol, field },
      }),
    ),
  );
}

function entityOf(
  { ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer,
  namespace: string,
): RuleEntity {
  if (ipBlock !== undefined) return { ...ANY_END, nets: [ipBlock.cidr], notNets: ipBlock.except ?? [] };
  const where = namespaceSelector === undefined ? inNamespace(namespace) : inNamespaces(namespaceSelector);
  return { ...ANY_END, selector: allOf(where, isPod(podSelector)) };
}

function portsByProtocol(
  ports: readonly NetworkPolicyPort[],
): { readonly protocol: string | null; readonly entity: PortEntity }[] {
  if (ports.length === 0) return [{ protocol: null, entity: ANY_END }];
  const protocols = [...new Set(ports.map(({ protocol = "TCP" }) => protocol))].sort();
  return protocols.map((protocol) => {
    const own = ports.filter((port) => (port.protocol ?? "TCP") === protocol);
    // One without a port is all of them.
    const isAny = own.some(({ port }) => port === undefined);
    const ranges = own.flatMap(({ port, endPort }) =>
      typeof port === "number" ? [{ first: port, last: endPort ?? port }] : [],
    );
    const named = own.flatMap(({ port }) => (typeof port === "string" ? [port] : []));
    return {
      protocol: protocol.toLowerCase(),
      entity: isAny ? ANY_END : { ...ANY_END, ports: ranges, namedPorts: named },
    };
  });
}
