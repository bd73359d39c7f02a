import * as HOOK from "../netfilter/hook.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { NF_INET_LOCAL_IN, NF_INET_POST_ROUTING } = HOOK;

/** Which end of a connection a translation sets (`enum nf_nat_manip_type`). */
export const NF_NAT_MANIP_SRC = 0;
export const NF_NAT_MANIP_DST = 1;
export type Manip = typeof NF_NAT_MANIP_SRC | typeof NF_NAT_MANIP_DST;

/** `HOOK2MANIP`. */
export function hookManip(hook: number): Manip {
  return hook === NF_INET_POST_ROUTING || hook === NF_INET_LOCAL_IN ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST;
}
