import type { IpPrefix } from "../address/ip-prefix.ts";
import { parseIpv4 } from "../address/ipv4.ts";
import {
  contains,
  firstOf,
  formatPrefix4,
  networkOf,
  type Prefix4,
  parsePrefix4,
} from "../address/prefix.ts";
import { formatPrefix6, type Prefix6 } from "../address/prefix6.ts";
import type { CalicoNetwork } from "../cni/calico/network.ts";
import { formatIpNet } from "../cni/ip.ts";
import type { ClusterSettings } from "../control/settings.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import type { Lister } from "../object/object-map.ts";
import { type DetectedCalico, detectCalico } from "./calico.ts";
import { type Detected, settle, strongest } from "./clue.ts";
import {
  at,
  type Clues,
  type CniName,
  FLANNEL_BACKENDS,
  type FlannelBackend,
  type ProxyMode,
} from "./clues.ts";
import {
  type DetectedFamilies,
  type DetectedSix,
  detectFamilies,
  detectSix,
  sixSettingsOf,
} from "./families.ts";

/** How the cluster of a source is set up: each setting with where it was seen, or that and why it was assumed. */
export interface DetectedCluster {
  /** A `CniName`, or the type of a plugin that is none. */
  readonly cni: Detected<string>;
  readonly proxyMode: Detected<ProxyMode>;
  readonly families: DetectedFamilies;
  /** Of IPv4; without meaning where the families leave it out. */
  readonly clusterCidr: Detected<Prefix4>;
  readonly serviceCidr: Detected<Prefix4>;
  /** null where the families leave IPv6 out. */
  readonly six: DetectedSix | null;
  readonly nodeCidrLength: Detected<number>;
  readonly nodePorts: Detected<{ readonly first: number; readonly last: number }>;
  readonly dnsDomain: Detected<string>;
  readonly flannelBackend: Detected<FlannelBackend>;
  /** null where the CNI is another. */
  readonly calico: DetectedCalico | null;
  /** The documents the agents are configured by, where the source holds them. */
  readonly kubeProxy: Json | null;
  readonly conflist: Json | null;
  readonly flannel: Json | null;
  readonly corefile: string | null;
  /** Where the agents' documents were read. */
  readonly where: {
    readonly kubeProxy: string | null;
    readonly flannel: string | null;
    readonly conflist: string | null;
  };
}

export interface DetectionFlags {
  readonly cni?: CniName | undefined;
  readonly flannelBackend?: FlannelBackend | undefined;
  readonly proxyMode?: ProxyMode | undefined;
  readonly clusterCidr?: Prefix4 | undefined;
  readonly serviceCidr?: Prefix4 | undefined;
  readonly clusterCidr6?: Prefix6 | undefined;
  readonly serviceCidr6?: Prefix6 | undefined;
}

export function detectCluster(objects: Lister, clues: Clues, flags: DetectionFlags): DetectedCluster {
  const nodeCidrLength = settle(
    { name: "", value: undefined },
    clues.nodeCidrLength.filter(({ value }) => Number.isInteger(value) && value >= 8 && value <= 30),
    { value: 24, why: "the control plane's default" },
  );
  const cidrs = (list: Clues["clusterCidr"]) =>
    list.flatMap((clue) => {
      const value = clue.value.split(",").flatMap((text) => parsePrefix4(text.trim()) ?? [])[0];
      return value === undefined ? [] : [{ ...clue, value: networkOf(value) }];
    });
  const cni = settle<string>({ name: "--cni", value: flags.cni }, clues.cni, assumedCni(objects));
  const clusterCidr = settle(
    { name: "--pod-cidr", value: flags.clusterCidr },
    cidrs(clues.clusterCidr),
    assumedClusterCidr(objects, nodeCidrLength.value, cni.value === "weave" ? WEAVE_RANGE : USUAL_CLUSTER),
  );
  const families = detectFamilies(objects, clues, rangesOf(flags));
  const six = families.value.includes("IPv6")
    ? detectSix(objects, clues, { clusterCidr: flags.clusterCidr6, serviceCidr: flags.serviceCidr6 })
    : null;
  return {
    cni,
    families,
    six,
    proxyMode: settle({ name: "--proxy-mode", value: flags.proxyMode }, clues.proxyMode, {
      value: "iptables",
      why: "kube-proxy's default",
    }),
    clusterCidr,
    serviceCidr: settle(
      { name: "--service-cidr", value: flags.serviceCidr },
      cidrs(clues.serviceCidr),
      assumedServiceCidr(objects),
    ),
    nodeCidrLength,
    nodePorts: settle(
      { name: "", value: undefined },
      clues.nodePorts.flatMap((clue) => {
        const [, first, last] = /^(\d+)-(\d+)$/.exec(clue.value) ?? [];
        return first === undefined ? [] : [{ ...clue, value: { first: Number(first), last: Number(last) } }];
      }),
      { value: { first: 30_000, last: 32_767 }, why: "the API server's default" },
    ),
    dnsDomain: settle({ name: "", value: undefined }, clues.dnsDomain, {
      value: "cluster.local",
      why: "the kubelet's default",
    }),
    flannelBackend: backendOf(clues, flags),
    calico:
      cni.value === "calico"
        ? detectCalico(objects, {
            four: families.value.includes("IPv4") ? clusterCidr.value : null,
            six: six?.clusterCidr.value ?? null,
          })
        : null,
    kubeProxy: strongest(clues.kubeProxy)?.value ?? null,
    conflist: strongest(clues.conflist)?.value ?? null,
    flannel: strongest(clues.flannel)?.value ?? null,
    corefile: strongest(clues.corefile)?.value ?? null,
    where: {
      kubeProxy: strongest(clues.kubeProxy)?.where ?? null,
      flannel: strongest(clues.flannel)?.where ?? null,
      conflist: strongest(clues.conflist)?.where ?? null,
    },
  };
}

/** The ranges that flags name, those of Services first. */
/** The networks of cluster IPs, one of each family that the cluster has. */
export function serviceRangesOf({ serviceCidr, six, families }: DetectedCluster): IpPrefix[] {
  return [
    ...(families.value.includes("IPv4") ? [serviceCidr.value] : []),
    ...(six === null ? [] : [six.serviceCidr.value]),
  ];
}

function rangesOf({ clusterCidr, serviceCidr, clusterCidr6, serviceCidr6 }: DetectionFlags): string[] {
  return [
    ...[serviceCidr, clusterCidr].flatMap((range) => (range === undefined ? [] : formatPrefix4(range))),
    ...[serviceCidr6, clusterCidr6].flatMap((range) => (range === undefined ? [] : formatPrefix6(range))),
  ];
}

const MAKE_PODS = ["Pod", "Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "ReplicationController"];

/**
 * flannel where there are pods to connect. Nodes, Services and slices alone show no pod network at all, and rules of one
 * would only hide what kube-proxy does: the bridge plugin leaves nothing on a node that has no pods.
 */
function assumedCni(objects: Lister): { readonly value: CniName; readonly why: string } {
  const why = "nothing in the input names a CNI";
  return MAKE_PODS.some((kind) => objects.list(kind).length > 0)
    ? { value: "flannel", why }
    : { value: "bridge", why: `${why}, and without pods it has written nothing` };
}

function backendOf(clues: Clues, flags: DetectionFlags): Detected<FlannelBackend> {
  const found = clues.flannel.flatMap((clue) => {
    const { Backend: backend } = clue.value;
    const type = isJsonObject(backend) ? at(backend, "Type") : undefined;
    const value = FLANNEL_BACKENDS.find((name) => name === type);
    return value === undefined ? [] : [{ value, where: `${clue.where} Backend.Type`, weight: clue.weight }];
  });
  return settle({ name: "--cni", value: flags.flannelBackend }, found, {
    value: "vxlan",
    why: "flannel's manifest has it so",
  });
}

type Assumption = { readonly value: Prefix4; readonly why: string };

const USUAL_CLUSTER = prefix("10.244.0.0/16");
const WEAVE_RANGE = prefix("10.32.0.0/12");
const USUAL_SERVICES = prefix("10.96.0.0/12");

/** What kubeadm's users write, or the shortest network around it that has a subnet for every node. */
function assumedClusterCidr(objects: Lister, nodeCidrLength: number, usual: Prefix4): Assumption {
  const nodes = objects.list("Node");
  const cidrs = nodes.flatMap(({ spec }) => parsePrefix4(spec?.podCIDR ?? "") ?? []);
  const addresses = cidrs.length > 0 ? cidrs.map(firstOf) : podAddresses(objects);
  const why =
    cidrs.length > 0 ? "the podCIDRs of the nodes are in it" : "the addresses of the pods are in it";
  let value = usual;
  if (addresses.length > 0 && !addresses.every((address) => contains(value, address))) {
    value = around(addresses, 16);
    return { value, why };
  }
  while (value.length > 9 && 2 ** (nodeCidrLength - value.length) < nodes.length) {
    value = networkOf({ address: value.address, length: value.length - 1 });
  }
  const ownRange =
    usual === WEAVE_RANGE ? "Weave's default (IPALLOC_RANGE)" : "kubeadm's examples have it so";
  return { value, why: addresses.length > 0 ? why : ownRange };
}

function podAddresses(objects: Lister): number[] {
  return objects
    .list("Pod")
    .filter(({ spec }) => spec.hostNetwork !== true)
    .flatMap(({ status }) => parseIpv4(status?.podIP ?? "") ?? []);
}

function assumedServiceCidr(objects: Lister): Assumption {
  const addresses = objects.list("Service").flatMap(({ spec }) => parseIpv4(spec.clusterIP ?? "") ?? []);
  if (addresses.every((address) => contains(USUAL_SERVICES, address))) {
    return { value: USUAL_SERVICES, why: "kubeadm's default" };
  }
  return { value: around(addresses, 16), why: "the cluster IPs of the Services are in it" };
}

/** The smallest network of at most `length` bits that holds all addresses. */
function around(addresses: readonly number[], length: number): Prefix4 {
  let value = networkOf({ address: addresses[0] ?? 0, length });
  while (!addresses.every((address) => contains(value, address))) {
    value = networkOf({ address: value.address, length: value.length - 1 });
  }
  return value;
}

function prefix(text: string): Prefix4 {
  const found = parsePrefix4(text);
  if (found === undefined) throw new Error(`${text} is no prefix`);
  return found;
}

/** Networks of the kind that container hosts have, the first that meets neither pods nor Services. */
const NODE_NETWORKS = ["172.18.0.0/16", "192.168.0.0/16", "172.31.0.0/16", "10.0.0.0/16"].map(prefix);

/** What the controllers are told. */
export function settingsOf(detected: DetectedCluster): ClusterSettings {
  const others = [detected.clusterCidr.value, detected.serviceCidr.value];
  const isFree = (network: Prefix4) =>
    others.every((other) => !contains(other, network.address) && !contains(network, other.address));
  return {
    families: detected.families.value,
    six: detected.six === null ? null : sixSettingsOf(detected.six),
    clusterCidr: detected.clusterCidr.value,
    nodeCidrLength: Math.max(detected.nodeCidrLength.value, detected.clusterCidr.value.length),
    serviceCidr: detected.serviceCidr.value,
    nodePorts: detected.nodePorts.value,
    nodeNetwork: NODE_NETWORKS.find(isFree) ?? prefix("172.18.0.0/16"),
    calico: detected.calico?.network ?? null,
  };
}

/** `CNI flannel (assumed: nothing in the input names a CNI)`, one line a setting. */
export function describeDetected(detected: DetectedCluster): string[] {
  const line = (name: string, text: string, { from, where }: Detected<unknown>) =>
    `${name} ${text} (${from === "assumed" ? `assumed: ${where}` : where})`;
  const { cni, proxyMode, flannelBackend } = detected;
  const lines = [line("CNI", cni.value, cni)];
  if (isFlannels(cni.value)) lines.push(line("flannel backend", flannelBackend.value, flannelBackend));
  if (detected.calico !== null)
    lines.push(line("Calico", describeCalico(detected.calico.network), { value: null, ...detected.calico }));
  lines.push(line("kube-proxy mode", proxyMode.value, proxyMode));
  for (const { name, text, setting } of rangesShown(detected)) lines.push(line(name, text, setting));
  return lines;
}

/** The cluster's ranges, of the families that it has. */
export function rangesShown({
  families,
  clusterCidr,
  serviceCidr,
  six,
}: DetectedCluster): { readonly name: string; readonly text: string; readonly setting: Detected<unknown> }[] {
  const four = (name: string, setting: Detected<Prefix4>) =>
    families.value.includes("IPv4") ? [{ name, text: formatPrefix4(setting.value), setting }] : [];
  const other = (name: string, setting: Detected<Prefix6> | undefined) =>
    setting === undefined ? [] : [{ name, text: formatPrefix6(setting.value), setting }];
  return [
    ...four("cluster CIDR", clusterCidr),
    ...other(families.value.length > 1 ? "cluster CIDR of IPv6" : "cluster CIDR", six?.clusterCidr),
    ...four("service CIDR", serviceCidr),
    ...other(families.value.length > 1 ? "service CIDR of IPv6" : "service CIDR", six?.serviceCidr),
  ];
}

/** Does flanneld run under this CNI? Under canal it joins the nodes, and Calico the pods to them. */
export function isFlannels(cni: string): boolean {
  return cni === "flannel" || cni === "canal";
}

/** `10.244.0.0/16 in IPIP, 10.245.0.0/16 without encapsulation, routes by bird` */
export function describeCalico({ pools, backend }: CalicoNetwork): string {
  const wrapped = ({ ipip, vxlan }: CalicoNetwork["pools"][number]): string => {
    if (ipip === "Never" && vxlan === "Never") return "without encapsulation";
    const mode = ipip === "Never" ? vxlan : ipip;
    return `in ${ipip === "Never" ? "VXLAN" : "IPIP"}${mode === "CrossSubnet" ? " across subnets" : ""}`;
  };
  const each = pools.map((pool) => `${formatIpNet(pool.cidr)} ${wrapped(pool)}`);
  return [...each, `routes by ${backend === "bird" ? "BIRD" : "Felix"}`].join(", ");
}
