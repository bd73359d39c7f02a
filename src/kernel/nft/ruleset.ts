import type { Origin } from "../origin.ts";
import type { NftExpression, SetElements } from "./expression.ts";
import type { NftStatement } from "./statement.ts";

/**
 * nftables' state of one host: plain, immutable, serialisable. Names are those of nft(8) and libnftables-json(5); the two
 * text forms stand in `text/` and `json/`, what packets are run through in `compile/`.
 */
export interface NftRuleset {
  /** In the order they were made. */
  readonly tables: readonly NftTable[];
}

export const NFT_FAMILIES = ["ip", "ip6", "inet", "arp", "bridge", "netdev"] as const;
export type NftFamily = (typeof NFT_FAMILIES)[number];

export interface NftTable {
  readonly family: NftFamily;
  readonly name: string;
  readonly handle: number | null;
  readonly comment: string | null;
  /** `dormant`: its base chains are not registered; `owner`, `persist`. */
  readonly flags: readonly string[];
  readonly objects: readonly NftObject[];
  readonly sets: readonly NftSet[];
  readonly flowtables: readonly NftFlowtable[];
  readonly chains: readonly NftChain[];
  readonly origin: Origin;
}

export interface NftChain {
  readonly name: string;
  readonly handle: number | null;
  readonly comment: string | null;
  /** Where a base chain is hooked; null for one that is only jumped to. */
  readonly base: BaseChain | null;
  readonly rules: readonly NftRule[];
  readonly origin: Origin;
}

export interface BaseChain {
  readonly type: "filter" | "nat" | "route";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting" | "ingress" | "egress";
  /** Devices of an ingress or egress hook, in the tool's order; empty elsewhere. */
  readonly devices: readonly string[];
  /** Printed as `devices = { … }`, which is how nft shows more than one, or one given so. */
  readonly deviceList: boolean;
  readonly priority: number;
  readonly policy: "accept" | "drop";
}

export interface NftRule {
  readonly handle: number | null;
  readonly statements: readonly NftStatement[];
  readonly comment: string | null;
  /** As it stood in a dump, where iptables' translation words it otherwise than nft does (`ip ttl gt 60`, blank comments). */
  readonly written: string | null;
  readonly origin: Origin;
}

/** A named set, or a map where `data` is not null. */
export interface NftSet {
  readonly name: string;
  readonly handle: number | null;
  readonly comment: string | null;
  readonly key: SetKey;
  readonly data: SetData | null;
  /** `constant`, `interval`, `dynamic`, `timeout`, in the tool's order. */
  readonly flags: readonly SetFlag[];
  readonly autoMerge: boolean;
  readonly policy: "memory" | "performance" | null;
  readonly size: number | null;
  readonly timeoutMs: number | null;
  readonly gcIntervalMs: number | null;
  /** Statements that each element holds by itself: `counter`, `limit …`. */
  readonly statements: readonly NftStatement[];
  readonly elements: SetElements;
  readonly origin: Origin;
}

export const SET_FLAGS = ["constant", "interval", "dynamic", "timeout"] as const;
export type SetFlag = (typeof SET_FLAGS)[number];

/** A key by the names of its data types, or by an expression of that type (`typeof`); `types` holds them either way. */
export interface SetKey {
  readonly types: readonly string[];
  readonly typeOf: NftExpression | null;
}

export type SetData =
  | { readonly kind: "verdict" }
  /** `counter`, `quota`, `limit`, …: elements name objects. */
  | { readonly kind: "object"; readonly type: string }
  | {
      readonly kind: "value";
      readonly types: readonly string[];
      readonly typeOf: NftExpression | null;
      readonly interval: boolean;
    };

/** A stateful object that rules name. */
export interface NftObject {
  readonly type: NftObjectType;
  readonly name: string;
  readonly handle: number | null;
  readonly comment: string | null;
  readonly spec: NftObjectSpec;
  readonly origin: Origin;
}

export const NFT_OBJECT_TYPES = [
  "counter",
  "quota",
  "limit",
  "ct helper",
  "ct timeout",
  "ct expectation",
  "synproxy",
  "secmark",
] as const;
export type NftObjectType = (typeof NFT_OBJECT_TYPES)[number];

export type NftObjectSpec =
  | { readonly kind: "counter"; readonly packets: number; readonly bytes: number }
  | { readonly kind: "statement"; readonly statement: NftStatement }
  /** What the walk does not read, line by line as nft prints it. */
  | { readonly kind: "lines"; readonly lines: readonly string[] };

export interface NftFlowtable {
  readonly name: string;
  readonly handle: number | null;
  readonly priority: number;
  readonly devices: readonly string[];
  readonly flags: readonly string[];
  readonly counter: boolean;
  readonly origin: Origin;
}

/** Tables that iptables-nft makes. */
export const IPTABLES_TABLES: ReadonlySet<string> = new Set(["raw", "mangle", "nat", "filter", "security"]);

export const EMPTY_NFT: NftRuleset = { tables: [] };
