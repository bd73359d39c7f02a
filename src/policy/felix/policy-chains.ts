import type { Family } from "../../address/ip.ts";
import type { KubernetesObject } from "../../object/kubernetes-object.ts";
import type { CalicoIcmp, PolicyDirection } from "../../object/policy-types.ts";
import { familyOf } from "../net.ts";
import type { FelixSets } from "./ip-sets.ts";
import { chainName } from "./names.ts";
import type { PolicyRule, PortRange, RuleEntity } from "./policy.ts";
import {
  clearMark,
  DROP,
  type FelixChain,
  type FelixRule,
  felixRule,
  markClear,
  markSet,
  match,
  RETURN,
  setMark,
} from "./rule-text.ts";
import { type FelixSettings, marksOf } from "./settings.ts";

/** Chains of policies and profiles (felix `rules/policy.go`): what a rule asks, and a mark for what it decides. */
export class PolicyChains {
  readonly #sets: FelixSets;
  readonly #settings: FelixSettings;

  constructor(settings: FelixSettings, sets: FelixSets) {
    this.#settings = settings;
    this.#sets = sets;
  }

  /** `what` stands in the chain's comment: `Policy shop/knp.default.web`. */
  chain(
    name: string,
    what: string,
    direction: PolicyDirection,
    rules: readonly PolicyRule[],
    object: KubernetesObject | null,
  ): FelixChain {
    const rendered = rules.flatMap((rule) =>
      this.#render(rule).map(
        (made): FelixRule => (object === null ? made : { ...made, source: { object, field: rule.field } }),
      ),
    );
    while (rendered.at(-1)?.action === RETURN) rendered.pop();
    const [first, ...rest] = rendered.length === 0 ? [felixRule("", "")] : rendered;
    const source = first?.source ?? (object === null ? null : { object, field: [] });
    const comments = [...(first?.comments ?? []), `${what} ${direction.toLowerCase()}`];
    return { name, rules: [{ ...(first as FelixRule), comments, source }, ...rest] };
  }

  /** One of ours is several of iptables' where it asks for more than one of them can. */
  #render(given: PolicyRule): FelixRule[] {
    const rule = ofFamily(given, this.#sets.family);
    if (rule === undefined) return [];
    const marks = marksOf(this.#settings);
    const blocks = new MatchBlocks(marks.scratch0, marks.scratch1);
    const portsOf = (side: Side): SplitEntity => {
      const found = this.#portMatches(rule, side);
      const { ports, namedPorts } = rule[side];
      // The sets of named ports hold only whom the selector chooses.
      const entity = { ...rule[side], isInPorts: ports.length === 0 && namedPorts.length > 0 };
      if (found.length < 2) return { ...entity, portMatches: found };
      blocks.any(found.map((asked) => match(protocolMatch(rule), asked)));
      return { ...entity, portMatches: [] };
    };
    const netsOf = (entity: SplitEntity, side: Side): SplitEntity => {
      if (entity.nets.length < 2) return entity;
      blocks.any(entity.nets.map((net) => `--${side} ${net}`));
      return { ...entity, nets: [] };
    };
    const notNetsOf = (entity: SplitEntity, side: Side): SplitEntity => {
      // One rule of iptables asks for one prefix of a side, whether it must hold or must not.
      if (entity.notNets.length + entity.nets.length < 2) return entity;
      if (entity.notNets.length === 0) return entity;
      blocks.none(entity.notNets.map((net) => `--${side} ${net}`));
      return { ...entity, notNets: [] };
    };
    // Felix asks in this order.
    const ported = { source: portsOf("source"), destination: portsOf("destination") };
    const netted = {
      source: netsOf(ported.source, "source"),
      destination: netsOf(ported.destination, "destination"),
    };
    const src = notNetsOf(netted.source, "source");
    const dst = notNetsOf(netted.destination, "destination");
    const asked = this.#matchOf(rule, src, dst);
    const whole = blocks.rules.length === 0 ? asked : match(asked, markSet(marks.scratch0));
    return [...blocks.rules, ...this.#acting(rule, whole)];
  }

  #acting({ action }: PolicyRule, asked: string): FelixRule[] {
    const { accept, pass } = marksOf(this.#settings);
    const marked = (bit: number) => [felixRule(asked, setMark(bit)), felixRule(markSet(bit), RETURN)];
    switch (action) {
      case "allow":
        return marked(accept);
      case "pass":
        return marked(pass);
      case "deny":
        return [felixRule(asked, DROP)];
      case "log":
        return [felixRule(asked, `--jump LOG --log-prefix "${this.#settings.logPrefix}: " --log-level 5`)];
      default:
        return action satisfies never;
    }
  }

  /** Positive questions first, then negative ones, each of the source before the destination (`CalculateRuleMatch`). */
  #matchOf(rule: PolicyRule, src: SplitEntity, dst: SplitEntity): string {
    const { icmp, notIcmp, notProtocol } = rule;
    return match(
      protocolMatch(rule),
      ...this.#positive(src, "source"),
      ...this.#positive(dst, "destination"),
      icmp === null ? "" : icmpMatch(icmp, "", this.#sets.family),
      notProtocol === null ? "" : `! -p ${notProtocol}`,
      ...this.#negative(rule, src, "source"),
      ...this.#negative(rule, dst, "destination"),
      notIcmp === null ? "" : icmpMatch(notIcmp, "! ", this.#sets.family),
    );
  }

  #positive({ nets, selector, service, portMatches, isInPorts }: SplitEntity, side: Side): string[] {
    const flag = flagOf(side);
    return [
      ...nets.map((net) => `--${side} ${net}`),
      ...(selector === null || isInPorts ? [] : [inSet(this.#sets.ofSelector(selector), flag)]),
      ...(service === null
        ? []
        : [
            inSet(
              this.#sets.ofService(service, side === "destination"),
              side === "source" ? flag : `${flag},${flag}`,
            ),
          ]),
      ...portMatches,
    ];
  }

  #negative(rule: PolicyRule, entity: SplitEntity, side: Side): string[] {
    const { notNets, selector, notSelector, notPorts, notNamedPorts } = entity;
    const protocol = protocolName(rule);
    return [
      ...notNets.map((net) => `! --${side} ${net}`),
      ...(notSelector === null ? [] : [notInSet(this.#sets.ofSelector(notSelector), flagOf(side))]),
      ...multiports(notPorts).map((ports) => `-m multiport ! --${side}-ports ${ports}`),
      ...notNamedPorts.map((name) =>
        notInSet(this.#sets.ofNamedPort(selector, protocol, name), `${flagOf(side)},${flagOf(side)}`),
      ),
    ];
  }

  /** Numbers in groups that one rule can hold, then a set for each name. */
  #portMatches(rule: PolicyRule, side: Side): string[] {
    const { ports, namedPorts, selector } = rule[side];
    const flag = flagOf(side);
    return [
      ...multiports(ports).map((found) => `-m multiport --${side}-ports ${found}`),
      ...namedPorts.map((name) =>
        inSet(this.#sets.ofNamedPort(selector, protocolName(rule), name), `${flag},${flag}`),
      ),
    ];
  }
}

type Side = "source" | "destination";

/** What is left of an end when its blocks are taken out. */
interface SplitEntity extends RuleEntity {
  readonly portMatches: readonly string[];
  /** They ask by the selector already. */
  readonly isInPorts: boolean;
}

const flagOf = (side: Side) => (side === "source" ? "src" : "dst");
const inSet = (set: string, flags: string) => `-m set --match-set ${set} ${flags}`;
const notInSet = (set: string, flags: string) => `-m set ! --match-set ${set} ${flags}`;

/** Felix knows protocols without a name of iptables' own by number. */
function protocolMatch({ protocol }: PolicyRule): string {
  return protocol === null ? "" : `-p ${protocol}`;
}

const NAMES: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp", 132: "sctp" };

/** Of a rule that asks for a named port. */
function protocolName({ protocol }: PolicyRule): string {
  return typeof protocol === "number" ? (NAMES[protocol] ?? "tcp") : (protocol ?? "tcp");
}

function icmpMatch({ type, code }: CalicoIcmp, not: string, family: Family): string {
  if (type === undefined) return "";
  if (family === 6) return `-m icmp6 ${not}--icmpv6-type ${type}${code === undefined ? "" : `/${code}`}`;
  return `-m icmp ${not}--icmp-type ${type}${code === undefined ? "" : `/${code}`}`;
}

/** `xt_multiport` takes 15 ports, of which a range is two. */
const MAX_PORTS = 15;

function multiports(ranges: readonly PortRange[]): string[] {
  const groups: string[][] = [];
  let room = 0;
  for (const { first, last } of ranges) {
    const cost = first === last ? 1 : 2;
    if (room < cost) {
      groups.push([]);
      room = MAX_PORTS;
    }
    groups.at(-1)?.push(first === last ? String(first) : `${first}:${last}`);
    room -= cost;
  }
  return groups.map((group) => group.join(","));
}

/** ICMP of the other family. */
const FOREIGN: Readonly<Record<Family, readonly (string | number | null)[]>> = {
  4: ["icmpv6", 58],
  6: ["icmp", 1],
};

/** undefined: no packet of the family fits (`FilterRuleToIPVersion`). */
function ofFamily(rule: PolicyRule, family: Family): PolicyRule | undefined {
  if (rule.ipVersion !== null && rule.ipVersion !== family) return undefined;
  if (FOREIGN[family].includes(rule.protocol)) return undefined;
  // iptables takes one protocol: with one that must be, the other is fulfilled or makes the rule pointless.
  if (rule.protocol !== null && rule.notProtocol === rule.protocol) return undefined;
  const ends: RuleEntity[] = [];
  for (const entity of [rule.source, rule.destination]) {
    const nets = entity.nets.filter((net) => familyOf(net) === family);
    const notNets = entity.notNets.filter((net) => familyOf(net) === family);
    if (nets.length === 0 && entity.nets.length > 0) return undefined;
    // Exceptions of the other family alone make it a rule of that one.
    if (notNets.length === 0 && entity.notNets.length > 0) return undefined;
    if (notNets.some((net) => net.endsWith("/0"))) return undefined;
    ends.push({ ...entity, nets, notNets });
  }
  const [source, destination] = ends as [RuleEntity, RuleEntity];
  return { ...rule, source, destination, notProtocol: rule.protocol === null ? rule.notProtocol : null };
}

/** Questions that take rules of their own, answered in marks: whether all blocks hold so far, and whether this one does. */
class MatchBlocks {
  readonly rules: FelixRule[] = [];
  readonly #all: number;
  readonly #this: number;

  constructor(all: number, this_: number) {
    this.#all = all;
    this.#this = this_;
  }

  /** One of these must hold. */
  any(matches: readonly string[]): void {
    const isFirst = this.rules.length === 0;
    if (isFirst) this.#begin(0);
    else this.rules.push(felixRule("", clearMark(this.#this)));
    const bit = isFirst ? this.#all : this.#this;
    for (const asked of matches) this.rules.push(felixRule(asked, setMark(bit)));
    if (!isFirst) this.rules.push(felixRule(markClear(this.#this), clearMark(this.#all)));
  }

  /** None of these may hold. */
  none(matches: readonly string[]): void {
    if (this.rules.length === 0) this.#begin(this.#all);
    for (const asked of matches) this.rules.push(felixRule(asked, clearMark(this.#all)));
  }

  #begin(value: number): void {
    this.rules.push(felixRule("", setMark(value, this.#all + this.#this)));
  }
}

export const policyChain = (name: string, direction: PolicyDirection) =>
  chainName(direction === "Ingress" ? "cali-pi-" : "cali-po-", name);
export const profileChain = (name: string, direction: PolicyDirection) =>
  chainName(direction === "Ingress" ? "cali-pri-" : "cali-pro-", name);
