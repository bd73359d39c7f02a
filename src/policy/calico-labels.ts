import { type KubernetesObject, namespaceOf } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import type { Labels } from "../object/selector.ts";
import { type NamedPort, namespaceLabels, type Workload, workloadsOf } from "./workload.ts";

export const NAMESPACE = "projectcalico.org/namespace";
export const ORCHESTRATOR = "projectcalico.org/orchestrator";
export const SERVICE_ACCOUNT = "projectcalico.org/serviceaccount";
/** What the labels of a namespace and of a service account begin with on a pod of theirs. */
export const NAMESPACE_PREFIX = "pcns.";
export const SERVICE_ACCOUNT_PREFIX = "pcsa.";

/** What Calico's selectors choose among: workloads, host endpoints, and sets of networks. */
export interface Labelled {
  readonly object: KubernetesObject;
  readonly labels: Labels;
  /** Addresses or prefixes. */
  readonly nets: readonly string[];
  readonly ports: readonly NamedPort[];
}

export function labelledOf(objects: Lister): Labelled[] {
  return [
    ...workloadsOf(objects).map((workload) => ({
      object: workload.pod,
      labels: workloadLabels(workload, objects),
      nets: workload.addresses,
      ports: workload.ports,
    })),
    ...objects.list("HostEndpoint").map((object) => ({
      object,
      labels: object.metadata.labels ?? {},
      nets: object.spec.expectedIPs ?? [],
      ports: (object.spec.ports ?? []).map(({ name, protocol, port }) => ({
        ...{ name, port, protocol: String(protocol) },
      })),
    })),
    ...objects.list("NetworkSet").map((object) => ({
      object,
      labels: {
        ...profileLabels(objects, namespaceOf(object), null),
        ...object.metadata.labels,
        [NAMESPACE]: namespaceOf(object),
      },
      nets: object.spec.nets ?? [],
      ports: [],
    })),
    ...objects.list("GlobalNetworkSet").map((object) => ({
      object,
      labels: object.metadata.labels ?? {},
      nets: object.spec.nets ?? [],
      ports: [],
    })),
  ];
}

/** A pod's own labels, those that Calico adds, and those that it has from its namespace and service account. */
export function workloadLabels(workload: Workload, objects: Lister): Labels {
  const { labels, namespace, serviceAccount } = workload;
  return {
    ...profileLabels(objects, namespace, serviceAccount),
    ...labels,
    [NAMESPACE]: namespace,
    [ORCHESTRATOR]: "k8s",
    [SERVICE_ACCOUNT]: serviceAccount,
  };
}

function profileLabels(objects: Lister, namespace: string, account: string | null): Labels {
  const own =
    account === null ? {} : (objects.get("ServiceAccount", `${namespace}/${account}`)?.metadata.labels ?? {});
  const all: Record<string, string> = {
    ...prefixed(NAMESPACE_PREFIX, namespaceLabels(objects, namespace)),
    [`${NAMESPACE_PREFIX}projectcalico.org/name`]: namespace,
  };
  if (account === null) return all;
  return {
    ...all,
    ...prefixed(SERVICE_ACCOUNT_PREFIX, own),
    [`${SERVICE_ACCOUNT_PREFIX}projectcalico.org/name`]: account,
  };
}

function prefixed(prefix: string, labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [prefix + key, value ?? ""]));
}
