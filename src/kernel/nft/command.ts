import type { SetElements } from "./expression.ts";
import type { NftChain, NftFamily, NftFlowtable, NftObject, NftRule, NftSet, NftTable } from "./ruleset.ts";

/** One command of nft(8): what `nft -f` takes, and `nft` by itself. */
export type NftCommand =
  /** `add` leaves alone what is there, `create` refuses it. A table, chain or set comes with what stands in its block. */
  | { readonly op: "add" | "create"; readonly what: NftAddition }
  /** `insert rule`: before another, or at the chain's head. */
  | { readonly op: "insert"; readonly what: Extract<NftAddition, { kind: "rule" }> }
  | {
      readonly op: "replace";
      readonly family: NftFamily;
      readonly table: string;
      readonly chain: string;
      readonly handle: number;
      readonly rule: NftRule;
    }
  /** `destroy` is content where there is nothing to delete. */
  | { readonly op: "delete" | "destroy"; readonly what: NftVictim }
  | { readonly op: "flush"; readonly what: NftFlushed };

interface InTable {
  readonly family: NftFamily;
  readonly table: string;
}

export type NftAddition =
  | { readonly kind: "table"; readonly family: NftFamily; readonly block: NftTable }
  | ({ readonly kind: "chain"; readonly chain: NftChain } & InTable)
  | ({ readonly kind: "set"; readonly set: NftSet } & InTable)
  | ({ readonly kind: "object"; readonly object: NftObject } & InTable)
  | ({ readonly kind: "flowtable"; readonly flowtable: NftFlowtable } & InTable)
  | ({ readonly kind: "element"; readonly set: string; readonly elements: SetElements } & InTable)
  | ({
      readonly kind: "rule";
      readonly chain: string;
      readonly rule: NftRule;
      readonly at: RulePlace | null;
    } & InTable);

/** A rule beside which another is put: by its place from 0, or by its handle. */
export type RulePlace =
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "handle"; readonly handle: number };

export type NftVictim =
  | ({ readonly kind: "table" } & InTable)
  | ({ readonly kind: "chain" | "set" | "flowtable"; readonly name: string } & InTable)
  | ({ readonly kind: "object"; readonly type: string; readonly name: string } & InTable)
  | ({ readonly kind: "element"; readonly set: string; readonly elements: SetElements } & InTable)
  | ({ readonly kind: "rule"; readonly chain: string; readonly handle: number } & InTable);

export type NftFlushed =
  | { readonly kind: "ruleset"; readonly family: NftFamily | null }
  | ({ readonly kind: "table" } & InTable)
  | ({ readonly kind: "chain" | "set"; readonly name: string } & InTable);
