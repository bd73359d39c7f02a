import type { Host } from "../../src/kernel/host.ts";
import type { NftExpression } from "../../src/kernel/nft/expression.ts";
import { readable } from "../../src/kernel/nft/fields.ts";
import type { NftRule } from "../../src/kernel/nft/ruleset.ts";
import type { NftStatement } from "../../src/kernel/nft/statement.ts";

/** What of nftables packets have decided on: by what their rules read, what they do, and where they are hooked. */

const HOOKS: readonly (readonly [family: string, hooks: readonly string[]])[] = [
  ["ip", ["prerouting", "input", "forward", "output", "postrouting"]],
  ["inet", ["ingress", "prerouting", "input", "forward", "output", "postrouting"]],
  ["netdev", ["ingress", "egress"]],
  ["bridge", ["prerouting", "input", "forward", "output", "postrouting"]],
  ["arp", ["input", "output"]],
];

const OPTIONS = [
  "tcp option maxseg",
  "tcp option sack-perm",
  "tcp option timestamp",
  "tcp option window",
  "ip option",
];
const STATEMENTS: readonly string[] = [
  ...["match", "vmap", "counter", "limit", "quota", "ct-count", "log", "mangle", "notrack", "reject"],
  ...[
    "set-change add",
    "set-change update",
    "set-change delete",
    "fwd",
    "dup",
    "flow-add",
    "tproxy",
    "synproxy",
  ],
  ...["reset-option", "queue", "xt"],
  ...["accept", "drop", "continue", "return", "jump", "goto"].map((kind) => `verdict ${kind}`),
  ...["dnat", "snat", "masquerade", "redirect"].map((type) => `nat ${type}`),
  ...["counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation"].map(
    (type) => `object ${type}`,
  ),
];
const EXPRESSIONS: readonly string[] = [
  ...readable(),
  ...["set", "set-reference", "map", "concat", "range", "prefix", "list", "binary", "any"],
  ...["raw-payload ll", "raw-payload nh", "raw-payload th", "raw-payload ih"],
  ...["fib type", "fib oif", "fib oifname", "numgen inc", "numgen random", "jhash", "jhash seed", "symhash"],
  ...["socket transparent", "socket mark", "socket wildcard", ...OPTIONS],
];

export const NFT_KEYS: readonly string[] = [
  ...EXPRESSIONS.map((name) => `nft reads ${name}`),
  ...STATEMENTS.map((name) => `nft does ${name}`),
  ...HOOKS.flatMap(([family, hooks]) => hooks.map((hook) => `nft hook ${family} ${hook}`)),
  ...["filter", "nat", "route"].map((type) => `nft chain ${type}`),
];

/** Why no packet decides on it; null: some should. */
export function whyNoNft(key: string): string | null {
  return WHY.find(([pattern]) => pattern.test(key))?.[1] ?? null;
}

const WHY: readonly (readonly [RegExp, string])[] = [
  [/payload (ip6|icmpv6) /, "of IPv6, which these worlds do not have"],
  [
    /payload (udplite|sctp|dccp|igmp|ah|esp|comp) /,
    "not done: bare packets are sent past rules of iptables alone",
  ],
  [/payload vlan /, "no frame bears a tag"],
  [/payload arp |hook arp /, "frames of ARP are no part of a trace: judged by the bridges' own test"],
  [/payload ether type/, "behind a guard that counts nothing"],
  [
    /payload (th|udp|tcp|ip|icmp) (checksum|id|sequence|window|ackseq)/,
    "the kernel's own: both answers are taken",
  ],
  [/meta (ibrname|obrname|ibrpvid|ibrvproto|sdif|sdifname|secmark|nftrace)$/, "this kernel does not read it"],
  [/meta (cpu|random|time|day|hour|priority|skgid)$/, "nobody can say: both answers are taken"],
  [/meta secpath$/, "listed as ipsec"],
  [/ct (secmark|event|helper|id)$/, "connections have none, or nobody can say"],
  [/ct (ip6 [sd]addr|[sd]addr)$/, "listed by family, or of IPv6"],
  [/rt (mtu|ipsec)$/, "this kernel reads no such, or into an option alone"],
  [/raw-payload (ll|ih)|reads any$/, "not modelled, or of whole sets alone"],
  [/does (queue|xt|flow-add)$/, "this kernel lacks it: judged by recordings and tests alone"],
  [/does synproxy/, "not done: proxies stand behind rules of iptables alone; judged by its own test"],
  [/does tproxy/, "not done: proxies stand behind rules of iptables alone; judged by its own test"],
  [/socket transparent/, "asked both ways"],
];

export function nftKeysOf(host: Host | undefined, table: string, chain: string, rule: number): string[] {
  const plain = host?.nft?.tables.find(({ family, name }) => `${family} ${name}` === table);
  const found = plain?.chains.find(({ name }) => name === chain);
  const taken = found?.rules[rule - 1];
  if (plain === undefined || found === undefined || taken === undefined) return [];
  const base =
    found.base === null
      ? []
      : [`nft hook ${plain.family} ${found.base.hook}`, `nft chain ${found.base.type}`];
  return [...base, ...keysOfRule(taken)];
}

function keysOfRule({ statements }: NftRule): string[] {
  return statements.flatMap((statement) => [`nft does ${nameOf(statement)}`, ...readsOf(statement)]);
}

function nameOf(statement: NftStatement): string {
  switch (statement.kind) {
    case "verdict":
      return `verdict ${statement.verdict.kind}`;
    case "nat":
      return `nat ${statement.type}`;
    case "object":
      return `object ${statement.type}`;
    case "set-change":
      return `set-change ${statement.op}`;
    case "other":
      return statement.text.split(" ")[0] ?? "";
    default:
      return statement.kind;
  }
}

/** Every expression inside a statement, by what it reads. */
function readsOf(statement: NftStatement): string[] {
  const found = new Set<string>();
  JSON.stringify(statement, (_key, value: unknown) => {
    const name = typeof value === "object" && value !== null ? expressionName(value as NftExpression) : null;
    if (name !== null) found.add(`nft reads ${name}`);
    return value;
  });
  return [...found];
}

function expressionName(expression: NftExpression): string | null {
  switch (expression.kind) {
    case "payload":
      return `payload ${expression.protocol} ${expression.field}`;
    case "raw-payload":
      return `raw-payload ${expression.base}`;
    case "meta":
    case "ct":
    case "rt":
      return `${expression.kind} ${expression.key}`;
    case "fib":
      return `fib ${expression.result}`;
    case "numgen":
      return `numgen ${expression.mode}`;
    case "hash":
      return expression.type === "jhash" && expression.seed !== null ? "jhash seed" : expression.type;
    case "other":
      return expression.text.startsWith("ip option") ? "ip option" : expression.text.replace(/ size$/, "");
    case "set":
    case "set-reference":
    case "map":
    case "concat":
    case "range":
    case "prefix":
    case "list":
    case "binary":
    case "any":
      return expression.kind;
    default:
      return null;
  }
}
