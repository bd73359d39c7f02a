import type { Masked } from "../../address/masked.ts";
import type { Origin } from "../origin.ts";
import type { Match } from "./match/match.ts";
import type { Target } from "./target/target.ts";

/** A value that a rule may ask for or rule out (`! -s 10.0.0.0/8`). */
export interface Negatable<T> {
  readonly value: T;
  readonly invert: boolean;
}

/**
 * A rule of iptables or ip6tables: what `struct ipt_ip` or `ip6t_ip6` matches (addresses, interfaces, protocol, fragments),
 * then the matches in the order written, then the target. Plain state; `match/` and `target/` hold one module a kind, each with its text form.
 */
export interface Rule {
  readonly src: Negatable<Masked> | null;
  readonly dst: Negatable<Masked> | null;
  /** Interface name, a trailing `+` matching any ending. */
  readonly inInterface: Negatable<string> | null;
  readonly outInterface: Negatable<string> | null;
  /** Protocol number, 0 meaning all. */
  readonly protocol: Negatable<number> | null;
  /** `-f`: second and further fragments only; null in IPv6, which has a match for them. */
  readonly fragment: Negatable<true> | null;
  readonly matches: readonly Match[];
  /** null: no target, the rule only counts. */
  readonly target: Target | null;
  /** Packet and byte counters as dumped (`[12:840]`), null where the dump had none. */
  readonly counters: Counters | null;
  readonly origin: Origin;
}

export interface Counters {
  readonly packets: number;
  readonly bytes: number;
}

export interface Chain {
  readonly name: string;
  /** null: a chain made by a user, which returns at its end. */
  readonly policy: "ACCEPT" | "DROP" | null;
  readonly policyCounters: Counters | null;
  readonly rules: readonly Rule[];
}

/** `filter`, `nat`, `mangle`, `raw` or `security`. */
export interface Table {
  readonly name: string;
  /** Chains in the order of the dump, which is the order they are printed in. */
  readonly chains: ReadonlyMap<string, Chain>;
}

/** All tables of one family, as one `iptables-save` prints them. A table absent here was never loaded. */
export interface Ruleset {
  readonly backend: "legacy" | "nft";
  readonly tables: ReadonlyMap<string, Table>;
}
