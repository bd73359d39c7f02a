import type { NetworkPolicyPeer, NetworkPolicyPort } from "kubernetes-types/networking/v1.js";
import { type NetworkPolicy, namespaceOf } from "../../object/kubernetes-object.ts";
import type { Lister } from "../../object/object-map.ts";
import type { PolicyDirection } from "../../object/policy-types.ts";
import { matches, selectorOf } from "../../object/selector.ts";
import { holds } from "../net.ts";
import { KUBERNETES_ORDER, type PolicyTier, policyName } from "../tier.ts";
import { namespaceLabels } from "../workload.ts";
import { type Flow, type Judge, type Party, peerOf, type RuleVerdict, type Subject } from "./flow.ts";

/** A NetworkPolicy of Kubernetes, as its API's documentation has it: rules only allow. */
export class KubernetesJudge implements Judge {
  readonly object: NetworkPolicy;
  readonly tier: PolicyTier;
  readonly order = KUBERNETES_ORDER;
  readonly name: string;
  readonly #objects: Lister;

  constructor(object: NetworkPolicy, tier: PolicyTier, objects: Lister) {
    this.object = object;
    this.tier = tier;
    this.name = policyName(object, tier.name);
    this.#objects = objects;
  }

  selects(subject: Subject, direction: PolicyDirection): boolean {
    if (subject.kind !== "workload") return false;
    const { podSelector, policyTypes = [] } = this.object.spec;
    const { namespace, labels } = subject.workload;
    return (
      policyTypes.includes(direction) &&
      namespace === namespaceOf(this.object) &&
      matches(selectorOf(podSelector), labels)
    );
  }

  decide(flow: Flow, direction: PolicyDirection): RuleVerdict | null {
    const { ingress = [], egress = [] } = this.object.spec;
    const rules =
      direction === "Ingress"
        ? ingress.map(({ from, ports }) => ({ peers: from, ports }))
        : egress.map(({ to, ports }) => ({ peers: to, ports }));
    const peer = peerOf(flow, direction);
    const index = rules.findIndex(
      ({ peers = [], ports = [] }) =>
        (peers.length === 0 || peers.some((one) => this.#isPeer(one, peer))) &&
        (ports.length === 0 || ports.some((one) => isPort(one, flow))),
    );
    return index < 0 ? null : { action: "allow", field: ["spec", direction.toLowerCase(), index] };
  }

  #isPeer({ ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer, party: Party): boolean {
    if (ipBlock !== undefined) {
      const { cidr, except = [] } = ipBlock;
      return holds(cidr, party.address) && !except.some((inner) => holds(inner, party.address));
    }
    const { workload } = party;
    if (workload === null) return false;
    const isNear =
      namespaceSelector === undefined
        ? workload.namespace === namespaceOf(this.object)
        : matches(selectorOf(namespaceSelector), namespaceLabels(this.#objects, workload.namespace));
    return isNear && (podSelector === undefined || matches(selectorOf(podSelector), workload.labels));
  }
}

/** A name is that of a port of the pod that the packet goes to. */
function isPort({ protocol = "TCP", port, endPort }: NetworkPolicyPort, flow: Flow): boolean {
  if (flow.protocol !== protocol) return false;
  if (port === undefined) return true;
  if (flow.port === null) return false;
  if (typeof port === "number") return flow.port >= port && flow.port <= (endPort ?? port);
  const own = flow.destination.workload?.ports ?? [];
  return own.some((one) => one.name === port && one.protocol === protocol && one.port === flow.port);
}
