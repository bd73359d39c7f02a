import type { Container, PodSpec } from "kubernetes-types/core/v1.js";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { describeObject, type KubernetesObject } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { formatPlace } from "../object/place.ts";
import { poolCidrsOf } from "./calico.ts";
import type { Clue } from "./clue.ts";

export type CniName =
  | "bridge"
  | "flannel"
  | "calico"
  | "canal"
  | "weave"
  | "kube-router"
  | "cilium"
  | "antrea"
  | "ovn-kubernetes"
  | "openshift-sdn"
  | "ovs"
  | "kindnet"
  | "kubenet"
  | "docker0";
export type ProxyMode = "iptables" | "ipvs" | "nftables" | "userspace" | "none";
export const FLANNEL_BACKENDS = [
  "vxlan",
  "host-gw",
  "udp",
  "ipip",
  "wireguard",
  "extension",
  "alloc",
  "ipsec",
  "tencent-vpc",
  "ali-vpc",
  "aws-vpc",
  "gce",
] as const;
export type FlannelBackend = (typeof FLANNEL_BACKENDS)[number];

/** Everything that hints at the cluster's set-up. */
export class Clues {
  readonly cni: Clue<string>[] = [];
  readonly proxyMode: Clue<ProxyMode>[] = [];
  /** Ranges as they are written: one, or one a family with a comma between. */
  readonly clusterCidr: Clue<string>[] = [];
  readonly serviceCidr: Clue<string>[] = [];
  readonly nodeCidrLength: Clue<number>[] = [];
  readonly nodeCidrLength6: Clue<number>[] = [];
  readonly dnsDomain: Clue<string>[] = [];
  readonly nodePorts: Clue<string>[] = [];
  /** The documents themselves, for the agents that are configured by them. */
  readonly kubeProxy: Clue<Json>[] = [];
  readonly conflist: Clue<Json>[] = [];
  readonly flannel: Clue<Json>[] = [];
  readonly corefile: Clue<string>[] = [];

  get isEmpty(): boolean {
    const { cni, clusterCidr, serviceCidr, kubeProxy, conflist, flannel, corefile } = this;
    return [cni, clusterCidr, serviceCidr, kubeProxy, conflist, flannel, corefile].every(
      ({ length }) => length === 0,
    );
  }
}

const CONFIGURES = 4;
const RUNS = 3;
const SHOWS = 1;

export function clueOfKubeadm(json: Json, where: string, clues: Clues): void {
  const { networking, controllerManager, apiServer } = json;
  const network = isJsonObject(networking) ? networking : {};
  add(clues.clusterCidr, cidrsOf(at(network, "podSubnet")), `${where} networking.podSubnet`, CONFIGURES);
  add(
    clues.serviceCidr,
    cidrsOf(at(network, "serviceSubnet")),
    `${where} networking.serviceSubnet`,
    CONFIGURES,
  );
  add(clues.dnsDomain, textOf(at(network, "dnsDomain")), `${where} networking.dnsDomain`, CONFIGURES);
  for (const [part, name] of [
    [controllerManager, "controllerManager"],
    [apiServer, "apiServer"],
  ] as const) {
    if (isJsonObject(part))
      clueOfArguments(extraArgs(at(part, "extraArgs")), `${where} ${name}.extraArgs`, clues);
  }
}

/** A map until v1beta3, a list of name and value since. */
function extraArgs(value: unknown): string[] {
  if (Array.isArray(value)) {
    return value.filter(isJsonObject).map(({ name, value: text }) => `--${String(name)}=${String(text)}`);
  }
  return isJsonObject(value) ? Object.entries(value).map(([name, text]) => `--${name}=${String(text)}`) : [];
}

export function clueOfKubeProxy(json: Json, where: string, clues: Clues): void {
  const { mode, clusterCIDR } = json;
  clues.kubeProxy.push({ value: json, where, weight: CONFIGURES });
  const known = proxyModeOf(textOf(mode) ?? "");
  add(clues.proxyMode, known, `${where} mode`, CONFIGURES);
  add(clues.clusterCidr, cidrsOf(clusterCIDR), `${where} clusterCIDR`, CONFIGURES - 1);
}

/** "" is kube-proxy's default; `userspace` is gone since 1.26. */
function proxyModeOf(mode: string): ProxyMode | undefined {
  if (mode === "" || mode === "iptables") return "iptables";
  return mode === "ipvs" || mode === "nftables" || mode === "userspace" ? mode : undefined;
}

export function clueOfFlannel(json: Json, where: string, clues: Clues): void {
  clues.flannel.push({ value: json, where, weight: CONFIGURES });
  add(clues.cni, "flannel", where, RUNS);
  const networks = [
    at(json, "EnableIPv4") === false ? undefined : at(json, "Network"),
    at(json, "EnableIPv6") === true ? at(json, "IPv6Network") : undefined,
  ].filter((network) => typeof network === "string");
  add(clues.clusterCidr, cidrsOf(networks.join(",")), `${where} Network`, CONFIGURES - 1);
  const { SubnetLen: length } = json;
  if (typeof length === "number") add(clues.nodeCidrLength, length, `${where} SubnetLen`, RUNS);
}

const CNI_OF_PLUGIN: Readonly<Record<string, CniName>> = {
  bridge: "bridge",
  flannel: "flannel",
  calico: "calico",
  "weave-net": "weave",
  "cilium-cni": "cilium",
  antrea: "antrea",
  "ovn-k8s-cni-overlay": "ovn-kubernetes",
  "openshift-sdn": "openshift-sdn",
  ovs: "ovs",
  kindnet: "kindnet",
  kubenet: "kubenet",
};

export function clueOfConflist(json: Json, where: string, clues: Clues): void {
  clues.conflist.push({ value: json, where, weight: CONFIGURES });
  const { plugins, name } = json;
  const list: unknown[] = Array.isArray(plugins) ? plugins : [json];
  const [first] = list.filter(isJsonObject);
  const type = textOf(at(first, "type"));
  const found = type === undefined ? undefined : (CNI_OF_PLUGIN[type] ?? type);
  // kube-router and kindnet configure the reference plugins.
  const bridge = textOf(at(first, "bridge"));
  const cni = bridge === "kube-bridge" ? "kube-router" : name === "kindnet" ? "kindnet" : found;
  add(clues.cni, cni, `${where} ${Array.isArray(plugins) ? "plugins[0].type" : "type"}`, CONFIGURES);
}

/** Names of what the installers of each CNI run on every node; canal before the two it is made of. */
const CNI_OF_WORKLOAD: readonly (readonly [RegExp, CniName])[] = [
  [/^canal\b/, "canal"],
  [/^kube-flannel\b|^flannel\b/, "flannel"],
  [/^calico-node\b/, "calico"],
  [/^weave-net\b/, "weave"],
  [/^cilium(-[a-z0-9]+)?$/, "cilium"],
  [/^kube-router\b/, "kube-router"],
  [/^antrea-agent\b/, "antrea"],
  [/^ovnkube-node\b/, "ovn-kubernetes"],
  [/^ovs-cni\b/, "ovs"],
  [/^kindnet\b/, "kindnet"],
];

/** What each CNI writes on its nodes. */
const CNI_OF_ANNOTATION: readonly (readonly [string, CniName])[] = [
  ["flannel.alpha.coreos.com/backend-type", "flannel"],
  ["projectcalico.org/IPv4Address", "calico"],
  ["io.cilium.network.ipv4-cilium-host", "cilium"],
  ["kube-router.io/node-bgp-local-ip", "kube-router"],
];

export function cluesOfObjects(objects: Lister, clues: Clues): void {
  for (const map of objects.list("ConfigMap")) {
    if (map.metadata.name === "canal-config") add(clues.cni, "canal", placed(map), CONFIGURES + 1);
  }
  for (const set of objects.list("DaemonSet"))
    clueOfWorkload(set, set.spec.template.spec, "spec.template.spec", clues);
  for (const pod of objects.list("Pod")) clueOfWorkload(pod, pod.spec, "spec", clues);
  for (const pool of objects.list("IPPool")) clueOfIpPool(pool, clues);
  for (const { text, where } of poolCidrsOf(objects)) {
    add(clues.clusterCidr, cidrsOf(text), where, RUNS - 1);
  }
  for (const one of objects.list("Installation")) {
    if (one.apiVersion.startsWith("operator.tigera.io/")) add(clues.cni, "calico", placed(one), RUNS);
  }
  for (const cidr of objects.list("ServiceCIDR")) {
    const { spec } = cidr as KubernetesObject & { readonly spec?: { readonly cidrs?: readonly string[] } };
    add(clues.serviceCidr, cidrsOf(spec?.cidrs?.join(",")), `${placed(cidr)} spec.cidrs`, CONFIGURES);
  }
  for (const network of objects.list("Network")) clueOfOpenShift(network, clues);
  for (const node of objects.list("Node")) {
    const annotations = node.metadata.annotations ?? {};
    const has = (name: string) => Object.hasOwn(annotations, name);
    const found = CNI_OF_ANNOTATION.find(([name]) => has(name));
    if (found !== undefined) add(clues.cni, found[1], `${placed(node)} metadata.annotations`, SHOWS);
  }
}

/** canal counts before the two it is made of; ovs-cni mostly stands beside a network that pods begin with. */
function weightOf(cni: CniName): number {
  if (cni === "canal") return CONFIGURES + 1;
  return cni === "ovs" ? SHOWS : RUNS;
}

function clueOfWorkload(
  object: KubernetesObject,
  spec: PodSpec | undefined,
  field: string,
  clues: Clues,
): void {
  const { name } = object.metadata;
  const found = CNI_OF_WORKLOAD.find(([pattern]) => pattern.test(name))?.[1];
  if (found !== undefined) add(clues.cni, found, placed(object), weightOf(found));
  if (found === "weave") clueOfWeave(spec, `${placed(object)} ${field}`, clues);
  if (!/^(?:kube-proxy|kube-controller-manager|kube-apiserver|kube-router)\b/.test(name)) return;
  for (const [i, container] of (spec?.containers ?? []).entries()) {
    clueOfArguments(argumentsOf(container), `${placed(object)} ${field}.containers[${i}]`, clues);
  }
}

/** Weave's own range, whatever kubeadm was told. */
function clueOfWeave(spec: PodSpec | undefined, where: string, clues: Clues): void {
  for (const [i, { env = [] }] of (spec?.containers ?? []).entries()) {
    const range = env.find(({ name }) => name === "IPALLOC_RANGE")?.value;
    if (range !== undefined)
      add(clues.clusterCidr, cidrsOf(range), `${where}.containers[${i}].env IPALLOC_RANGE`, CONFIGURES + 1);
  }
}

function argumentsOf({ command = [], args = [] }: Container): string[] {
  // Shell lines hold several.
  return [...command, ...args].flatMap((word) => word.split(/\s+/));
}

function clueOfArguments(words: readonly string[], where: string, clues: Clues): void {
  for (const word of words) {
    const [, name, value = ""] = /^--([a-z0-9-]+)=(.*)$/.exec(word) ?? [];
    const place = `${where} --${name}`;
    if (name === "cluster-cidr") add(clues.clusterCidr, cidrsOf(value), place, RUNS);
    else if (name === "service-cluster-ip-range") add(clues.serviceCidr, cidrsOf(value), place, RUNS);
    else if (name === "node-cidr-mask-size" || name === "node-cidr-mask-size-ipv4") {
      add(clues.nodeCidrLength, Number(value), place, RUNS);
    } else if (name === "node-cidr-mask-size-ipv6") add(clues.nodeCidrLength6, Number(value), place, RUNS);
    else if (name === "proxy-mode") add(clues.proxyMode, proxyModeOf(value), place, RUNS);
    else if (name === "service-node-port-range") add(clues.nodePorts, value, place, RUNS);
  }
}

function clueOfIpPool(pool: KubernetesObject, clues: Clues): void {
  const { spec } = pool as KubernetesObject & {
    readonly spec?: { readonly cidr?: string; readonly disabled?: boolean };
  };
  add(clues.cni, "calico", placed(pool), RUNS);
  if (spec?.disabled !== true) add(clues.clusterCidr, cidrsOf(spec?.cidr), `${placed(pool)} spec.cidr`, RUNS);
}

/** `config.openshift.io` Network. */
function clueOfOpenShift(network: KubernetesObject, clues: Clues): void {
  const { spec } = network as KubernetesObject & { readonly spec?: Json };
  if (!isJsonObject(spec)) return;
  const { clusterNetwork, serviceNetwork } = spec;
  const pods = Array.isArray(clusterNetwork) ? clusterNetwork.filter(isJsonObject) : [];
  const [first] = pods;
  const services: unknown[] = Array.isArray(serviceNetwork) ? serviceNetwork : [];
  const where = placed(network);
  const cidrs = pods.map((item) => at(item, "cidr")).filter((cidr) => typeof cidr === "string");
  add(clues.clusterCidr, cidrsOf(cidrs.join(",")), `${where} spec.clusterNetwork[0].cidr`, CONFIGURES);
  add(clues.serviceCidr, cidrsOf(services.join(",")), `${where} spec.serviceNetwork[0]`, CONFIGURES);
  const { hostPrefix } = first ?? {};
  if (typeof hostPrefix === "number") {
    const list = String(at(first, "cidr")).includes(":") ? clues.nodeCidrLength6 : clues.nodeCidrLength;
    add(list, hostPrefix, `${where} spec.clusterNetwork[0].hostPrefix`, CONFIGURES);
  }
}

function placed(object: KubernetesObject): string {
  return `${describeObject(object)} (${formatPlace(object.place)})`;
}

function add<T>(list: Clue<T>[], value: T | undefined, where: string, weight: number): void {
  if (value !== undefined) list.push({ value, where, weight });
}

/** A field of configuration, whatever it holds. */
export function at(json: Json | undefined, name: string): unknown {
  return json !== undefined && Object.hasOwn(json, name) ? json[name] : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** `10.244.0.0/16,fd00:10:244::/56`, where there is any. */
function cidrsOf(value: unknown): string | undefined {
  return typeof value === "string" && value.includes("/") ? value : undefined;
}
