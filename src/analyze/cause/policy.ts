import type { Names } from "../../inventory/names.ts";
import {
  describeObject,
  type KubernetesObject,
  keyOf,
  type NetworkPolicy,
} from "../../object/kubernetes-object.ts";
import { formatFieldPath } from "../../object/place.ts";
import type { PolicyDirection } from "../../object/policy-types.ts";
import { hostEndpointOf } from "../../policy/host-endpoint.ts";
import type { Flow, Party } from "../../policy/verdict/flow.ts";
import { type Decision, PolicyVerdicts } from "../../policy/verdict/policy-verdict.ts";
import { workloadOf } from "../../policy/workload.ts";
import type { Outcome, PacketView } from "../../walk/trace.ts";
import type { World } from "../../world/world.ts";
import { type Advice, type Diagnosis, fault, kubectlPatch, listing } from "./fault.ts";

/** A rule that a policy agent wrote dropped the packet: what the policies themselves say to it. */
export const deniedByPolicy: Diagnosis = ({ decision: { rule, packet }, names }) => {
  // To a workload and from one, through policies of either direction; `fh`, from a host endpoint's device, is what comes in.
  const [, kind = ""] = /^cali-(tw|fw|pi|po|fh|th)-/.exec(rule?.chain ?? "") ?? [];
  const verdicts = verdictsOf(names);
  if (kind === "" || packet === null || verdicts === null) return undefined;
  const direction = kind === "tw" || kind === "pi" || kind === "fh" ? "Ingress" : "Egress";
  const flow = flowOf(packet, packet, names);
  if (flow === null) return undefined;
  const said = verdicts.of(flow);
  const decision = direction === "Ingress" ? said.ingress : said.egress;
  if (decision === null || decision.action === "allow") return undefined;
  return fault(sentence(decision, flow, direction), adviceFor(decision, flow, direction));
};

/** What policies would have done with a packet that arrived because nothing enforces them; undefined: nothing. */
export function wouldBeDenied({ server, frames }: Outcome, names: Names): string | undefined {
  const verdicts = verdictsOf(names);
  if (server === undefined || verdicts === null || isEnforced(names.world)) return undefined;
  const requests = frames.filter(({ phase }) => phase === "request");
  const [first] = requests;
  const last = requests.findLast((frame) => frame.ip.dst === server.address);
  const [sent, received] = [
    first === undefined ? null : inner(first),
    last === undefined ? null : inner(last),
  ];
  if (sent === null || received === null) return undefined;
  // The sender's policy sees who it is for after translation, the receiver's who it is from after it.
  const [leaving, coming] = [flowOf(sent, received, names), flowOf(received, received, names)];
  const egress = leaving === null ? null : verdicts.of(leaving).egress;
  const ingress = coming === null ? null : verdicts.of(coming).ingress;
  if (leaving !== null && egress?.action === "deny")
    return `no policy is enforced here: else it would not arrive, as ${sentence(egress, leaving, "Egress")}`;
  if (coming !== null && ingress?.action === "deny")
    return `no policy is enforced here: else it would not arrive, as ${sentence(ingress, coming, "Ingress")}`;
  return undefined;
}

function inner(packet: PacketView): PacketView {
  return packet.inner === undefined ? packet : inner(packet.inner);
}

/** Made once for the names of a World; null: there are no objects, or no policies among them. */
const known = new WeakMap<Names, PolicyVerdicts | null>();

const KINDS = [
  ...["NetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "CalicoNetworkPolicy"],
  ...["GlobalNetworkPolicy", "HostEndpoint"],
];

function verdictsOf(names: Names): PolicyVerdicts | null {
  const found = known.get(names);
  if (found !== undefined) return found;
  const { objects } = names;
  const hasAny = objects !== null && KINDS.some((kind) => objects.list(kind).length > 0);
  const made = hasAny
    ? new PolicyVerdicts(objects, (node) =>
        hostEndpointOf(objects, { node, name: "eth0", addresses: addressesOf(node, names) }),
      )
    : null;
  known.set(names, made);
  return made;
}

function addressesOf(node: string, names: Names): string[] {
  return (names.objects?.get("Node", node)?.status?.addresses ?? []).map(({ address }) => address);
}

const enforced = new WeakMap<World, boolean>();

/** The chains by which policy agents begin: Calico's, Weave's, kube-router's, Cilium's, Antrea's. */
const AGENTS_CHAINS = [
  "cali-FORWARD",
  "WEAVE-NPC",
  "KUBE-ROUTER-FORWARD",
  "CILIUM_FORWARD",
  "ANTREA-FORWARD",
];

function isEnforced(world: World): boolean {
  const found = enforced.get(world);
  if (found !== undefined) return found;
  const made = [...world.hosts.values()].some(({ iptables }) => {
    const chains = iptables?.tables.get("filter")?.chains;
    return chains !== undefined && AGENTS_CHAINS.some((chain) => chains.has(chain));
  });
  enforced.set(world, made);
  return made;
}

const PROTOCOLS: Readonly<Record<number, string>> = { 1: "ICMP", 6: "TCP", 17: "UDP", 132: "SCTP" };

/** From the sender of one packet to the receiver of another: the same one before and after translations. */
function flowOf(sent: PacketView, received: PacketView, names: Names): Flow | null {
  const { ip, tcp, udp, icmp } = received;
  const [source, destination] = [partyAt(sent.ip.src, names), partyAt(ip.dst, names)];
  if (source === null || destination === null) return null;
  return {
    ...{ source, destination, protocol: PROTOCOLS[ip.proto] ?? ip.proto },
    sourcePort: tcp?.sport ?? udp?.sport ?? null,
    port: tcp?.dport ?? udp?.dport ?? null,
    ...(icmp === undefined ? {} : { icmp: { type: icmp.type, code: icmp.code } }),
  };
}

function partyAt(address: string, { objects }: Names): Party | null {
  if (objects === null) return null;
  const workload = objects.podsAt(address).flatMap((pod) => workloadOf(pod) ?? [])[0] ?? null;
  const node = objects
    .list("Node")
    .find(({ status }) => (status?.addresses ?? []).some((own) => own.address === address));
  return { address, workload, node: node?.metadata.name ?? null };
}

function partyText({ address, workload, node }: Party): string {
  if (workload !== null) return `pod ${keyOf(workload.pod)}`;
  return node ?? address;
}

function packetText({ protocol, port }: Flow): string {
  return port === null ? String(protocol) : `${protocol} ${port}`;
}

/** `NetworkPolicy shop/deny isolates pod shop/web, and no rule lets TCP 80 in from pod back/db` */
function sentence(decision: Decision, flow: Flow, direction: PolicyDirection): string {
  const [own, other] =
    direction === "Ingress" ? [flow.destination, flow.source] : [flow.source, flow.destination];
  const way = direction === "Ingress" ? `in from ${partyText(other)}` : `out to ${partyText(other)}`;
  switch (decision.kind) {
    case "isolated": {
      const policies = listing(decision.policies.map(describeObject));
      const verb = decision.policies.length === 1 ? "isolates" : "isolate";
      const rules = decision.policies.length === 1 ? "no rule of it lets" : "no rule of theirs lets";
      return `${policies} ${verb} ${partyText(own)}, and ${rules} ${packetText(flow)} ${way}`;
    }
    case "rule":
      return `${describeObject(decision.policy)} (${formatFieldPath(decision.field)}) denies ${partyText(own)} ${packetText(flow)} ${way}`;
    case "profile":
      return `no policy and no profile of the host endpoint of ${partyText(own)} lets ${packetText(flow)} ${way}`;
    case "failsafe":
      return "";
    default:
      return decision satisfies never;
  }
}

function adviceFor(decision: Decision, flow: Flow, direction: PolicyDirection): Advice {
  const isIngress = direction === "Ingress";
  if (decision.kind === "rule") {
    const { policy, field } = decision;
    return {
      text: `Put a rule that allows it before ${formatFieldPath(field)} of ${describeObject(policy)}, or a policy of a lower order before it.`,
    };
  }
  const first: KubernetesObject | undefined = decision.kind === "isolated" ? decision.policies[0] : undefined;
  if (first === undefined) return { text: `Give the host endpoint a policy that allows it.` };
  const text = `Give ${describeObject(first)}, or another policy for the same pods, a rule of ${direction.toLowerCase()} that lets it ${isIngress ? "in" : "out"}.`;
  const added = first.kind === "NetworkPolicy" ? allowing(flow, isIngress) : undefined;
  if (added === undefined) return { text };
  const { spec, metadata } = first as NetworkPolicy;
  const field = isIngress ? "ingress" : "egress";
  const has = spec[field] !== undefined;
  const patch = [{ op: "add", path: `/spec/${field}${has ? "/-" : ""}`, value: has ? added : [added] }];
  return {
    text,
    command: kubectlPatch(metadata.namespace ?? "default", "networkpolicy", metadata.name, patch, "json"),
  };
}

/** Labels that controllers give, and that the next pod of the workload may not have. */
const OF_ONE_POD: ReadonlySet<string> = new Set([
  ...["pod-template-hash", "controller-revision-hash", "pod-template-generation"],
  ...["statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"],
]);

/** A rule for exactly this; undefined where a NetworkPolicy cannot say it. */
function allowing(flow: Flow, isIngress: boolean): unknown {
  const { protocol, port, source, destination } = flow;
  if (protocol !== "TCP" && protocol !== "UDP" && protocol !== "SCTP") return undefined;
  const { workload, address } = isIngress ? source : destination;
  const length = address.includes(":") ? 128 : 32;
  const labels = Object.fromEntries(
    Object.entries(workload?.labels ?? {}).filter(([key]) => !OF_ONE_POD.has(key)),
  );
  const peer =
    workload === null || Object.keys(labels).length === 0
      ? { ipBlock: { cidr: `${address}/${length}` } }
      : {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": workload.namespace } },
          podSelector: { matchLabels: labels },
        };
  return { [isIngress ? "from" : "to"]: [peer], ports: [{ protocol, port }] };
}
