import type { UnknownTest } from "./netfilter/unknown.ts";

/**
 * Every non-determinism of the kernel asks here. A *per-flow* choice (multipath) carries the kernel's own hash inputs as
 * key and is remembered: asked twice, answered once. A *per-event* choice (`statistic random`) is fresh at each
 * evaluation. A *free* choice (a masquerade's port) is never enumerated: the representative is taken.
 */
export interface Chooser {
  /**
   * A fresh choice between two: does an event of odds `threshold`/2³¹ happen?
   *
   * @param threshold 0 … 2³¹
   */
  event(kind: ChoiceKind, threshold: number): boolean;
  /** A fresh choice among several of equal odds: the option taken, from 0. */
  pick(kind: ChoiceKind, count: number): number;
  /**
   * One of several, remembered for the flow.
   *
   * @param key0 with `key1`: the kernel's own hash of the flow, or the hash inputs folded
   * @param weights odds of the options, positive
   */
  flow(kind: ChoiceKind, key0: number, key1: number, weights: readonly number[]): number;
  /** Is something taken to match that the engine does not model? Asked once per rule and packet signature. */
  unknown(unknown: UnknownTest, signature: number): boolean;
}

export const CHOICE_STATISTIC = 1;
export const CHOICE_MULTIPATH = 2;
export const CHOICE_UNKNOWN = 3;
/** `numgen random`, and hashes whose key is the kernel's secret. */
export const CHOICE_NUMGEN = 4;
/** Where an IPVS scheduler stands, which a dump does not tell. */
export const CHOICE_IPVS = 5;
/** Where the turns of a proxy in user space stand. */
export const CHOICE_RELAY = 6;
/** Which bucket of a group Open vSwitch takes for a flow. */
export const CHOICE_OVS = 7;
/** Is the sequence number that a new connection begins with beyond where another one ended? */
export const CHOICE_SEQUENCE = 8;
export type ChoiceKind =
  | typeof CHOICE_STATISTIC
  | typeof CHOICE_MULTIPATH
  | typeof CHOICE_UNKNOWN
  | typeof CHOICE_NUMGEN
  | typeof CHOICE_IPVS
  | typeof CHOICE_RELAY
  | typeof CHOICE_OVS
  | typeof CHOICE_SEQUENCE;
