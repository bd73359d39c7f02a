import { type AddressFamily, IPV4, IPV6, type PrefixOf } from "../../address/family.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import { ORIGIN_NONE, type Origin } from "../origin.ts";
import { formatTos, parseTos } from "./dsfield.ts";
import { formatFlow, parseTable, realmsOf } from "./ip-route.ts";
import type { PolicyRule, PolicyRule6, PolicyRuleOf } from "./route.ts";

/** Policy rules as `ip -j rule` prints them. */

type Range = { readonly from: number; readonly to: number };

const ANY_MASK = 0xffff_ffff;

/** Protocols by the name that iproute2 gives them (`inet_proto_n2a`). */
const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ["icmp", 1],
  ["igmp", 2],
  ["ipencap", 4],
  ["tcp", 6],
  ["udp", 17],
  ["dccp", 33],
  ["ipv6", 41],
  ["gre", 47],
  ["esp", 50],
  ["ah", 51],
  ["ipv6-icmp", 58],
  ["sctp", 132],
  ["udplite", 136],
]);

export function isIpv6Rule(json: JsonFields): boolean {
  return json.mentionsIpv6(["src", "dst"]);
}

export function parseRule(json: JsonFields, origin: Origin): PolicyRule {
  return parseAny(json, IPV4, origin);
}

export function parseRule6(json: JsonFields, origin: Origin): PolicyRule6 {
  return parseAny(json, IPV6, origin);
}

function parseAny<Address>(
  json: JsonFields,
  of: AddressFamily<Address>,
  origin: Origin,
): PolicyRuleOf<Address> {
  for (const name of ["tun_id", "suppress_ifgroup", "dscp", "flowlabel"]) {
    if (json.has(name)) json.fault(name, `a rule with ${name} is not modelled`);
  }
  return {
    priority: json.integer("priority", 0, 0xffff_ffff),
    src: parseSelector(json, of, "src"),
    dst: parseSelector(json, of, "dst"),
    iif: json.optionalText("iif"),
    oif: json.optionalText("oif"),
    fwmark: parseMark(json),
    tos: parseTos(json),
    ipproto: parseProtocol(json),
    sport: parseRange(json, "sport", 65_535),
    dport: parseRange(json, "dport", 65_535),
    uidRange: parseRange(json, "uid", ANY_MASK),
    not: json.has("not"),
    ...parseFlow(json),
    action: parseAction(json, of.bits),
    origin,
  };
}

/** `all` and a missing field ask nothing; `0` with a length is 0.0.0.0. */
function parseSelector<Address>(
  json: JsonFields,
  of: AddressFamily<Address>,
  name: "src" | "dst",
): PrefixOf<Address> | null {
  const text = json.optionalText(name);
  if (text === null || text === "all" || text === "any") return null;
  const lengthName = `${name}len`;
  const whole = json.prefixOf(of, name, { "0": of.bits });
  const length = json.has(lengthName) ? json.integer(lengthName, 0, of.bits) : whole.length;
  return { address: whole.address, length };
}

function parseMark(json: JsonFields): PolicyRule["fwmark"] {
  if (!json.has("fwmark") && !json.has("fwmask")) return null;
  const mask = json.has("fwmask") ? json.number32("fwmask") : ANY_MASK;
  return { value: json.has("fwmark") ? json.number32("fwmark") : 0, mask };
}

function parseProtocol(json: JsonFields): number | null {
  if (!json.has("ipproto")) return null;
  const value = json.get("ipproto");
  const text = typeof value === "number" ? String(value) : json.text("ipproto");
  const number = PROTOCOLS.get(text) ?? Number(/^(?:ipproto-)?(\d{1,3})$/.exec(text)?.[1]);
  if (number >= 0 && number <= 255) return number;
  if (text !== "") json.fault("ipproto", `${JSON.stringify(text)} is no protocol that is known by name`);
  return null;
}

/** `flow_from`, `flow_to`: the realms. */
function parseFlow(json: JsonFields): Pick<PolicyRule, "realms"> {
  return json.has("flow_to") ? realmsOf(json, "flow_from", "flow_to") : {};
}

/** One value (`sport`) or two (`sport_start`, `sport_end`). */
function parseRange(json: JsonFields, name: string, high: number): Range | null {
  if (json.has(name)) {
    const value = json.integer(name, 0, high);
    return { from: value, to: value };
  }
  if (!json.has(`${name}_start`) && !json.has(`${name}_end`)) return null;
  const from = json.integer(`${name}_start`, 0, high);
  const to = json.integer(`${name}_end`, 0, high);
  if (from > to) json.fault(`${name}_end`, `${to} is below ${name}_start, ${from}`);
  return { from, to };
}

function parseAction(json: JsonFields, bits: number): PolicyRule["action"] {
  if (json.has("nop")) return { kind: "nop" };
  if (json.has("l3mdev")) return { kind: "l3mdev" };
  if (json.has("goto")) return { kind: "goto", priority: json.integer("goto", 0, 0xffff_ffff) };
  if (json.has("table")) {
    const suppress = json.integer("suppress_prefixlen", -1, bits, -1);
    return {
      kind: "lookup",
      table: parseTable(json, "main"),
      suppressPrefixLength: suppress === -1 ? null : suppress,
    };
  }
  // iproute2 up to 5.x writes `to_tbl` instead of `action`.
  const name = json.has("to_tbl") ? "to_tbl" : "action";
  return { kind: json.word(name, ["blackhole", "unreachable", "prohibit", "nop"]) };
}

export function formatRule(rule: PolicyRule): Json {
  return formatAny(IPV4, rule);
}

export function formatRule6(rule: PolicyRule6): Json {
  return formatAny(IPV6, rule);
}

function formatAny<Address>(of: AddressFamily<Address>, rule: PolicyRuleOf<Address>): Json {
  return {
    priority: rule.priority,
    ...(rule.not ? { not: null } : {}),
    ...(rule.src === null ? { src: "all" } : formatSelector(of, "src", rule.src)),
    ...(rule.dst === null ? {} : formatSelector(of, "dst", rule.dst)),
    ...(rule.tos === 0 ? {} : { tos: formatTos(rule.tos) }),
    ...(rule.fwmark === null ? {} : formatMark(rule.fwmark)),
    ...(rule.iif === null ? {} : { iif: rule.iif }),
    ...(rule.oif === null ? {} : { oif: rule.oif }),
    ...(rule.uidRange === null ? {} : { uid_start: rule.uidRange.from, uid_end: rule.uidRange.to }),
    ...(rule.ipproto === null ? {} : { ipproto: formatProtocol(rule.ipproto) }),
    ...(rule.sport === null ? {} : formatRange("sport", rule.sport)),
    ...(rule.dport === null ? {} : formatRange("dport", rule.dport)),
    ...formatAction(rule.action),
    ...(rule.realms === undefined ? {} : formatFlow(rule.realms, "flow_from", "flow_to")),
  };
}

function formatSelector<Address>(
  of: AddressFamily<Address>,
  name: "src" | "dst",
  prefix: PrefixOf<Address>,
): Json {
  const address = of.format(prefix.address);
  return prefix.length === of.bits ? { [name]: address } : { [name]: address, [`${name}len`]: prefix.length };
}

function formatMark({ value, mask }: NonNullable<PolicyRule["fwmark"]>): Json {
  return { fwmark: hex(value), ...(mask === ANY_MASK ? {} : { fwmask: hex(mask) }) };
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** The protocol's name as `ip rule` takes and prints it. */
export function formatProtocol(number: number): string {
  for (const [name, known] of PROTOCOLS) if (known === number) return name;
  return `ipproto-${number}`;
}

function formatRange(name: string, { from, to }: Range): Json {
  return from === to ? { [name]: from } : { [`${name}_start`]: from, [`${name}_end`]: to };
}

function formatAction(action: PolicyRule["action"]): Json {
  if (action.kind === "lookup") {
    const suppress = action.suppressPrefixLength;
    return { table: action.table, ...(suppress === null ? {} : { suppress_prefixlen: suppress }) };
  }
  if (action.kind === "goto") return { goto: action.priority };
  if (action.kind === "l3mdev") return { l3mdev: null };
  return action.kind === "nop" ? { nop: null } : { action: action.kind };
}

/** The three rules that every namespace begins with (`fib_default_rules_init`). */
export const DEFAULT_RULES: readonly PolicyRule[] = [
  defaultRule(0, "local"),
  defaultRule(32_766, "main"),
  defaultRule(32_767, "default"),
];

/** And those of IPv6 (`fib6_rules_net_init`). */
export const DEFAULT_RULES6: readonly PolicyRule6[] = [defaultRule(0, "local"), defaultRule(32_766, "main")];

/** What the first VRF of a namespace brings to both families (`vrf_add_fib_rules`, FIB_RULE_PREF). */
export const L3MDEV_RULE: PolicyRule & PolicyRule6 = {
  ...defaultRule(1000, "main"),
  action: { kind: "l3mdev" },
};

function defaultRule(priority: number, table: string): PolicyRule & PolicyRule6 {
  return {
    priority,
    src: null,
    dst: null,
    iif: null,
    oif: null,
    fwmark: null,
    tos: 0,
    ipproto: null,
    sport: null,
    dport: null,
    uidRange: null,
    not: false,
    action: { kind: "lookup", table, suppressPrefixLength: null },
    origin: ORIGIN_NONE,
  };
}
