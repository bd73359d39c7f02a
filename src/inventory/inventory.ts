import { type Family, familyOfAddress, formatIp, type IpAddress, parseIp } from "../address/ip.ts";
import type { IpPrefix } from "../address/ip-prefix.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import { kindOfWord } from "../object/kinds.ts";
import { keyOf, namespaceOf, type Pod, type Service } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { type Resolved, resolveName } from "./cluster-dns.ts";
import type { ObjectNames } from "./names.ts";

/** Kinds of workloads whose pods can be asked for. */
const WORKLOADS: ReadonlySet<string | undefined> = new Set([
  "Deployment",
  "ReplicaSet",
  "ReplicationController",
  "StatefulSet",
  "DaemonSet",
]);

const UNKNOWN_NETWORK = { serviceCidrs: [], dnsDomain: "cluster.local" };

export type Found<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "missing"; readonly message: string };

/** Names of the API and what they stand for among hosts and addresses. */
export class Inventory implements ObjectNames {
  readonly objects: Lister;
  readonly hostOfPod: ReadonlyMap<string, string>;
  readonly serviceCidrs: readonly IpPrefix[];
  readonly #namespace: string;
  readonly #domain: string;

  /** @param namespace the one of a name that says none */
  constructor(
    objects: Lister,
    hostOfPod: ReadonlyMap<string, string>,
    namespace = "default",
    network: { readonly serviceCidrs: readonly IpPrefix[]; readonly dnsDomain: string } = UNKNOWN_NETWORK,
  ) {
    this.objects = objects;
    this.hostOfPod = hostOfPod;
    this.#namespace = namespace;
    this.serviceCidrs = network.serviceCidrs;
    this.#domain = network.dnsDomain;
  }

  /** A name as the pod on a host asks the cluster's DNS for it; another host asks none. */
  resolve(name: string, host: string, families: readonly Family[] = [4, 6]): Resolved {
    const pod = this.#podOn(host);
    if (pod === undefined)
      return {
        kind: "missing",
        message: `${host} does not ask the cluster's DNS: only pods resolve ${JSON.stringify(name)}; give svc/NAMESPACE/NAME or an address`,
      };
    return resolveName(name, namespaceOf(pod), this.#domain, this.objects, families);
  }

  #podOn(host: string): Pod | undefined {
    for (const [key, name] of this.hostOfPod) {
      const pod = name === host ? this.objects.get("Pod", key) : undefined;
      if (pod !== undefined && pod.spec.hostNetwork !== true) return pod;
    }
    return undefined;
  }

  /** Names of kinds that lead to pods, as they are asked for: `deploy/web`. */
  references(): string[] {
    const kinds = ["Deployment", "StatefulSet", "DaemonSet", "Pod"] as const;
    const shorts = { Deployment: "deploy", StatefulSet: "sts", DaemonSet: "ds", Pod: "pod" } as const;
    return kinds.flatMap((kind) =>
      this.objects.list(kind, this.#namespace).map(({ metadata }) => `${shorts[kind]}/${metadata.name}`),
    );
  }

  /** Is it a kind whose name leads to pods? */
  static namesPods(kind: string): boolean {
    const named = kindOfWord(kind)?.kind;
    return named === "Pod" || WORKLOADS.has(named);
  }

  static namesService(kind: string): boolean {
    return kindOfWord(kind)?.kind === "Service";
  }

  /** The host of a pod, or of the first ready pod of a workload. */
  hostOf(kind: string, parts: readonly string[]): Found<string> {
    const pods = this.#named(kind, parts);
    if (pods.kind === "missing") return pods;
    const placed = pods.value.filter((pod) => this.hostOfPod.has(keyOf(pod)));
    const first = placed.find(isReady) ?? placed[0];
    const host = first === undefined ? undefined : this.hostOfPod.get(keyOf(first));
    if (host !== undefined) return { kind: "ok", value: host };
    // A pod that waits was told why.
    const why = pods.value.map(({ status }) => status?.message ?? "").find((message) => message !== "");
    const end = why === undefined ? "" : `: ${why}`;
    return missing(`${kind}/${parts.join("/")} has no pod that runs on a node${end}`);
  }

  /** The keys of all pods of a workload that are on a node, `namespace/name`; of a Pod its own. */
  podsOf(kind: string, parts: readonly string[]): Found<readonly string[]> {
    const pods = this.#named(kind, parts);
    if (pods.kind === "missing") return pods;
    const keys = pods.value.map(keyOf).filter((key) => this.hostOfPod.has(key));
    if (keys.length > 0) return { kind: "ok", value: keys };
    return missing(`${kind}/${parts.join("/")} has no pod that runs on a node`);
  }

  /**
   * A Service's cluster IP and the number of one of its ports, which may be given by name or left out where it has one.
   *
   * @param families those that the question can be of, the preferred first
   */
  service(
    parts: readonly string[],
    port: string | null,
    families: readonly Family[] = [4, 6],
  ): Found<{ readonly address: IpAddress; readonly port: number; readonly proto: string }> {
    const named = this.#split("svc", parts);
    if (named.kind === "missing") return named;
    const { namespace, name } = named.value;
    const service = this.objects.get("Service", `${namespace}/${name}`);
    if (service === undefined) return this.#missingName("Service", namespace, name);
    const { clusterIP = "", clusterIPs = [] } = service.spec;
    const own = [clusterIP, ...clusterIPs].flatMap((text) => clusterIpOf(text));
    const [address] = families.flatMap((family) => own.filter((each) => familyOfAddress(each) === family));
    if (address === undefined && own[0] !== undefined) {
      const asked = families.map((family) => `IPv${family}`).join(" or ");
      return missing(`Service ${namespace}/${name} has no cluster IP of ${asked}, only ${formatIp(own[0])}`);
    }
    if (address === undefined)
      return missing(`Service ${namespace}/${name} has no cluster IP: name a pod, or the DNS name's address`);
    return portOf(service, port, address);
  }

  #split(
    kind: string,
    parts: readonly string[],
  ): Found<{ readonly namespace: string; readonly name: string }> {
    if (parts.length === 1)
      return { kind: "ok", value: { namespace: this.#namespace, name: parts[0] as string } };
    if (parts.length === 2)
      return { kind: "ok", value: { namespace: parts[0] as string, name: parts[1] as string } };
    return missing(`has too many parts: write ${kind}/NAME or ${kind}/NAMESPACE/NAME`);
  }

  /** Another kind of that name, or a namespace that is not there. */
  #otherHint(kind: string, namespace: string, name: string): string {
    const other = [...WORKLOADS, "Pod", "Service"].find(
      (each) =>
        each !== undefined && each !== kind && this.objects.get(each, `${namespace}/${name}`) !== undefined,
    );
    if (other !== undefined) return ` (there is a ${other} of that name)`;
    const all = this.objects.list(kind);
    const namespaces = new Set(all.map(namespaceOf));
    if (namespaces.has(namespace)) return "";
    const near = suggestion(namespace, namespaces);
    return near === ""
      ? suggestion(
          name,
          all.map(({ metadata }) => metadata.name),
        )
      : near.replace("mean", "mean namespace");
  }

  #named(kind: string, parts: readonly string[]): Found<readonly Pod[]> {
    const named = this.#split(kind, parts);
    if (named.kind === "missing") return named;
    const { namespace, name } = named.value;
    return kindOfWord(kind)?.kind === "Pod"
      ? this.#podNamed(namespace, name)
      : this.#podsOf(kind, namespace, name);
  }

  #podNamed(namespace: string, name: string): Found<readonly Pod[]> {
    const pod = this.objects.get("Pod", `${namespace}/${name}`);
    return pod === undefined ? this.#missingName("Pod", namespace, name) : { kind: "ok", value: [pod] };
  }

  #podsOf(word: string, namespace: string, name: string): Found<readonly Pod[]> {
    const kind = kindOfWord(word)?.kind ?? word;
    const owner = this.objects.get(kind, `${namespace}/${name}`);
    if (owner === undefined) return this.#missingName(kind, namespace, name);
    const sets = kind === "Deployment" ? this.objects.ownedBy("ReplicaSet", owner) : [owner];
    return { kind: "ok", value: sets.flatMap((set) => this.objects.ownedBy("Pod", set)) };
  }

  #missingName(kind: string, namespace: string, name: string): Found<never> {
    const names = this.objects.list(kind, namespace).map((object) => object.metadata.name);
    const elsewhere = this.objects
      .list(kind)
      .filter((object) => object.metadata.name === name)
      .map((object) => namespaceOf(object));
    const hint =
      elsewhere.length > 0
        ? ` (there is one in namespace ${elsewhere.join(", ")})`
        : suggestion(name, names) || this.#otherHint(kind, namespace, name);
    return missing(`there is no ${kind} ${JSON.stringify(name)} in namespace ${namespace}${hint}`);
  }
}

function clusterIpOf(text: string): IpAddress[] {
  const address = parseIp(text);
  return address === undefined ? [] : [address];
}

function portOf(
  service: Service,
  port: string | null,
  address: IpAddress,
): Found<{ readonly address: IpAddress; readonly port: number; readonly proto: string }> {
  const ports = service.spec.ports ?? [];
  const name = keyOf(service);
  const listed = ports
    .map((each) => (each.name === undefined ? `${each.port}` : `${each.port} (${each.name})`))
    .join(", ");
  const found =
    port === null
      ? ports.length === 1
        ? ports[0]
        : undefined
      : ports.find((each) => each.name === port || `${each.port}` === port);
  if (found !== undefined)
    return {
      kind: "ok",
      value: { address, port: found.port, proto: (found.protocol ?? "TCP").toLowerCase() },
    };
  // A port the Service does not have is a question like any other: its packets are walked.
  if (port !== null && /^\d+$/.test(port))
    return { kind: "ok", value: { address, port: Number(port), proto: "tcp" } };
  return missing(
    port === null
      ? `Service ${name} has the ports ${listed}: say which, svc/NAME:PORT`
      : `Service ${name} has no port ${JSON.stringify(port)}: it has ${listed}`,
  );
}

function missing(message: string): Found<never> {
  return { kind: "missing", message };
}

function isReady(pod: Pod): boolean {
  const ready = pod.status?.conditions?.find((condition) => condition.type === "Ready");
  return ready === undefined || ready.status === "True";
}
