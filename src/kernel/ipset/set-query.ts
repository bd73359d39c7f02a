import type { Packet } from "../../packet/packet.ts";
import { NameIds } from "../name-ids.ts";
import type { RuleContext } from "../netfilter/rule-context.ts";
import type { CounterTest } from "./counter-test.ts";

/** What a rule asks of a set, compiled (`struct ip_set_adt_opt`). */
export interface SetQuery {
  /** As `internSetName` gave it. */
  readonly set: number;
  /** How many dimensions the rule names; a set with more is not asked. */
  readonly dimensions: number;
  /** Bit n: dimension n is taken from the packet's source side. */
  readonly sources: number;
  readonly returnNomatch: boolean;
  readonly updateCounters: boolean;
  readonly updateSubcounters: boolean;
  readonly packets: CounterTest | null;
  readonly bytes: CounterTest | null;
}

/** What `ip_set_add` and `ip_set_del` are told; the second minds the query alone. */
export interface SetChange {
  readonly query: SetQuery;
  /** Seconds; null: the set's own. */
  readonly timeout: number | null;
  /** Renew what is there already. */
  readonly exist: boolean;
}

/** The sets of a host as its rules see them. */
export interface SetMembership {
  /** Is the packet in the set, the rule's `!` apart? Runs per packet. */
  test(query: SetQuery, packet: Packet, context: RuleContext): SetAnswer;
}

export type SetAnswer = typeof SET_NO | typeof SET_YES | typeof SET_UNKNOWN;

export const SET_NO = 0;
export const SET_YES = 1;
/** The host has no set of that name: its dump is of rules alone. */
export const SET_UNKNOWN = -1;

const sets = new NameIds();

/** A set's name as a number. */
export function internSetName(name: string): number {
  return sets.of(name);
}
