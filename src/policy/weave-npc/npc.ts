import type { NetworkPolicyPeer, NetworkPolicyPort } from "kubernetes-types/networking/v1.js";
import { describeObject, type NetworkPolicy, namespaceOf, type Pod } from "../../object/kubernetes-object.ts";
import type { Lister } from "../../object/object-map.ts";
import type { FieldPath } from "../../object/place.ts";
import { formatSelector, matches, type Selector, selectorOf } from "../../object/selector.ts";
import { familyOf } from "../net.ts";
import { namespaceLabels, workloadOf } from "../workload.ts";
import { weaveSetName } from "./names.ts";

/** weave-npc (weaveworks/weave, `npc/`): NetworkPolicies as sets and rules, the same on every node. */
export interface NpcState {
  /** In the order in which one names another. */
  readonly sets: readonly NpcSet[];
  readonly ingressDefault: readonly string[];
  readonly egressDefault: readonly string[];
  readonly ingress: readonly NpcRule[];
  readonly egress: readonly NpcRule[];
}

/** A rule, and what of a policy it was made from. */
export interface NpcRule {
  readonly text: string;
  readonly policy: NetworkPolicy;
  readonly field: FieldPath;
}

export interface NpcSet {
  readonly name: string;
  readonly type: "hash:ip" | "hash:net" | "list:set";
  readonly comment: string;
  /** As `ipset add` takes them, options and all. */
  readonly entries: readonly string[];
}

/** One end of a rule: who it is in words, and how a packet is told to be theirs. */
interface End {
  readonly text: string;
  readonly match: (side: "src" | "dst") => string;
}

const ANYWHERE: End = { text: "anywhere", match: () => "" };

/** What no packet can be, which takes a policy out of force altogether: told to whoever asks. */
export function rejectedPolicies(objects: Lister): NetworkPolicy[] {
  return objects.list("NetworkPolicy").filter(isRejected);
}

/** "named ports in network policies is not supported yet"; ranges of ports are newer than the program. */
function isRejected({ spec }: NetworkPolicy): boolean {
  const ports = [...(spec.ingress ?? []), ...(spec.egress ?? [])].flatMap(({ ports: own }) => own ?? []);
  return ports.some(({ port, endPort }) => typeof port === "string" || endPort !== undefined);
}

/** What is the same on all nodes is made once. */
export class WeaveNpc {
  readonly #objects: Lister;
  readonly #pods: readonly Pod[];
  readonly #namespaces: readonly string[];
  readonly #sets = new Map<string, NpcSet>();
  readonly #ingress: NpcRule[] = [];
  readonly #egress: NpcRule[] = [];
  /** Pods that a policy isolates, by direction. */
  readonly #isolated = { ingress: new Set<Pod>(), egress: new Set<Pod>() };

  constructor(objects: Lister) {
    this.#objects = objects;
    this.#pods = objects.list("Pod").filter((pod) => addressOf(pod) !== undefined);
    const named = objects.list("Namespace").map(({ metadata }) => metadata.name);
    this.#namespaces = [...new Set([...named, ...this.#pods.map(namespaceOf)])].sort();
    for (const policy of objects.list("NetworkPolicy")) if (!isRejected(policy)) this.#add(policy);
  }

  state(): NpcState {
    const defaults = (["ingress", "egress"] as const).map((way) =>
      this.#namespaces.map((namespace): NpcSet => {
        const open = this.#pods.filter(
          (pod) => namespaceOf(pod) === namespace && !this.#isolated[way].has(pod),
        );
        const entries = open.map((pod) => addressOf(pod) ?? "");
        const text = `DefaultAllow ${way} isolation for namespace: ${namespace}`;
        return {
          ...{ name: weaveSetName(`${way}-default-allow:${namespace}`), type: "hash:ip", comment: text },
          entries,
        };
      }),
    );
    const [ingress = [], egress = []] = defaults;
    return {
      sets: [...ingress, ...egress, ...this.#sets.values()],
      ingressDefault: ingress.map(
        ({ name, comment }) => `-m set --match-set ${name} dst -m comment --comment "${comment}" -j ACCEPT`,
      ),
      egressDefault: egress.flatMap(({ name, comment }) =>
        ["WEAVE-NPC-EGRESS-ACCEPT", "RETURN"].map(
          (target) => `-m set --match-set ${name} src -m comment --comment "${comment}" -j ${target}`,
        ),
      ),
      ingress: this.#ingress,
      egress: this.#egress,
    };
  }

  #add(policy: NetworkPolicy): void {
    const namespace = namespaceOf(policy);
    const { podSelector = {}, policyTypes = ["Ingress"], ingress = [], egress = [] } = policy.spec;
    const target = this.#podsOf(namespace, selectorOf(podSelector));
    const targets = this.#selected(namespace, selectorOf(podSelector));
    if (policyTypes.includes("Ingress")) {
      for (const pod of targets) this.#isolated.ingress.add(pod);
      for (const [i, { from, ports }] of ingress.entries()) {
        const field = ["spec", "ingress", i];
        for (const [peer, port] of this.#combined(from, ports, namespace))
          this.#ingress.push({ text: ruleText(peer, target, port, "ingress", "ACCEPT"), policy, field });
      }
    }
    if (policyTypes.includes("Egress")) {
      for (const pod of targets) this.#isolated.egress.add(pod);
      for (const [i, { to, ports }] of egress.entries()) {
        const field = ["spec", "egress", i];
        for (const [peer, port] of this.#combined(to, ports, namespace))
          for (const verdict of ["WEAVE-NPC-EGRESS-ACCEPT", "RETURN"])
            this.#egress.push({ text: ruleText(target, peer, port, "egress", verdict), policy, field });
      }
    }
  }

  /** Each peer with each port. */
  #combined(
    peers: readonly NetworkPolicyPeer[] | undefined,
    ports: readonly NetworkPolicyPort[] | undefined,
    namespace: string,
  ): (readonly [End, string])[] {
    return this.#peers(peers, namespace).flatMap((peer) =>
      portsOf(ports).map((port) => [peer, port] as const),
    );
  }

  #selected(namespace: string, selector: Selector): Pod[] {
    return this.#pods.filter(
      (pod) => namespaceOf(pod) === namespace && matches(selector, pod.metadata.labels),
    );
  }

  #peers(peers: readonly NetworkPolicyPeer[] | undefined, namespace: string): End[] {
    if (peers === undefined || peers.length === 0) return [ANYWHERE];
    return peers.map(({ podSelector, namespaceSelector, ipBlock }) => {
      if (ipBlock !== undefined) return this.#block(ipBlock.cidr, ipBlock.except ?? []);
      if (namespaceSelector === undefined) return this.#podsOf(namespace, selectorOf(podSelector ?? {}));
      const spaces = selectorOf(namespaceSelector);
      if (podSelector === undefined) return this.#namespacesOf(spaces);
      return this.#podsInNamespaces(spaces, selectorOf(podSelector));
    });
  }

  /** A set by what it stands for, made once. */
  #set(text: string, type: NpcSet["type"], entries: () => readonly string[]): End {
    const name = weaveSetName(text);
    if (!this.#sets.has(name)) this.#sets.set(name, { name, type, comment: text, entries: entries() });
    return { text, match: (side) => `-m set --match-set ${name} ${side} ` };
  }

  #podsOf(namespace: string, selector: Selector): End {
    return this.#set(`pods: namespace: ${namespace}, selector: ${formatSelector(selector)}`, "hash:ip", () =>
      this.#selected(namespace, selector).map((pod) => addressOf(pod) ?? ""),
    );
  }

  #podsInNamespaces(spaces: Selector, selector: Selector): End {
    const text = `pods: namespaces: selector: ${formatSelector(spaces)}, pods: selector: ${formatSelector(selector)}`;
    return this.#set(text, "hash:ip", () =>
      this.#chosen(spaces).flatMap((namespace) =>
        this.#selected(namespace, selector).map((pod) => addressOf(pod) ?? ""),
      ),
    );
  }

  /** A list of the sets of all pods of each. */
  #namespacesOf(spaces: Selector): End {
    const members = this.#chosen(spaces).map((namespace) => this.#podsOf(namespace, []).text);
    return this.#set(`namespaces: selector: ${formatSelector(spaces)}`, "list:set", () =>
      members.map(weaveSetName),
    );
  }

  #chosen(spaces: Selector): string[] {
    return this.#namespaces.filter((name) => matches(spaces, namespaceLabels(this.#objects, name)));
  }

  #block(cidr: string, except: readonly string[]): End {
    if (except.length === 0)
      return { text: `cidr: ${cidr}`, match: (side) => `-${side === "src" ? "s" : "d"} ${cidr} ` };
    return this.#set(`cidr: ${cidr} except [${except.join(" ")}]`, "hash:net", () => [
      // A set has no network of length 0.
      ...(cidr === "0.0.0.0/0" ? ["0.0.0.0/1", "128.0.0.0/1"] : [cidr]),
      ...except.map((net) => `${net} nomatch`),
    ]);
  }
}

const MOST_COMMENT = 255;

function ruleText(from: End, to: End, port: string, way: "ingress" | "egress", target: string): string {
  const said = `${from.text} -> ${to.text} (${way})`.slice(0, MOST_COMMENT);
  // An address stands first, as iptables-save writes it.
  const parts = [from.match("src"), to.match("dst")].sort((a, b) => rankOf(a) - rankOf(b));
  const [protocol, dport] = port === "" ? ["", ""] : port.split("/");
  const isAddress = (part: string): boolean => rankOf(part) === 0 && part !== "";
  return [
    ...parts.filter(isAddress),
    protocol === "" ? "" : `-p ${protocol} `,
    ...parts.filter((part) => !isAddress(part)),
    dport === "" || dport === undefined ? "" : `-m ${protocol} --dport ${dport} `,
    `-m comment --comment ${JSON.stringify(said)} -j ${target}`,
  ].join("");
}

function rankOf(part: string): number {
  return part.startsWith("-m set") ? 1 : 0;
}

/** `tcp/80`, `udp/` for all of a protocol, `` for any packet. */
function portsOf(ports: readonly NetworkPolicyPort[] | undefined): string[] {
  if (ports === undefined || ports.length === 0) return [""];
  return ports.map(({ protocol = "TCP", port }) => `${protocol.toLowerCase()}/${port ?? ""}`);
}

/** Of a pod with a network of its own. */
export function addressOf(pod: Pod): string | undefined {
  return workloadOf(pod)?.addresses.find((address) => familyOf(address) === 4);
}

/** Of a policy that is rejected, for people. */
export function describeRejected(policies: readonly NetworkPolicy[]): string {
  return policies.map(describeObject).join(", ");
}
