import type { NftStatement, NftVerdict } from "./statement.ts";

/** What a rule reads or compares with (nft(8), "Expressions"). A closed union; the field names are libnftables-json's. */
export type NftExpression =
  | NftConstant
  | { readonly kind: "set-reference"; readonly name: string }
  | { readonly kind: "payload"; readonly protocol: string; readonly field: string }
  | {
      readonly kind: "raw-payload";
      readonly base: "ll" | "nh" | "th" | "ih";
      /** Bits. */
      readonly offset: number;
      readonly length: number;
    }
  | { readonly kind: "meta"; readonly key: string }
  | {
      readonly kind: "ct";
      readonly key: string;
      readonly direction: "original" | "reply" | null;
    }
  | { readonly kind: "rt"; readonly key: string; readonly family: "ip" | "ip6" | null }
  | { readonly kind: "fib"; readonly flags: readonly string[]; readonly result: "type" | "oif" | "oifname" }
  | {
      readonly kind: "numgen";
      readonly mode: "inc" | "random";
      readonly modulus: number;
      readonly offset: number;
    }
  | {
      readonly kind: "hash";
      readonly type: "jhash" | "symhash";
      readonly key: NftExpression | null;
      readonly modulus: number;
      /** null: the kernel draws one when the rule is loaded. */
      readonly seed: number | null;
      readonly offset: number;
    }
  /** What the walk does not read: `socket transparent`, `tcp option maxseg size`, `osf name`; its words as nft prints them. */
  | { readonly kind: "other"; readonly text: string }
  | {
      readonly kind: "binary";
      readonly op: BinaryOperator;
      readonly left: NftExpression;
      readonly right: NftExpression;
    }
  | { readonly kind: "concat"; readonly parts: readonly NftExpression[] }
  | { readonly kind: "prefix"; readonly address: NftConstant; readonly length: number }
  | { readonly kind: "range"; readonly from: NftConstant; readonly to: NftConstant }
  /** `established,related`: bits of a flag type, in the order written. */
  | { readonly kind: "list"; readonly values: readonly NftConstant[] }
  | { readonly kind: "set"; readonly elements: SetElements }
  | { readonly kind: "map"; readonly key: NftExpression; readonly data: SetSource }
  /** `*`: every key of an interval set. */
  | { readonly kind: "any" };

export type BinaryOperator = "&" | "|" | "^" | "<<" | ">>";

/** The set that a look-up goes to. */
export type SetSource = Extract<NftExpression, { readonly kind: "set" | "set-reference" }>;

export interface NftConstant {
  readonly kind: "constant";
  /** A data type's name (`datatype.ts`). */
  readonly type: string;
  /**
   * An unsigned whole number; an IPv4 address its signed 32 bits. Text for what no number holds: IPv6 and link-layer
   * addresses in canonical form, names of interfaces, times.
   */
  readonly value: number | string;
}

export type SetElements = readonly SetElement[];

export interface SetElement {
  readonly key: NftExpression;
  /** Statements the element holds: `counter packets 4 bytes 6`. */
  readonly statements: readonly NftStatement[];
  readonly timeoutMs: number | null;
  readonly expiresMs: number | null;
  readonly comment: string | null;
  readonly data: ElementData | null;
}

export type ElementData =
  | { readonly kind: "verdict"; readonly verdict: NftVerdict }
  | { readonly kind: "object"; readonly name: string }
  | { readonly kind: "value"; readonly value: NftExpression };

/** An element of a key alone. */
export function plainElement(key: NftExpression, data: ElementData | null = null): SetElement {
  return { key, statements: [], timeoutMs: null, expiresMs: null, comment: null, data };
}
