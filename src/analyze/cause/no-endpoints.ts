import type { KnownPort, KnownService } from "../../inventory/services.ts";
import { serviceText } from "../../inventory/services.ts";
import { nearestWord } from "../../kernel/nearest-word.ts";
import { keyOf, namespaceOf, type Pod, type Service } from "../../object/kubernetes-object.ts";
import type { Lister } from "../../object/object-map.ts";
import { type Labels, matches, selectorOfMap } from "../../object/selector.ts";
import { type Case, type Diagnosis, type Fault, fault, kubectlPatch, listing } from "./fault.ts";
import { targetPortPatch } from "./target-port.ts";

/** A Service that leads nowhere: kube-proxy rejects what is for it. Why, the objects tell. */
export const noEndpoints: Diagnosis = (at) => {
  const named = serviceWithout("has no endpoints", at);
  if (named === undefined) return undefined;
  const service = at.names.services.named(named.namespace, named.name);
  const { objects } = at.names;
  if (objects !== null && service?.object != null) return why(service, service.object, at, objects);
  return fault(`${serviceText(named)} has no endpoints`, {
    text: `Give ${serviceText(named)} a ready endpoint: its selector must match a pod that is Ready (kubectl -n ${named.namespace} describe service ${named.name}).`,
  });
};

/** What kube-proxy says of a Service that may not be reached, in the comments of its rules. */
export type Lack = "has no endpoints" | "has no local endpoints";

/**
 * The Service that the packet was not let to for want of this: by the comment of an iptables rule; in nftables mode by the map
 * that has it, in IPVS mode by the virtual service without servers, and then it is the one that was asked for.
 */
export function serviceWithout(
  lack: Lack,
  at: Case,
): { readonly namespace: string; readonly name: string } | undefined {
  const { rule, reason } = at.decision;
  const [, namespace, name] =
    new RegExp(`--comment "([^"/]+)/([^":]+)(?::[^"]*)? ${lack}"`).exec(rule?.text ?? "") ?? [];
  if (namespace !== undefined && name !== undefined) return { namespace, name };
  const service = at.port?.service;
  if (service === undefined) return undefined;
  const isMapped =
    rule?.backend === "nft" && /^(?:(?:service-|nodeport-)?endpoints-check|reject-chain)$/.test(rule.chain);
  if (isMapped)
    return reason === (lack === "has no endpoints" ? "rule-reject" : "rule-drop") ? service : undefined;
  // A proxy in user space keeps to no policy: it has no endpoint at all.
  if (reason === "relay-failed") return lack === "has no endpoints" ? service : undefined;
  if (reason !== "ipvs-no-server") return undefined;
  const isElsewhere = nodesWithEndpoint(at, service.namespace, service.name).length > 0;
  return isElsewhere === (lack === "has no local endpoints") ? service : undefined;
}

/** The nodes that ready endpoints of a Service are on. */
export function nodesWithEndpoint({ names }: Case, namespace: string, name: string): readonly string[] {
  const slices =
    names.objects?.withLabel("EndpointSlice", namespace, "kubernetes.io/service-name", name) ?? [];
  const nodes = slices.flatMap(({ endpoints }) =>
    endpoints.flatMap(({ nodeName, conditions }) =>
      nodeName === undefined || nodeName === null || conditions?.ready === false ? [] : [nodeName],
    ),
  );
  return [...new Set(nodes)].sort();
}

function why(service: KnownService, object: Service, at: Case, objects: Lister): Fault {
  const labels = object.spec.selector ?? {};
  const name = serviceText(service);
  if (Object.keys(labels).length === 0) {
    return fault(`${name} has no selector, and no EndpointSlice gives it an endpoint`, {
      text: `Give ${name} a selector, or an EndpointSlice labelled kubernetes.io/service-name=${service.name}.`,
    });
  }
  const pods = podsMatching(objects, service.namespace, labels);
  if (pods.length === 0)
    return scaledToNothing(service, labels, objects) ?? wrongSelector(service, labels, objects);
  const ready = pods.filter(isReady);
  if (ready.length === 0) return notReady(service, pods);
  const port = at.port;
  return (
    (port === undefined ? undefined : wrongPortName(port, object, ready)) ??
    fault(`${name} has ready pods, but no endpoint for this port`, {
      text: `Look at what its EndpointSlices hold, and at who should have written them (kubectl -n ${service.namespace} get endpointslices -l kubernetes.io/service-name=${service.name} -o yaml).`,
    })
  );
}

function podsMatching(objects: Lister, namespace: string, labels: Labels): readonly Pod[] {
  const selector = selectorOfMap(labels);
  return objects
    .list("Pod", namespace)
    .filter(({ metadata, status }) => matches(selector, metadata.labels) && !hasEnded(status?.phase));
}

function hasEnded(phase: string | undefined): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.find(({ type }) => type === "Ready")?.status === "True";
}

const SCALABLE = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"] as const;

/** Those that make pods with labels, and how many they want. */
function workloads(objects: Lister, namespace: string) {
  return [...SCALABLE, "DaemonSet" as const].flatMap((kind) =>
    objects.list(kind, namespace).map((object) => ({
      kind,
      name: object.metadata.name,
      replicas: "replicas" in object.spec ? (object.spec.replicas ?? 1) : 1,
      labels: object.spec.template?.metadata?.labels ?? {},
      isOwned: object.metadata.ownerReferences?.some(({ controller }) => controller === true) === true,
    })),
  );
}

function scaledToNothing(
  { namespace, ...service }: KnownService,
  labels: Labels,
  objects: Lister,
): Fault | undefined {
  const selector = selectorOfMap(labels);
  const found = workloads(objects, namespace).find(
    (each) => each.replicas === 0 && !each.isOwned && matches(selector, each.labels),
  );
  if (found === undefined) return undefined;
  const { kind, name } = found;
  return fault(
    `${serviceText({ namespace, ...service })} has no endpoints: ${kind} ${name} behind it is scaled to 0`,
    {
      text: `Let ${kind} ${namespace}/${name} have a pod.`,
      command: `kubectl -n ${namespace} scale ${kind.toLowerCase()} ${name} --replicas=1`,
    },
  );
}

/** Labels that a pod has and the selector asks otherwise for. */
interface Candidate {
  readonly who: string;
  /** What the selector would have to say, null to ask no more for. */
  readonly change: Readonly<Record<string, string | null>>;
  /** How many pairs of the selector this one does not have. */
  readonly missing: number;
  readonly near: boolean;
}

function wrongSelector(service: KnownService, selector: Labels, objects: Lister): Fault {
  const { namespace, name } = service;
  const written = Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const elsewhere = objects
    .list("Pod")
    .filter((pod) => namespaceOf(pod) !== namespace && matches(selectorOfMap(selector), pod.metadata.labels));
  const makers = workloads(objects, namespace).filter(({ isOwned }) => !isOwned);
  const candidates = [
    ...makers.map(({ kind, name: own, labels }) =>
      candidate(`${kind} ${own}`, own === name && elsewhere.length === 0, labels, selector),
    ),
    ...objects
      .list("Pod", namespace)
      .filter(({ metadata, status }) => metadata.ownerReferences === undefined && !hasEnded(status?.phase))
      .map(({ metadata }) => candidate(`pod ${metadata.name}`, false, metadata.labels ?? {}, selector)),
  ];
  const least = Math.min(...candidates.map(({ missing }) => missing));
  const nearest = candidates.filter(({ missing }) => missing === least);
  const total = Object.keys(selector).length;
  const likely = nearest.filter(({ near }) => near);
  const best =
    likely.length === 1 ? likely[0] : least < total && nearest.length === 1 ? nearest[0] : undefined;
  const headline = `the selector ${written} of ${serviceText(service)} matches no pod`;
  if (best !== undefined) {
    const has = Object.entries(best.change)
      .map(([key, value]) => (value === null ? `no ${key}` : `${key}=${value}`))
      .join(", ");
    return fault(`${headline}; ${best.who} has ${has}`, {
      text: `Let ${serviceText(service)} select what ${best.who} has.`,
      command: kubectlPatch(namespace, "service", name, { spec: { selector: best.change } }),
    });
  }
  const found =
    elsewhere.length === 0 ? "" : `; pod ${keyOf(elsewhere[0] as Pod)} would match, in another namespace`;
  return fault(`${headline}${found}`, {
    text: `Give its pods the labels ${written}, or ${serviceText(service)} a selector of what they have (kubectl -n ${namespace} get pods --show-labels).`,
  });
}

function candidate(who: string, isNamesake: boolean, labels: Labels, selector: Labels): Candidate {
  const wrong = Object.entries(selector).filter(([key, value]) => labels[key] !== value);
  const change: Record<string, string | null> = {};
  let near = true;
  for (const [key, value] of wrong) {
    const own = labels[key];
    if (own !== undefined) {
      change[key] = own;
      if (!isNamesake && nearestWord(value, [own]) === undefined) near = false;
      continue;
    }
    // The key may be the mistake: `ap=web` where the pods have `app=web`.
    change[key] = null;
    const meant = nearestWord(
      key,
      Object.keys(labels).filter((each) => labels[each] === value),
    );
    if (meant === undefined) near = near && isNamesake && wrong.length < Object.keys(selector).length;
    else change[meant] = value;
  }
  return { who, change, missing: wrong.length, near };
}

function notReady(service: KnownService, pods: readonly Pod[]): Fault {
  const { namespace } = service;
  const [first] = pods as readonly [Pod];
  const count =
    pods.length === 1 ? `its pod ${first.metadata.name} is` : `none of its ${pods.length} pods is`;
  return fault(
    `${serviceText(service)} has no ready endpoint: ${count} ${pods.length === 1 ? "not Ready" : "Ready"}${reasonText(first)}`,
    {
      text: `Make a pod of it Ready (${listing(pods.map(({ metadata }) => metadata.name))}): its events and its readiness probe tell what it waits for (kubectl -n ${namespace} describe pod ${first.metadata.name}).`,
    },
  );
}

function reasonText({ status }: Pod): string {
  const waiting = status?.containerStatuses?.find(({ state }) => state?.waiting?.reason !== undefined);
  const condition = status?.conditions?.find(({ type }) => type === "Ready");
  const reason = waiting?.state?.waiting?.reason ?? condition?.reason ?? "";
  return reason === "" ? "" : ` (${reason})`;
}

/** A targetPort by a name that no container of the pods gives to a port. */
function wrongPortName(port: KnownPort, object: Service, pods: readonly Pod[]): Fault | undefined {
  const target = object.spec.ports?.[port.index ?? 0]?.targetPort;
  if (typeof target !== "string" || /^\d+$/.test(target)) return undefined;
  const ports = pods.flatMap(({ spec }) => spec.containers.flatMap((container) => container.ports ?? []));
  const fitting = ports.filter(({ protocol = "TCP" }) => protocol.toLowerCase() === port.proto);
  const names = [...new Set(fitting.flatMap(({ name }) => (name === undefined ? [] : [name])))];
  const numbers = [...new Set(fitting.map(({ containerPort }) => containerPort))];
  const near =
    names.length === 1 && numbers.length === 1
      ? names[0]
      : nearestWord(target, names, Math.max(2, target.length / 2));
  const wanted = near ?? (numbers.length === 1 ? numbers[0] : numbers.find((number) => number === port.port));
  const has =
    names.length > 0
      ? `the ports of its pods are called ${listing(names)}`
      : "the ports of its pods have no names";
  const headline = `${serviceText(port.service)} sends to a port named "${target}", but ${has}`;
  if (wanted === undefined)
    return fault(headline, { text: `Give the container's port the name ${target}, or targetPort a number.` });
  return fault(headline, {
    text: `Set targetPort of port ${port.port} of ${serviceText(port.service)} to ${wanted}.`,
    command: targetPortPatch(port, wanted),
  });
}
