import type { NftExpression, SetSource } from "./expression.ts";

/** What a rule does (nft(8), "Statements"). A closed union, run in order until one ends the rule. */
export type NftStatement =
  | {
      readonly kind: "match";
      readonly op: MatchOperator;
      readonly left: NftExpression;
      readonly right: NftExpression;
    }
  | { readonly kind: "verdict"; readonly verdict: NftVerdict }
  | { readonly kind: "vmap"; readonly key: NftExpression; readonly data: SetSource }
  | {
      readonly kind: "counter";
      readonly packets: number;
      readonly bytes: number;
      readonly stateless: boolean;
    }
  | {
      readonly kind: "limit";
      readonly over: boolean;
      readonly rate: number;
      /** null: packets. */
      readonly unit: ByteUnit | null;
      readonly per: LimitPeriod;
      /** null: not written; the kernel then takes 5 packets. */
      readonly burst: number | null;
      readonly burstUnit: ByteUnit | "packets" | null;
    }
  | {
      readonly kind: "quota";
      readonly over: boolean;
      readonly value: number;
      readonly unit: ByteUnit;
      /** null: nothing used yet. */
      readonly used: { readonly value: number; readonly unit: ByteUnit } | null;
    }
  /** `counter name "c"`, `quota name "q"`, `limit name "l"`, `ct helper set "h"`: a named object, or a map to them. */
  | { readonly kind: "object"; readonly type: string; readonly name: NftExpression | string }
  | { readonly kind: "ct-count"; readonly over: boolean; readonly count: number }
  | {
      readonly kind: "log";
      readonly prefix: string | null;
      readonly level: string | null;
      readonly flags: readonly string[];
      readonly group: number | null;
      readonly snaplen: number | null;
      readonly queueThreshold: number | null;
    }
  | { readonly kind: "mangle"; readonly key: NftExpression; readonly value: NftExpression }
  | { readonly kind: "notrack" }
  | {
      readonly kind: "reject";
      /** null: not written, a port unreachable of the packet's family. */
      readonly type: "icmp" | "icmpv6" | "icmpx" | "tcp reset" | null;
      readonly code: number | null;
      /** Written `icmp type …`, as iptables' translation does. */
      readonly wordy: boolean;
    }
  | {
      readonly kind: "nat";
      readonly type: "dnat" | "snat" | "masquerade" | "redirect";
      readonly family: "ip" | "ip6" | null;
      /** `prefix to`: the network part alone is exchanged. */
      readonly prefix: boolean;
      readonly address: NftExpression | null;
      readonly port: NftExpression | null;
      readonly flags: readonly NatFlag[];
    }
  | {
      readonly kind: "set-change";
      readonly op: "add" | "update" | "delete";
      readonly set: string;
      readonly key: NftExpression;
      readonly timeoutMs: number | null;
      readonly statements: readonly NftStatement[];
      readonly data: NftExpression | null;
    }
  | {
      readonly kind: "fwd";
      readonly device: NftExpression;
      readonly family: "ip" | "ip6" | null;
      readonly address: NftExpression | null;
    }
  | { readonly kind: "dup"; readonly device: NftExpression | null; readonly address: NftExpression | null }
  | {
      readonly kind: "tproxy";
      readonly family: "ip" | "ip6" | null;
      readonly address: NftExpression | null;
      readonly port: NftExpression | null;
    }
  | {
      readonly kind: "synproxy";
      readonly mss: number | null;
      readonly wscale: number | null;
      readonly flags: readonly SynproxyFlag[];
    }
  /** `reset tcp option timestamp`: an option is made padding. */
  | { readonly kind: "reset-option"; readonly option: NftExpression }
  | { readonly kind: "flow-add"; readonly flowtable: string }
  /** An extension of iptables that nft has no words for. */
  | { readonly kind: "xt"; readonly type: "match" | "target" | "watcher"; readonly name: string }
  /** Known to nft, not to the walk: its words as they stand. */
  | { readonly kind: "other"; readonly text: string };

/** `in`: some bit of a flag type is set, which is what a value without operator means there; `!`: none of them is. */
export type MatchOperator = "==" | "!=" | "<" | ">" | "<=" | ">=" | "in" | "!";

export type NftVerdict =
  | { readonly kind: "accept" | "drop" | "continue" | "return" }
  | { readonly kind: "jump" | "goto"; readonly chain: string };

export const BYTE_UNITS = ["bytes", "kbytes", "mbytes", "gbytes"] as const;
export type ByteUnit = (typeof BYTE_UNITS)[number];

export const LIMIT_PERIODS = { second: 1, minute: 60, hour: 3600, day: 86400, week: 604800 } as const;
export type LimitPeriod = keyof typeof LIMIT_PERIODS;

export const NAT_FLAGS = ["random", "fully-random", "persistent"] as const;
export type NatFlag = (typeof NAT_FLAGS)[number];

export const SYNPROXY_FLAGS = ["timestamp", "sack-perm"] as const;
export type SynproxyFlag = (typeof SYNPROXY_FLAGS)[number];

export function bytesOf(value: number, unit: ByteUnit): number {
  return value * 1024 ** BYTE_UNITS.indexOf(unit);
}
