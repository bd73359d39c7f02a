import { ETH_P_IP, ETH_P_IPV6, type Packet } from "../../packet/packet.ts";

/** Congestion marks at the ends of a tunnel (include/net/inet_ecn.h, RFC 6040). Runs per packet. */

const ECN_MASK = 0x03;
const ECT_1 = 0x01;
const ECT_0 = 0x02;
const CE = 0x03;

/** `INET_ECN_encapsulate`: the outer TOS, with the inner packet's congestion bits; a mark it bears already stays inside. */
export function encapsulatedTos(outer: number, inner: number): number {
  const ecn = inner & ECN_MASK;
  return (outer & ~ECN_MASK) | (ecn === CE ? ECT_0 : ecn);
}

/** `ip_tunnel_get_dsfield`: the TOS or traffic class of what goes into a tunnel; 0 of what is no IP. */
export function innerTos({ ethType, tos }: Packet): number {
  return ethType === ETH_P_IP || ethType === ETH_P_IPV6 ? tos : 0;
}

/**
 * `IP_ECN_decapsulate`, `IP6_ECN_decapsulate`: what happened to the outer packet on its way is told of the inner one.
 *
 * @param outer the outer packet's TOS
 * @returns false when the packet is to be dropped: it was marked on its way, and its ends know nothing of marks
 */
export function decapsulateEcn(outer: number, inner: Packet): boolean {
  if (inner.ethType !== ETH_P_IP && inner.ethType !== ETH_P_IPV6) return true;
  const mark = outer & ECN_MASK;
  const own = inner.tos & ECN_MASK;
  if (own === 0) return mark !== CE;
  if (mark === CE) inner.tos |= CE;
  // `INET_ECN_set_ect1`: of ECT(0) alone
  else if (mark === ECT_1 && own === ECT_0) inner.tos = (inner.tos & ~ECN_MASK) | ECT_1;
  return true;
}
