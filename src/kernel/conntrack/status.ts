/** `enum ip_conntrack_info` and `enum ip_conntrack_status` (include/uapi/linux/netfilter/nf_conntrack_common.h). */
export const IP_CT_ESTABLISHED = 0;
export const IP_CT_RELATED = 1;
export const IP_CT_NEW = 2;
export const IP_CT_ESTABLISHED_REPLY = 3;
export const IP_CT_RELATED_REPLY = 4;

export const IP_CT_DIR_ORIGINAL = 0;
export const IP_CT_DIR_REPLY = 1;

/** `CTINFO2DIR`. */
export function ctInfoDirection(ctInfo: number): 0 | 1 {
  return ctInfo >= IP_CT_ESTABLISHED_REPLY ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL;
}

/** No entry attached: the packet is INVALID to `-m conntrack`, or conntrack is not active. */
export const CT_NONE = -1;
/** An error or reset about a packet that is untracked: NOTRACK passes it by, and conntrack looks at it as at any other. */
export const CT_OF_UNTRACKED = -3;
/** Marked by NOTRACK: the packet is UNTRACKED. */
export const CT_UNTRACKED = -2;

export const IPS_EXPECTED = 1 << 0;
export const IPS_SEEN_REPLY = 1 << 1;
export const IPS_ASSURED = 1 << 2;
export const IPS_CONFIRMED = 1 << 3;
export const IPS_SRC_NAT = 1 << 4;
export const IPS_DST_NAT = 1 << 5;
export const IPS_NAT_MASK = IPS_SRC_NAT | IPS_DST_NAT;
export const IPS_SRC_NAT_DONE = 1 << 7;
export const IPS_DST_NAT_DONE = 1 << 8;
export const IPS_NAT_DONE_MASK = IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE;
export const IPS_DYING = 1 << 9;

/**
 * Of a connection that SYNPROXY began towards its server (`nf_conn_synproxy`, which the kernel keeps apart): that it is one, the
 * number that the proxy began with towards the client, three bits, and that both sides' numbers are known (`IPS_SEQ_ADJUST`).
 */
export const IPS_SYNPROXY = 1 << 16;
export const IPS_SYNPROXY_ISN = 1 << 17;
export const IPS_SEQ_ADJUST = 1 << 20;

/** Its times are a rule's (`nf_conn_timeout`), not the host's. */
export const IPS_TIMEOUT_POLICY = 1 << 21;
