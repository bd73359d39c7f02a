/** `IP_VS_CONN_F_*` (include/uapi/linux/ip_vs.h): the forwarding method, and what else is to be known of a connection. */
export const FORWARD_MASQ = 0x0000;
export const FORWARD_TUNNEL = 0x0002;
export const FORWARD_GATE = 0x0003;
/** A GUE or GRE tunnel, which has no number of its own in the kernel and is not modelled here. */
export const FORWARD_OTHER_TUNNEL = 0x0004;
export const FORWARD_MASK = 0x0007;

/** The server's answers do not come by here. */
export const CONN_NO_OUTPUT = 0x0010;
/** Counted among the server's inactive connections. */
export const CONN_INACTIVE = 0x0100;
/** Of one datagram, in no table. */
export const CONN_ONE_PACKET = 0x2000;
/** A persistent client's template, no connection. */
export const CONN_TEMPLATE = 0x1000;
/** Keeps its conntrack entry (`net.ipv4.vs.conntrack` was on when it began). */
export const CONN_NFCT = 0x10000;
