import type { HostEndpoint, KubernetesObject } from "../../object/kubernetes-object.ts";
import type { Lister } from "../../object/object-map.ts";
import type { FieldPath } from "../../object/place.ts";
import type { PolicyDirection } from "../../object/policy-types.ts";
import { labelledOf } from "../calico-labels.ts";
import { type Failsafe, type Failsafes, failsafesOf } from "../host-endpoint.ts";
import { holds } from "../net.ts";
import { ADMIN_TIER, BASELINE_TIER, byOrder, DEFAULT_TIER, type PolicyTier, tiersOf } from "../tier.ts";
import { AdminJudge } from "./admin-judge.ts";
import { askProfile, type CalicoFacts, CalicoJudge } from "./calico-judge.ts";
import { type Flow, type Judge, peerOf, type RuleVerdict, type Subject } from "./flow.ts";
import { KubernetesJudge } from "./kubernetes-judge.ts";

/** What the policies say about a flow at one of its ends. */
export type Decision =
  /** A rule of a policy. */
  | {
      readonly kind: "rule";
      readonly action: "allow" | "deny";
      readonly policy: KubernetesObject;
      readonly field: FieldPath;
    }
  /** Policies are responsible, and no rule of theirs fits. */
  | { readonly kind: "isolated"; readonly action: "deny"; readonly policies: readonly KubernetesObject[] }
  /** No policy is responsible, or all pass it on: what holds then. */
  | { readonly kind: "profile"; readonly action: "allow" | "deny" }
  /** A host endpoint's port that is never closed. */
  | { readonly kind: "failsafe"; readonly action: "allow" };

export interface Verdict {
  readonly allowed: boolean;
  /** At the sender; null: nothing of the policies' is there. */
  readonly egress: Decision | null;
  /** At the receiver; null likewise, and between a node and its own pods. */
  readonly ingress: Decision | null;
}

/** The policies of a cluster, asked for flows. It reads the objects alone: no rule that an agent made of them. */
export class PolicyVerdicts {
  readonly #facts: CalicoFacts;
  readonly #tiers: readonly (readonly Judge[])[];
  readonly #failsafes: Failsafes;
  readonly #endpointOf: (node: string) => HostEndpoint | undefined;

  /** `endpointOf`: the host endpoint of the card by which a node sends and hears. */
  constructor(objects: Lister, endpointOf: (node: string) => HostEndpoint | undefined = () => undefined) {
    this.#facts = { objects, labelled: labelledOf(objects) };
    this.#failsafes = failsafesOf(objects);
    this.#endpointOf = endpointOf;
    const judges = [...judgesOf(objects, this.#facts)].sort(byOrder);
    this.#tiers = tiersOf(objects).map(({ name }) => judges.filter(({ tier }) => tier.name === name));
  }

  of(flow: Flow): Verdict {
    const { source, destination } = flow;
    const egress = this.#egress(flow);
    const isOwnPod = source.node !== null && destination.workload?.node === source.node;
    const ingress = isOwnPod ? null : this.#ingress(flow);
    const allowed = egress?.action !== "deny" && ingress?.action !== "deny";
    return { allowed, egress, ingress };
  }

  #egress(flow: Flow): Decision | null {
    const { source, destination } = flow;
    if (source.workload !== null)
      return this.#decide({ kind: "workload", workload: source.workload }, flow, "Egress");
    // To a pod of its own, a node sends past its host endpoints; to itself, by no card.
    if (source.node === null || destination.workload?.node === source.node) return null;
    if (destination.node === source.node) return null;
    return this.#ofHost(source.node, flow, "Egress", this.#failsafes.outbound);
  }

  #ingress(flow: Flow): Decision | null {
    const { source, destination } = flow;
    if (destination.workload !== null)
      return this.#decide({ kind: "workload", workload: destination.workload }, flow, "Ingress");
    if (destination.node === null || source.workload?.node === destination.node) return null;
    if (destination.node === source.node) return null;
    return this.#ofHost(destination.node, flow, "Ingress", this.#failsafes.inbound);
  }

  #ofHost(
    node: string,
    flow: Flow,
    direction: PolicyDirection,
    failsafes: readonly Failsafe[],
  ): Decision | null {
    const endpoint = this.#endpointOf(node);
    if (endpoint === undefined) return null;
    const { address } = peerOf(flow, direction);
    const isSafe = failsafes.some(
      ({ protocol, port, net }) =>
        protocol.toUpperCase() === flow.protocol &&
        port === flow.port &&
        (net === null || holds(net, address)),
    );
    if (isSafe) return { kind: "failsafe", action: "allow" };
    return this.#decide({ kind: "host", endpoint }, flow, direction);
  }

  #decide(subject: Subject, flow: Flow, direction: PolicyDirection): Decision {
    for (const judges of this.#tiers) {
      const responsible = judges.filter((judge) => judge.selects(subject, direction));
      const [first] = responsible;
      if (first === undefined) continue;
      const found = firstVerdict(responsible, flow, direction);
      if (found === null && first.tier.defaultAction === "deny")
        return { kind: "isolated", action: "deny", policies: responsible.map(({ object }) => object) };
      if (found === null || found.said.action === "pass") continue;
      const { judge, said } = found;
      return {
        kind: "rule",
        action: said.action === "allow" ? "allow" : "deny",
        policy: judge.object,
        field: said.field,
      };
    }
    return { kind: "profile", action: this.#byProfile(subject, flow, direction) };
  }

  /** The namespace's profile allows everything; a host endpoint has those that it names. */
  #byProfile(subject: Subject, flow: Flow, direction: PolicyDirection): "allow" | "deny" {
    if (subject.kind === "workload") return "allow";
    for (const name of subject.endpoint.spec.profiles ?? []) {
      if (name === "projectcalico-default-allow") return "allow";
      const profile = this.#facts.objects.get("Profile", name);
      const said = profile === undefined ? null : askProfile(profile, flow, direction, this.#facts);
      if (said !== null) return said.action === "allow" ? "allow" : "deny";
    }
    return "deny";
  }
}

function firstVerdict(
  judges: readonly Judge[],
  flow: Flow,
  direction: PolicyDirection,
): { readonly judge: Judge; readonly said: RuleVerdict } | null {
  for (const judge of judges) {
    const said = judge.decide(flow, direction);
    if (said !== null) return { judge, said };
  }
  return null;
}

function judgesOf(objects: Lister, facts: CalicoFacts): Judge[] {
  const tiers = new Map(tiersOf(objects).map((tier) => [tier.name, tier]));
  const tier = (name: string) => tiers.get(name);
  const [normal, admin, baseline] = [DEFAULT_TIER, ADMIN_TIER, BASELINE_TIER].map(tier) as [
    PolicyTier,
    PolicyTier,
    PolicyTier,
  ];
  const calico = [...objects.list("CalicoNetworkPolicy"), ...objects.list("GlobalNetworkPolicy")];
  return [
    ...objects.list("NetworkPolicy").map((policy) => new KubernetesJudge(policy, normal, objects)),
    ...objects.list("AdminNetworkPolicy").map((policy) => new AdminJudge(policy, admin, objects)),
    ...objects.list("BaselineAdminNetworkPolicy").map((policy) => new AdminJudge(policy, baseline, objects)),
    // A policy of a tier that is not there has no effect.
    ...calico.flatMap((policy) => {
      const own = tier(policy.spec.tier ?? DEFAULT_TIER);
      return own === undefined ? [] : [new CalicoJudge(policy, own, facts)];
    }),
  ];
}
