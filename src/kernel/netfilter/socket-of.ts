import {
  ICMP_DEST_UNREACH,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  IPPROTO_TCP,
  IPPROTO_UDP,
  isIcmp,
  type Packet,
} from "../../packet/packet.ts";
import { IP_CT_ESTABLISHED_REPLY, IP_CT_RELATED_REPLY, IPS_SRC_NAT_DONE } from "../conntrack/status.ts";
import type { FoundSocket } from "../outbox.ts";
import type { RuleContext } from "./rule-context.ts";

/** `ICMP_SOURCE_QUENCH` */
const SOURCE_QUENCH = 4;

/**
 * `nf_sk_lookup_slow_v4`, `nf_sk_lookup_slow_v6`: the socket that a packet, or an error about one of its own, would come to; of an
 * answer to what was source-translated here, by the address before that. Runs per packet.
 */
export function findSocketOf(packet: Packet, context: RuleContext): FoundSocket | null {
  const quoted = isIcmp(packet) && isError(packet) ? packet.inner : null;
  const subject = quoted ?? packet;
  const { protocol, family } = subject;
  if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return null;
  const own = quoted === null;
  let local = own ? subject.dst : subject.src;
  let localPort = own ? subject.dport : subject.sport;
  const { ct, ctInfo } = packet;
  const { conntrack } = context;
  // IPv4 alone.
  const isReply = ctInfo === (own ? IP_CT_ESTABLISHED_REPLY : IP_CT_RELATED_REPLY);
  if (family !== 6 && ct >= 0 && isReply && (conntrack.status(ct) & IPS_SRC_NAT_DONE) !== 0) {
    local = conntrack.origSrc(ct);
    localPort = conntrack.origSport(ct);
  }
  return context.findSocket({
    proto: protocol === IPPROTO_TCP ? "tcp" : "udp",
    family,
    local,
    localPort,
    peer: own ? subject.src : subject.dst,
    peerPort: own ? subject.sport : subject.dport,
    dev: context.inIf,
  });
}

/** `icmpv6_err_ok`'s are all below 128. */
function isError({ family, icmpType }: Packet): boolean {
  if (family === 6) return icmpType < 128;
  return (
    icmpType === ICMP_DEST_UNREACH ||
    icmpType === SOURCE_QUENCH ||
    icmpType === ICMP_REDIRECT ||
    icmpType === ICMP_TIME_EXCEEDED ||
    icmpType === ICMP_PARAMETERPROB
  );
}
