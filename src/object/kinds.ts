/** The kinds of the Kubernetes API that people name, with the names kubectl has for them. */
export interface KindNames {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  /** The API groups it lives or lived in; "" is the core group. */
  readonly groups: readonly string[];
  readonly namespaced: boolean;
}

/** Calico's own API and the custom resources behind it. */
const CALICO = ["projectcalico.org", "crd.projectcalico.org"] as const;

export const KINDS: readonly KindNames[] = [
  row("Pod", "pods", "po", ""),
  row("Service", "services", "svc", ""),
  row("Endpoints", "endpoints", "ep", ""),
  row("ConfigMap", "configmaps", "cm", ""),
  row("Secret", "secrets", "", ""),
  row("ServiceAccount", "serviceaccounts", "sa", ""),
  row("ReplicationController", "replicationcontrollers", "rc", ""),
  row("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", ""),
  row("Event", "events", "ev", "", "events.k8s.io"),
  row("LimitRange", "limitranges", "limits", ""),
  row("ResourceQuota", "resourcequotas", "quota", ""),
  row("Deployment", "deployments", "deploy", "apps", "extensions"),
  row("ReplicaSet", "replicasets", "rs", "apps", "extensions"),
  row("DaemonSet", "daemonsets", "ds", "apps", "extensions"),
  row("StatefulSet", "statefulsets", "sts", "apps"),
  row("ControllerRevision", "controllerrevisions", "", "apps"),
  row("Job", "jobs", "", "batch"),
  row("CronJob", "cronjobs", "cj", "batch"),
  row("EndpointSlice", "endpointslices", "", "discovery.k8s.io"),
  row("Ingress", "ingresses", "ing", "networking.k8s.io", "extensions"),
  row("NetworkPolicy", "networkpolicies", "netpol", "networking.k8s.io", "extensions"),
  row("HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", "autoscaling"),
  row("PodDisruptionBudget", "poddisruptionbudgets", "pdb", "policy"),
  row("Role", "roles", "", "rbac.authorization.k8s.io"),
  row("RoleBinding", "rolebindings", "", "rbac.authorization.k8s.io"),
  row("Lease", "leases", "", "coordination.k8s.io"),
  cluster("Node", "nodes", "no", ""),
  cluster("Namespace", "namespaces", "ns", ""),
  cluster("PersistentVolume", "persistentvolumes", "pv", ""),
  cluster("ClusterRole", "clusterroles", "", "rbac.authorization.k8s.io"),
  cluster("ClusterRoleBinding", "clusterrolebindings", "", "rbac.authorization.k8s.io"),
  cluster("StorageClass", "storageclasses", "sc", "storage.k8s.io"),
  cluster("PriorityClass", "priorityclasses", "pc", "scheduling.k8s.io"),
  cluster("CustomResourceDefinition", "customresourcedefinitions", "crd", "apiextensions.k8s.io"),
  cluster("IngressClass", "ingressclasses", "", "networking.k8s.io"),
  cluster("ServiceCIDR", "servicecidrs", "", "networking.k8s.io"),
  cluster("IPAddress", "ipaddresses", "ip", "networking.k8s.io"),
  cluster("IPPool", "ippools", "", ...CALICO),
  cluster("BGPConfiguration", "bgpconfigurations", "", ...CALICO),
  cluster("BGPPeer", "bgppeers", "", ...CALICO),
  cluster("IPReservation", "ipreservations", "", ...CALICO),
  cluster("BlockAffinity", "blockaffinities", "", ...CALICO),
  row("StagedNetworkPolicy", "stagednetworkpolicies", "", ...CALICO),
  row("StagedKubernetesNetworkPolicy", "stagedkubernetesnetworkpolicies", "", ...CALICO),
  cluster("StagedGlobalNetworkPolicy", "stagedglobalnetworkpolicies", "", ...CALICO),
  cluster("FelixConfiguration", "felixconfigurations", "", ...CALICO),
  row("CalicoNetworkPolicy", "caliconetworkpolicies", "cnp", ...CALICO),
  row("NetworkSet", "networksets", "", ...CALICO),
  cluster("GlobalNetworkPolicy", "globalnetworkpolicies", "gnp", ...CALICO),
  cluster("GlobalNetworkSet", "globalnetworksets", "", ...CALICO),
  cluster("HostEndpoint", "hostendpoints", "hep", ...CALICO),
  cluster("Tier", "tiers", "", ...CALICO),
  cluster("Profile", "profiles", "", ...CALICO),
  cluster("AdminNetworkPolicy", "adminnetworkpolicies", "anp", "policy.networking.k8s.io"),
  cluster("BaselineAdminNetworkPolicy", "baselineadminnetworkpolicies", "banp", "policy.networking.k8s.io"),
  cluster("PodSecurityPolicy", "podsecuritypolicies", "psp", "policy", "extensions"),
];

function row(kind: string, plural: string, short: string, ...groups: string[]): KindNames {
  return { kind, plural, shortNames: short === "" ? [] : [short], groups, namespaced: true };
}

function cluster(kind: string, plural: string, short: string, ...groups: string[]): KindNames {
  return { ...row(kind, plural, short, ...groups), namespaced: false };
}

const BY_KIND = new Map(KINDS.map((names) => [names.kind, names]));
const BY_WORD = new Map<string, KindNames>(
  KINDS.flatMap((names) =>
    [names.kind.toLowerCase(), names.plural, ...names.shortNames].map((word) => [word, names] as const),
  ),
);

export function kindNamed(kind: string): KindNames | undefined {
  return BY_KIND.get(kind);
}

/** The kind a person means by `deploy`, `deployments`, `Deployment` or `deployments.apps`. */
export function kindOfWord(word: string): KindNames | undefined {
  return BY_WORD.get(word.toLowerCase().split(".")[0] ?? "");
}

/** Custom kinds live in namespaces unless they are known not to. */
export function isNamespaced(kind: string): boolean {
  return BY_KIND.get(kind)?.namespaced ?? true;
}

/** The group of `apps/v1`; "" for the core group's `v1`. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash === -1 ? "" : apiVersion.slice(0, slash);
}

/** The name a kind has among all others here: Calico has a NetworkPolicy too, which `kubectl` tells apart by this name. */
export function kindInGroup(kind: string, apiVersion: string): string {
  const isCalico = (CALICO as readonly string[]).includes(groupOf(apiVersion));
  return isCalico && kind === "NetworkPolicy" ? "CalicoNetworkPolicy" : kind;
}
