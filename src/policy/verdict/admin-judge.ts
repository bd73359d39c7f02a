import type { AdminNetworkPolicy, BaselineAdminNetworkPolicy } from "../../object/kubernetes-object.ts";
import type { Lister } from "../../object/object-map.ts";
import type {
  AdminPolicyPeer,
  AdminPolicyPort,
  AdminPolicySubject,
  PolicyDirection,
} from "../../object/policy-types.ts";
import { matches, selectorOf } from "../../object/selector.ts";
import { holds } from "../net.ts";
import { type PolicyTier, policyName } from "../tier.ts";
import { namespaceLabels, type Workload } from "../workload.ts";
import { type Flow, type Judge, type Party, peerOf, type RuleVerdict, type Subject } from "./flow.ts";

/** An admin policy, or the baseline: the first rule that fits decides; where none does, the next policy is asked. */
export class AdminJudge implements Judge {
  readonly object: AdminNetworkPolicy | BaselineAdminNetworkPolicy;
  readonly tier: PolicyTier;
  /** Of policies of equal priority the API leaves open which is first: here it is by name, as in Calico. */
  readonly order: number;
  readonly name: string;
  readonly #objects: Lister;

  constructor(object: AdminNetworkPolicy | BaselineAdminNetworkPolicy, tier: PolicyTier, objects: Lister) {
    this.object = object;
    this.tier = tier;
    this.order = object.kind === "AdminNetworkPolicy" ? object.spec.priority : 0;
    this.name = policyName(object, tier.name);
    this.#objects = objects;
  }

  /** A policy without rules of a direction has nothing to say in it. */
  selects(subject: Subject, direction: PolicyDirection): boolean {
    const rules = direction === "Ingress" ? this.object.spec.ingress : this.object.spec.egress;
    return (
      subject.kind === "workload" &&
      (rules ?? []).length > 0 &&
      this.#isSubject(this.object.spec.subject, subject.workload)
    );
  }

  decide(flow: Flow, direction: PolicyDirection): RuleVerdict | null {
    const { ingress = [], egress = [] } = this.object.spec;
    const rules = direction === "Ingress" ? ingress : egress;
    const peer = peerOf(flow, direction);
    const index = rules.findIndex(
      ({ from, to, ports = [] }) =>
        (from ?? to ?? []).some((one) => this.#isPeer(one, peer)) &&
        (ports.length === 0 || ports.some((one) => isPort(one, flow))),
    );
    const rule = rules[index];
    if (rule === undefined) return null;
    const action = ({ Allow: "allow", Deny: "deny", Pass: "pass" } as const)[rule.action];
    return { action, field: ["spec", direction.toLowerCase(), index] };
  }

  #isSubject({ namespaces, pods }: AdminPolicySubject, workload: Workload): boolean {
    const labels = namespaceLabels(this.#objects, workload.namespace);
    if (namespaces !== undefined) return matches(selectorOf(namespaces), labels);
    if (pods === undefined) return false;
    return (
      matches(selectorOf(pods.namespaceSelector), labels) &&
      matches(selectorOf(pods.podSelector), workload.labels)
    );
  }

  #isPeer(peer: AdminPolicyPeer, party: Party): boolean {
    const { nodes, networks } = peer;
    if (networks !== undefined) return networks.some((net) => holds(net, party.address));
    if (nodes !== undefined) {
      const node = party.node === null ? undefined : this.#objects.get("Node", party.node);
      return node !== undefined && matches(selectorOf(nodes), node.metadata.labels);
    }
    return party.workload !== null && this.#isSubject(peer, party.workload);
  }
}

function isPort({ portNumber, portRange, namedPort }: AdminPolicyPort, flow: Flow): boolean {
  const { protocol, port, destination } = flow;
  if (port === null) return false;
  if (portNumber !== undefined) return protocol === portNumber.protocol && port === portNumber.port;
  if (portRange !== undefined) {
    return protocol === (portRange.protocol ?? "TCP") && port >= portRange.start && port <= portRange.end;
  }
  const own = destination.workload?.ports ?? [];
  return own.some((one) => one.name === namedPort && one.protocol === protocol && one.port === port);
}
