/**
 * The code of a table narrowed to a destination (`narrow.ts` writes it, `run-narrowed.ts` runs it): steps, each of them a word that
 * holds its kind and how many rules more have been evaluated when it is come to, then its operands. A step that asks goes on behind
 * itself if what it asks holds, and at the place it calls `else` if not. Places count from the beginning of the code.
 */

/** Bits of a step's first word that say its kind; above them stands the count. */
export const KIND_BITS = 5;

/** Only counts. */
export const S_PASS = 0;
/** The source under a mask is a value, or is not: value, mask, else. */
export const S_SRC = 1;
export const S_NOT_SRC = 2;
/** The source is this one: value, where to go on *if it is*. What few packets meet lies apart. */
export const S_SRC_IS = 3;
/** The mark under a mask is a value, or with `not` 1 is not: value, mask, not, else. */
export const S_MARK = 4;
/** The source port lies in a range: lowest | highest << 16, not, else. */
export const S_SPORT = 5;
/** The name of an interface: name, not, else. */
export const S_IN = 6;
export const S_OUT = 7;
/** The connection has one of the states: bits, not, else. */
export const S_STATE = 8;
/** A match: place among the tests, else. Of a rule's last it is asked besides whether one drops the packet by itself. */
export const S_TEST = 9;
export const S_LAST_TEST = 19;
/** For the tape: all of a rule holds: slot of its chain, its index. */
export const S_RULE = 10;
/** MARK --set-xmark: value, mask. */
export const S_SET_MARK = 11;
/** DNAT to one address and port: address, port. */
export const S_DNAT = 12;
/** Another target: place among the actions, where to go on when it leaves the chain. */
export const S_ACTION = 13;
export const S_ACCEPT = 14;
export const S_DROP = 15;
/** Go on elsewhere: place. */
export const S_GO = 16;
/** For the tape: a user chain ended: slot, its number of rules. */
export const S_CHAIN_END = 17;
/** The built-in chain ended: slot, its number of rules, the policy (`POLICY_ACCEPT`, `POLICY_DROP`). */
export const S_POLICY = 18;
/** It happens by chance (`statistic`): threshold of 2³¹, else. */
export const S_CHANCE = 20;
