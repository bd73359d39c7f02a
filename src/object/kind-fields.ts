import {
  anything,
  type Fields,
  list,
  names,
  object,
  optional,
  required,
  text,
  texts,
  word,
} from "./field-table.ts";
import type { TypedKind } from "./kubernetes-object.ts";
import { LABEL_SELECTOR, METADATA } from "./metadata-fields.ts";
import {
  CONFIG_MAP,
  ENDPOINT_SLICE,
  ENDPOINT_SUBSETS,
  NODE_SPEC,
  NODE_STATUS,
  REPLICAS,
  SERVICE_SPEC,
  SERVICE_STATUS,
} from "./network-fields.ts";
import { POD_SPEC, POD_STATUS, POD_TEMPLATE } from "./pod-fields.ts";
import {
  ADMIN_POLICY_SPEC,
  BASELINE_POLICY_SPEC,
  CALICO_GLOBAL_POLICY_SPEC,
  CALICO_POLICY_SPEC,
  HOST_ENDPOINT_SPEC,
  NETWORK_POLICY_SPEC,
  NETWORK_SET_SPEC,
  PROFILE_SPEC,
  SERVICE_ACCOUNT,
  TIER_SPEC,
} from "./policy-fields.ts";

/** The table of each kind that is typed and checked. */

const OBJECT: Fields = {
  ...required({ apiVersion: text, kind: text }),
  ...optional({ metadata: object(METADATA) }),
};

const STATUS: Fields = optional({ status: anything });
const SELECTOR = optional({ selector: object(LABEL_SELECTOR) });
const TEMPLATE = required({ template: object(POD_TEMPLATE) });

const DEPLOYMENT_SPEC: Fields = {
  ...REPLICAS,
  ...SELECTOR,
  ...TEMPLATE,
  ...optional({
    strategy: object(optional({ type: word("Recreate", "RollingUpdate"), rollingUpdate: anything })),
  }),
  ...names("paused progressDeadlineSeconds revisionHistoryLimit rollbackTo"),
};

const DAEMON_SET_SPEC: Fields = {
  ...SELECTOR,
  ...TEMPLATE,
  ...names("minReadySeconds revisionHistoryLimit updateStrategy templateGeneration"),
};

const STATEFUL_SET_SPEC: Fields = {
  ...REPLICAS,
  ...SELECTOR,
  ...TEMPLATE,
  ...optional({
    serviceName: text,
    podManagementPolicy: word("OrderedReady", "Parallel"),
    ordinals: object(names("start")),
    volumeClaimTemplates: list(anything),
  }),
  ...names("persistentVolumeClaimRetentionPolicy revisionHistoryLimit updateStrategy"),
};

export const KIND_FIELDS: Readonly<Record<TypedKind, Fields>> = {
  Node: { ...OBJECT, ...optional({ spec: object(NODE_SPEC), status: object(NODE_STATUS) }) },
  Namespace: { ...OBJECT, ...names("spec status") },
  Pod: { ...OBJECT, ...required({ spec: object(POD_SPEC) }), ...optional({ status: object(POD_STATUS) }) },
  Service: {
    ...OBJECT,
    ...required({ spec: object(SERVICE_SPEC) }),
    ...optional({ status: object(SERVICE_STATUS) }),
  },
  Endpoints: { ...OBJECT, ...optional({ subsets: ENDPOINT_SUBSETS }) },
  EndpointSlice: { ...OBJECT, ...ENDPOINT_SLICE },
  ConfigMap: { ...OBJECT, ...CONFIG_MAP },
  Deployment: { ...OBJECT, ...STATUS, ...required({ spec: object(DEPLOYMENT_SPEC) }) },
  ReplicaSet: {
    ...OBJECT,
    ...STATUS,
    ...required({
      spec: object({ ...REPLICAS, ...SELECTOR, ...optional({ template: object(POD_TEMPLATE) }) }),
    }),
  },
  DaemonSet: { ...OBJECT, ...STATUS, ...required({ spec: object(DAEMON_SET_SPEC) }) },
  StatefulSet: { ...OBJECT, ...STATUS, ...required({ spec: object(STATEFUL_SET_SPEC) }) },
  ReplicationController: {
    ...OBJECT,
    ...STATUS,
    ...required({
      spec: object({ ...REPLICAS, ...optional({ selector: texts, template: object(POD_TEMPLATE) }) }),
    }),
  },
  ServiceAccount: { ...OBJECT, ...SERVICE_ACCOUNT },
  NetworkPolicy: ofSpec(NETWORK_POLICY_SPEC),
  AdminNetworkPolicy: ofSpec(ADMIN_POLICY_SPEC),
  BaselineAdminNetworkPolicy: ofSpec(BASELINE_POLICY_SPEC),
  CalicoNetworkPolicy: ofSpec(CALICO_POLICY_SPEC),
  GlobalNetworkPolicy: ofSpec(CALICO_GLOBAL_POLICY_SPEC),
  NetworkSet: ofSpec(NETWORK_SET_SPEC),
  GlobalNetworkSet: ofSpec(NETWORK_SET_SPEC),
  HostEndpoint: ofSpec(HOST_ENDPOINT_SPEC),
  Tier: ofSpec(TIER_SPEC),
  Profile: ofSpec(PROFILE_SPEC),
};

function ofSpec(fields: Fields): Fields {
  return { ...OBJECT, ...STATUS, ...required({ spec: object(fields) }) };
}

export function isTypedKind(kind: string): kind is TypedKind {
  return Object.hasOwn(KIND_FIELDS, kind);
}
