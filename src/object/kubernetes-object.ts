import type * as apps from "kubernetes-types/apps/v1.js";
import type * as core from "kubernetes-types/core/v1.js";
import type * as discovery from "kubernetes-types/discovery/v1.js";
import type { ObjectMeta, OwnerReference } from "kubernetes-types/meta/v1.js";
import type * as networking from "kubernetes-types/networking/v1.js";
import type { Place } from "./place.ts";
import type {
  AdminPolicySpec,
  BaselinePolicySpec,
  CalicoGlobalPolicySpec,
  CalicoPolicySpec,
  HostEndpointSpec,
  ProfileSpec,
  TierSpec,
} from "./policy-types.ts";

/**
 * Objects of the Kubernetes API as they were read, checked and with the API's defaults put in. Never changed: who wants
 * another makes another. The fields are those of the API; only `place` is ours.
 */
export interface Metadata extends Omit<ObjectMeta, "name" | "namespace"> {
  name: string;
  /** Always there for the kinds that live in one. */
  namespace?: string;
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly place: Place;
}

/** Of the version that all readers are given, whatever the input was written in. */
interface Typed<K extends string, V extends string = "v1"> extends KubernetesObject {
  readonly apiVersion: V;
  readonly kind: K;
}

export interface Node extends Typed<"Node"> {
  readonly spec?: core.NodeSpec;
  readonly status?: core.NodeStatus;
}

export interface Namespace extends Typed<"Namespace"> {
  readonly spec?: core.NamespaceSpec;
}

export interface Pod extends Typed<"Pod"> {
  readonly spec: core.PodSpec;
  readonly status?: core.PodStatus;
}

export interface Service extends Typed<"Service"> {
  readonly spec: core.ServiceSpec;
  readonly status?: core.ServiceStatus;
}

export interface Endpoints extends Typed<"Endpoints"> {
  readonly subsets?: core.EndpointSubset[];
}

export interface EndpointSlice extends Typed<"EndpointSlice", "discovery.k8s.io/v1"> {
  readonly addressType: string;
  readonly endpoints: SliceEndpoint[];
  readonly ports?: discovery.EndpointPort[];
}

/** With the hints that newer clusters write. */
export interface SliceEndpoint extends Omit<discovery.Endpoint, "hints"> {
  hints?: { forZones?: { name: string }[]; forNodes?: { name: string }[] };
}

export interface ConfigMap extends Typed<"ConfigMap"> {
  readonly data?: Readonly<Record<string, string>>;
}

export interface Deployment extends Typed<"Deployment", "apps/v1"> {
  readonly spec: apps.DeploymentSpec;
}

export interface ReplicaSet extends Typed<"ReplicaSet", "apps/v1"> {
  readonly spec: apps.ReplicaSetSpec;
}

export interface DaemonSet extends Typed<"DaemonSet", "apps/v1"> {
  readonly spec: apps.DaemonSetSpec;
}

export interface StatefulSet extends Typed<"StatefulSet", "apps/v1"> {
  readonly spec: apps.StatefulSetSpec;
}

export interface ReplicationController extends Typed<"ReplicationController"> {
  readonly spec: core.ReplicationControllerSpec;
}

export interface ServiceAccount extends Typed<"ServiceAccount"> {}

export interface NetworkPolicy extends Typed<"NetworkPolicy", "networking.k8s.io/v1"> {
  readonly spec: networking.NetworkPolicySpec;
}

export interface AdminNetworkPolicy extends Typed<"AdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1"> {
  readonly spec: AdminPolicySpec;
}

export interface BaselineAdminNetworkPolicy
  extends Typed<"BaselineAdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1"> {
  readonly spec: BaselinePolicySpec;
}

type Calico<K extends string> = Typed<K, "projectcalico.org/v3">;

/** Calico's NetworkPolicy. */
export interface CalicoNetworkPolicy extends Calico<"CalicoNetworkPolicy"> {
  readonly spec: CalicoPolicySpec;
}

export interface GlobalNetworkPolicy extends Calico<"GlobalNetworkPolicy"> {
  readonly spec: CalicoGlobalPolicySpec;
}

export interface NetworkSet extends Calico<"NetworkSet"> {
  readonly spec: { readonly nets?: readonly string[] };
}

export interface GlobalNetworkSet extends Calico<"GlobalNetworkSet"> {
  readonly spec: { readonly nets?: readonly string[] };
}

export interface HostEndpoint extends Calico<"HostEndpoint"> {
  readonly spec: HostEndpointSpec;
}

export interface Tier extends Calico<"Tier"> {
  readonly spec: TierSpec;
}

export interface Profile extends Calico<"Profile"> {
  readonly spec: ProfileSpec;
}

/** The kinds that are typed and checked; objects of every other kind are kept as they are. */
export interface ObjectOfKind {
  Node: Node;
  Namespace: Namespace;
  Pod: Pod;
  Service: Service;
  Endpoints: Endpoints;
  EndpointSlice: EndpointSlice;
  ConfigMap: ConfigMap;
  Deployment: Deployment;
  ReplicaSet: ReplicaSet;
  DaemonSet: DaemonSet;
  StatefulSet: StatefulSet;
  ReplicationController: ReplicationController;
  ServiceAccount: ServiceAccount;
  NetworkPolicy: NetworkPolicy;
  AdminNetworkPolicy: AdminNetworkPolicy;
  BaselineAdminNetworkPolicy: BaselineAdminNetworkPolicy;
  CalicoNetworkPolicy: CalicoNetworkPolicy;
  GlobalNetworkPolicy: GlobalNetworkPolicy;
  NetworkSet: NetworkSet;
  GlobalNetworkSet: GlobalNetworkSet;
  HostEndpoint: HostEndpoint;
  Tier: Tier;
  Profile: Profile;
}

export type TypedKind = keyof ObjectOfKind;

/** An object's name among those of its kind: `namespace/name`, or the name alone where the kind has no namespaces. */
export function keyOf({ metadata }: KubernetesObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

/** `Service shop/web`, as messages and owners name it. */
export function describeObject(object: KubernetesObject): string {
  return `${object.kind} ${keyOf(object)}`;
}

export function namespaceOf({ metadata }: KubernetesObject): string {
  return metadata.namespace ?? "";
}

/** The owner that controls an object, if one does. */
export function controllerOf({ metadata }: KubernetesObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true);
}

/** Whether it was read from the input, rather than made by a controller. */
export function isObserved({ place }: KubernetesObject): boolean {
  return place.by === null;
}
