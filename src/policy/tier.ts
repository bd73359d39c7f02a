import type { KubernetesObject, Tier } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";

/** Policies are looked at tier by tier; the first tier in which one decides, decides. */
export interface PolicyTier {
  readonly name: string;
  /** The lowest first; those without one last. */
  readonly order: number;
  /** What becomes of a packet that policies of the tier were responsible for and none decided on. */
  readonly defaultAction: "deny" | "pass";
  /** null: one that is always there. */
  readonly object: Tier | null;
}

export const DEFAULT_TIER = "default";
export const ADMIN_TIER = "adminnetworkpolicy";
export const BASELINE_TIER = "baselineadminnetworkpolicy";

/** Those that Calico makes itself: for its own policies and Kubernetes', and for the network policy API's. */
const OWN_TIERS: readonly PolicyTier[] = [
  { name: ADMIN_TIER, order: 1_000, defaultAction: "pass", object: null },
  { name: DEFAULT_TIER, order: 1_000_000, defaultAction: "deny", object: null },
  { name: BASELINE_TIER, order: 10_000_000, defaultAction: "pass", object: null },
];

/** In the order in which they are looked at; of equal order by name. */
export function tiersOf(objects: Lister): PolicyTier[] {
  const given = new Map(objects.list("Tier").map((tier) => [tier.metadata.name, tierOf(tier)]));
  const own = OWN_TIERS.filter(({ name }) => !given.has(name));
  return [...own, ...given.values()].sort(byOrder);
}

function tierOf(object: Tier): PolicyTier {
  const { name } = object.metadata;
  const { order, defaultAction } = object.spec;
  return {
    name,
    order: order ?? Number.POSITIVE_INFINITY,
    defaultAction: defaultAction === "Pass" ? "pass" : "deny",
    object,
  };
}

/** As Calico sorts tiers and, in a tier, policies. */
export function byOrder(a: { order: number; name: string }, b: { order: number; name: string }): number {
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** Names by which policies of equal order are sorted: NetworkPolicies of Kubernetes begin with `knp.default.`. */
export function policyName(object: KubernetesObject, tier: string): string {
  const { kind, metadata } = object;
  if (kind === "NetworkPolicy") return `${metadata.namespace}/knp.default.${metadata.name}`;
  if (kind === "AdminNetworkPolicy") return `kanp.${ADMIN_TIER}.${metadata.name}`;
  if (kind === "BaselineAdminNetworkPolicy") return `kbanp.${BASELINE_TIER}.${metadata.name}`;
  // The custom resource behind a policy is called after its tier already.
  const short = metadata.name.startsWith(`${tier}.`) ? metadata.name : `${tier}.${metadata.name}`;
  return metadata.namespace === undefined ? short : `${metadata.namespace}/${short}`;
}

/** Of a NetworkPolicy among Calico's. */
export const KUBERNETES_ORDER = 1_000;
