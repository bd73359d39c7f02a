import type { Host } from "../../src/kernel/host.ts";
import type { NftExpression } from "../../src/kernel/nft/expression.ts";
import { readable } from "../../src/kernel/nft/fields.ts";
import type { NftRule } from "../../src/kernel/nft/ruleset.ts";
import type { NftStatement } from "../../src/kernel/nft/statement.ts";

/** What of nftables packets have decided on: by what their rules read, what they do, and where they are hooked. */

const HOOKS: readonly (readonly [family: string, hooks: readonly string[]])[] = [
  ["ip", ["prerouting", "input", "forward", "output", "postrouting"]],
  ["ip6", ["prerouting", "input", "forward", "output", "postrouting"]],
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
/** Fields of IPv6's extension headers, in nft's words. */
const EXTENSIONS = [
  ...["hbh nexthdr", "hbh hdrlength", "dst nexthdr", "dst hdrlength"],
  ...["rt nexthdr", "rt hdrlength", "rt type", "rt seg-left", "srh last-entry", "srh flags", "srh tag"],
  ...["mh nexthdr", "mh hdrlength", "mh type", "mh reserved", "mh checksum"],
  ...["nexthdr", "reserved", "frag-off", "reserved2", "more-fragments", "id"].map((field) => `frag ${field}`),
  ...["hbh", "rt", "dst", "frag"].map((header) => `exthdr ${header}`),
];
const EXPRESSIONS: readonly string[] = [
  ...readable(),
  ...["set", "set-reference", "map", "concat", "range", "prefix", "list", "binary", "any"],
  ...["raw-payload ll", "raw-payload nh", "raw-payload th", "raw-payload ih"],
  ...["fib type", "fib oif", "fib oifname", "numgen inc", "numgen random", "jhash", "jhash seed", "symhash"],
  ...["socket transparent", "socket mark", "socket wildcard", ...OPTIONS, ...EXTENSIONS],
];

export const NFT_KEYS: readonly string[] = [
  ...EXPRESSIONS.map((name) => `nft reads ${name}`),
  ...STATEMENTS.map((name) => `nft does ${name}`),
  ...HOOKS.flatMap(([family, hooks]) => hooks.map((hook) => `nft hook ${family} ${hook}`)),
  ...["filter", "nat", "route"].map((type) => `nft chain ${type}`),
];

const HELPER =
  "read of the connection that expected this one: that takes one with a helper whose program speaks FTP or the like, which no server of a lab does";

/** Why no packet decides on it; null: some should. */
export function whyNoNft(key: string): string | null {
  return WHY.find(([pattern]) => pattern.test(key))?.[1] ?? null;
}

const WHY: readonly (readonly [RegExp, string])[] = [
  [/payload vlan /, "no frame bears a tag: this kernel has no VLAN devices (CONFIG_VLAN_8021Q)"],
  [
    /payload icmpv6 (parameter-problem|packet-too-big)$/,
    "nft 1.0.6 prints the word and does not take it back: no lab can load it",
  ],
  [/payload icmpv6 (taddr|daddr)$/, "nft 1.0.6 does not know the word: no lab can load it"],
  [
    /payload icmpv6 max-delay$/,
    "of a question about groups, which no host of a lab asks (no router of multicast is in it)",
  ],
  [/meta (ibrname|obrname|ibrpvid|ibrvproto)$/, "this kernel has no such (CONFIG_NFT_BRIDGE_META)"],
  [/meta secmark$/, "nft takes no constant beside it, only maps of marks that no security module gives"],
  [/meta nftrace$/, "a rule can only set it (nft_meta_get_init)"],
  [/meta secpath$/, "nft lists it as ipsec"],
  [/ct event$/, "a rule can only set it (nft_ct_get_init)"],
  [/ct secmark$/, "nft takes no constant beside it"],
  [/ct helper$/, HELPER],
  [/ct ([sd]addr)$/, "nft lists it by family"],
  [/does queue$/, "this kernel has no such (CONFIG_NFT_QUEUE); iptables' NFQUEUE is asked instead"],
  [/does flow-add$/, "this kernel has no such (CONFIG_NF_FLOW_TABLE)"],
  [/does xt$/, "nft prints it of what iptables-nft made, and loads no such rule itself"],
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
