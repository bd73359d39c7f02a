/** The columns a rule is compiled into, and what its flags and actions mean: shared by compiler, walk and index. */

// An address of IPv6 is its handle, under the mask of all bits; a shorter prefix is a test.
// The destination stands apart, two words a rule: it alone rules most rules out, and a walk then reads nothing else.
export const DST_STRIDE = 2;

// The other columns of one rule, in the order in which they are looked at.
export const STRIDE = 16;
export const C_FLAGS = 0;
/** A destination the rule must *not* have, looked at under F_INV_DST. */
export const C_NOT_DST = 1;
export const C_NOT_DST_MASK = 2;
export const C_PROTO = 3;
/** Lowest port | highest port << 16. */
export const C_DPORT = 4;
export const C_SRC = 5;
export const C_SRC_MASK = 6;
export const C_SPORT = 7;
export const C_IN = 8;
export const C_OUT = 9;
export const C_MARK = 10;
export const C_MARK_MASK = 11;
/** Index into `tests` | how many << 24, 0 for none. */
export const C_TESTS = 12;
export const C_ACTION = 13;
export const C_ARG = 14;
export const C_ARG2 = 15;

export const F_INV_DST = 1;
export const F_INV_SRC = 1 << 1;
export const F_INV_IN = 1 << 2;
export const F_INV_OUT = 1 << 3;
export const F_INV_PROTO = 1 << 4;
/** The ports are looked at: the packet must be unfragmented or a first fragment, and of the protocol. */
export const F_PORTS = 1 << 5;
export const F_INV_SPORT = 1 << 6;
export const F_INV_DPORT = 1 << 7;
export const F_MARK = 1 << 8;
export const F_INV_MARK = 1 << 9;
export const F_FRAGMENT = 1 << 10;
export const F_INV_FRAGMENT = 1 << 11;
/** Negations, marks and fragments: what few rules have. */
export const F_UNUSUAL = 0xfff & ~F_PORTS;
/** It asks for something of the header, the interfaces or the mark besides a destination: without it none of those columns is read. */
export const F_FIELDS = 1 << 12;
/** It asks for states of the connection (`--ctstate`), the bits of which stand in the flags' upper half. */
export const F_STATE = 1 << 13;
export const F_INV_STATE = 1 << 14;
export const STATE_SHIFT = 16;

export const A_CONTINUE = 0;
export const A_ACCEPT = 1;
export const A_DROP = 2;
export const A_RETURN = 3;
export const A_JUMP = 4;
export const A_GOTO = 5;
/** MARK --set-xmark: arg value, arg2 mask. */
export const A_MARK = 6;
/** `actions[arg]` decides. */
export const A_EXTENDED = 7;

/** All ports. */
export const ANY_PORT = 0xffff << 16;
