import type { Prefix4 } from "../address/prefix.ts";
import { IptablesTable, parseRule } from "../cni/iptables.ts";
import type { Netns } from "../cni/netns.ts";
import { NO_MASQ_LOCAL_SET, WEAVE_BRIDGE, WEAVE_BRIDGE_PORT } from "../cni/weave/network.ts";
import { addWeave, type WeavePeer } from "../cni/weave/node.ts";
import type { Ipset } from "../kernel/ipset/ipset.ts";
import { parseIpsetSave } from "../kernel/ipset/save.ts";
import type { Chain, Rule, Table } from "../kernel/netfilter/rule.ts";
import type { Pod } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import {
  addressOf,
  describeRejected,
  type NpcRule,
  type NpcSet,
  type NpcState,
  rejectedPolicies,
  WeaveNpc,
} from "../policy/weave-npc/npc.ts";
import type { Wire } from "../world/world.ts";
import { hasIpv4, type Member, publicIpOf } from "./member.ts";
import type { ObjectOrigins } from "./object-origins.ts";

/** Weave's router and weave-npc on every node. */
export class WeaveAgents {
  readonly #network: Prefix4;
  readonly #peers: readonly WeavePeer[];
  /** What is the same on all nodes is made once. */
  readonly #sets: readonly Ipset[];
  readonly #rules: Table;
  readonly #origins: ObjectOrigins;

  constructor(objects: Lister, network: Prefix4, members: readonly Member[], origins: ObjectOrigins) {
    this.#network = network;
    this.#origins = origins;
    this.#peers = members
      .filter(hasIpv4)
      .map((member, i) => ({ node: member.name, address: publicIpOf(member), id: i + 1 }));
    const npc = new WeaveNpc(objects).state();
    const read = parseIpsetSave(npc.sets.map(setText).join(""));
    if (read.kind === "invalid") throw new Error(read.errors.map(({ message }) => message).join("; "));
    this.#sets = read.sets;
    this.#rules = rulesOf(npc, origins);
  }

  /** The bridge and the datapath; returned is the cable between them. */
  start(node: Netns, { name, podCidr, node: object }: Member): readonly Wire[] {
    const self = this.#peers.find((peer) => peer.node === name);
    if (self === undefined || podCidr === null) return [];
    return node.as(this.#origins.of(object, ["spec", "podCIDR"]), () =>
      addWeave(node, this.#network, podCidr, self, this.#peers),
    );
  }

  /** The policies, once the node's pods are there. */
  finish(node: Netns, pods: readonly Pod[]): void {
    if (node.device(WEAVE_BRIDGE) === undefined) return;
    node.do({ kind: "ipset-restore", sets: this.#sets });
    for (const pod of pods) {
      const local = parseIpsetSave(
        `create ${NO_MASQ_LOCAL_SET} hash:ip family inet hashsize 1024 maxelem 65536 comment\nadd ${NO_MASQ_LOCAL_SET} ${addressOf(pod) ?? "0.0.0.0"} comment "local"\n`,
      );
      const [entry] = local.kind === "ok" ? (local.sets[0]?.entries ?? []) : [];
      if (entry !== undefined) node.do({ kind: "ipset-add", set: NO_MASQ_LOCAL_SET, entry, exist: true });
    }
    const filter = new IptablesTable(node, "filter");
    filter.load(this.#rules);
    filter.appendUnique("INPUT", `-i ${WEAVE_BRIDGE} -j WEAVE-NPC-EGRESS`);
    for (const rule of [...FORWARD].reverse()) filter.prependUnique("FORWARD", rule);
  }
}

/** weave-npc's own chains. */
function rulesOf(npc: NpcState, origins: ObjectOrigins): Table {
  const own = (text: string): Rule => parseRule("filter", text);
  const ofPolicy = ({ text, policy, field }: NpcRule): Rule =>
    parseRule("filter", text, origins.of(policy, field));
  const chains: readonly (readonly [string, readonly Rule[]])[] = [
    ["WEAVE-NPC-EGRESS-ACCEPT", [own("-j MARK --set-xmark 0x40000/0x40000")]],
    ["WEAVE-NPC-DEFAULT", npc.ingressDefault.map(own)],
    ["WEAVE-NPC-INGRESS", npc.ingress.map(ofPolicy)],
    ["WEAVE-NPC-EGRESS-DEFAULT", npc.egressDefault.map(own)],
    ["WEAVE-NPC-EGRESS-CUSTOM", npc.egress.map(ofPolicy)],
    ["WEAVE-NPC", INGRESS.map(own)],
    ["WEAVE-NPC-EGRESS", EGRESS.map(own)],
  ];
  return {
    name: "filter",
    chains: new Map(
      chains.map(([name, rules]): [string, Chain] => [
        name,
        { name, policy: null, policyCounters: null, rules },
      ]),
    ),
  };
}

const FIRST = `-m comment --comment "NOTE: this must go before '-j KUBE-FORWARD'"`;
const FORWARD: readonly string[] = [
  `-i ${WEAVE_BRIDGE} ${FIRST} -j WEAVE-NPC-EGRESS`,
  `-o ${WEAVE_BRIDGE} ${FIRST} -j WEAVE-NPC`,
  `-o ${WEAVE_BRIDGE} -m state --state NEW -j NFLOG --nflog-group 86`,
  `-o ${WEAVE_BRIDGE} -j DROP`,
  `-i ${WEAVE_BRIDGE} ! -o ${WEAVE_BRIDGE} -j ACCEPT`,
  `-o ${WEAVE_BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
];
const NOT_ALLOWED = "-m mark ! --mark 0x40000/0x40000";
const INGRESS: readonly string[] = [
  "-m state --state RELATED,ESTABLISHED -j ACCEPT",
  "-d 224.0.0.0/4 -j ACCEPT",
  `-m physdev --physdev-out ${WEAVE_BRIDGE_PORT} --physdev-is-bridged -j ACCEPT`,
  "-m state --state NEW -j WEAVE-NPC-DEFAULT",
  "-m state --state NEW -j WEAVE-NPC-INGRESS",
];
const EGRESS: readonly string[] = [
  "-m state --state RELATED,ESTABLISHED -j ACCEPT",
  `-m physdev --physdev-in ${WEAVE_BRIDGE_PORT} --physdev-is-bridged -j RETURN`,
  "-m addrtype --dst-type LOCAL -j RETURN",
  "-d 224.0.0.0/4 -j RETURN",
  "-m state --state NEW -j WEAVE-NPC-EGRESS-DEFAULT",
  `-m state --state NEW ${NOT_ALLOWED} -j WEAVE-NPC-EGRESS-CUSTOM`,
  `-m state --state NEW ${NOT_ALLOWED} -j NFLOG --nflog-group 86`,
  `${NOT_ALLOWED} -j DROP`,
];

const CREATED: Readonly<Record<NpcSet["type"], string>> = {
  "hash:ip": "hash:ip family inet hashsize 1024 maxelem 65536 comment",
  "hash:net": "hash:net family inet hashsize 1024 maxelem 65536 comment",
  "list:set": "list:set size 8 comment",
};

function setText({ name, type, entries }: NpcSet): string {
  return [`create ${name} ${CREATED[type]}`, ...entries.map((entry) => `add ${name} ${entry}`), ""].join(
    "\n",
  );
}

/** What of Weave is taken, and policies that weave-npc refuses. */
export function assumedOfWeave(objects: Lister): string[] {
  const rejected = rejectedPolicies(objects);
  return [
    "Weave: its routers give each node the part of the range that is the node's podCIDR, are joined by the fast datapath (VXLAN, UDP 6784), and know one another",
    ...(rejected.length === 0
      ? []
      : [
          `${describeRejected(rejected)}: weave-npc refuses named ports and ranges of ports, and with them the policy: it has no effect`,
        ]),
  ];
}
