import type { ArgumentReader } from "../save/arguments.ts";

/**
 * What a rule does with a packet it matches. `jump` and `goto` name user chains; the rest are the kernel's targets, each
 * with a module of its own for its text (`TargetModule`).
 */
export interface Target {
  readonly kind: string;
}

export interface JumpTarget extends Target {
  readonly kind: "jump" | "goto";
  readonly chain: string;
}

export interface VerdictTarget extends Target {
  readonly kind: "ACCEPT" | "DROP" | "RETURN";
}

/** A kind of target with options (`-j NAME …`): a file a kind, `registry.ts` is the one table of them. */
export interface TargetModule<T extends { readonly kind: string }> {
  readonly kind: T["kind"];
  parse(reader: ArgumentReader): T;
  /** The options as `iptables-save` prints them, without `-j NAME`. */
  format(target: T): string;
  readonly needsConntrack: boolean;
}
