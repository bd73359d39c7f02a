import {
  IPPROTO_SCTP,
  IPPROTO_TCP,
  isIcmp,
  type Packet,
  protocolKey,
  RT_NONE,
  TCP_RST,
} from "../../packet/packet.ts";
import { SCTP_ABORT } from "../../packet/sctp-chunk.ts";
import { NF_NAT_MANIP_SRC } from "../nat/manip.ts";
import { rewrite } from "../nat/manip-packet.ts";
import { NF_ACCEPT, NF_DROP, NF_INET_LOCAL_IN, NF_STOLEN, type NfVerdict } from "../netfilter/hook.ts";
import { gatherFragments } from "../path/reassembly.ts";
import { reason } from "../reason.ts";
import { routeMeHarder } from "../route/output-route.ts";
import { RTN_LOCAL } from "../route/types.ts";
import type { Stack } from "../stack.ts";
import { CONN_NFCT, FORWARD_MASK, FORWARD_MASQ } from "./connection-flags.ts";
import { advanceState } from "./connection-state.ts";
import { NO_CONNECTION } from "./connection-table.ts";
import { isBalanced, isTranslatedError, tellPortUnreachable } from "./packet-in.ts";
import { untrack, updateConntrack } from "./transmit.ts";

const NO_ROUTE = reason("no-route");
const NO_CONNECTION_LEFT = reason("ipvs-no-connection");

/**
 * `ip_vs_out_hook`, at LOCAL_IN, LOCAL_OUT and FORWARD: a real server's answer gets the virtual address for its source; that
 * of one who has the address himself stays as it is.
 * Runs per packet.
 */
export function ipvsOut(stack: Stack, packet: Packet): NfVerdict {
  // What br_netfilter brings has a route it lends it.
  if (packet.ipvsProperty || (packet.rtInput === RT_NONE && !packet.nfBridge)) return NF_ACCEPT;
  const { protocol, family } = packet;
  if (family === 4 && (isIcmp(packet) || isBalanced(protocol)) && !gatherFragments(stack, packet))
    return NF_STOLEN;
  if (isIcmp(packet)) {
    return isTranslatedError(packet) ? errorOut(stack, packet) : NF_ACCEPT;
  }
  if (!isBalanced(protocol)) return NF_ACCEPT;
  const state = stack.ipvs;
  const { connections } = state;
  state.expire(stack.now);
  const cp = connections.findOut(protocolKey(packet), packet.dst, packet.dport, packet.src, packet.sport);
  if (cp === NO_CONNECTION) return withoutConnection(stack, packet);
  if ((connections.flags(cp) & FORWARD_MASK) === FORWARD_MASQ) {
    rewrite(stack, packet, packet, NF_NAT_MANIP_SRC, connections.vaddr(cp), connections.vport(cp), false);
    if (!reroute(stack, packet)) {
      state.put(cp, stack.now);
      stack.kill(packet, NO_ROUTE);
      return NF_STOLEN;
    }
  }
  advanceState(stack, cp, packet, true);
  leave(stack, cp, packet);
  state.put(cp, stack.now);
  return NF_ACCEPT;
}

/** `net.ipv4.vs.nat_icmp_send`: a server whose connection is no more is told so. */
function withoutConnection(stack: Stack, packet: Packet): NfVerdict {
  if (!stack.ipvsSettings.natIcmpSend) return NF_ACCEPT;
  const { protocol } = packet;
  if (protocol === IPPROTO_TCP && (packet.tcpFlags & TCP_RST) !== 0) return NF_ACCEPT;
  if (protocol === IPPROTO_SCTP && packet.chunk === SCTP_ABORT) return NF_ACCEPT;
  if (stack.net.ipvs?.hasRealServer(protocolKey(packet), packet.src, packet.sport) !== true) return NF_ACCEPT;
  tellPortUnreachable(stack, packet);
  stack.drop(packet, NO_CONNECTION_LEFT);
  return NF_DROP;
}

/** `ip_vs_out_icmp`, `ip_vs_out_icmp_v6` and `handle_response_icmp`: an error about a client's packet, on its way to the client. */
function errorOut(stack: Stack, packet: Packet): NfVerdict {
  const quoted = packet.inner;
  if (quoted === null || !isBalanced(quoted.protocol)) return NF_ACCEPT;
  const { connections } = stack.ipvs;
  stack.ipvs.expire(stack.now);
  const cp = connections.findOut(protocolKey(quoted), quoted.src, quoted.sport, quoted.dst, quoted.dport);
  if (cp === NO_CONNECTION) return NF_ACCEPT;
  if ((connections.flags(cp) & FORWARD_MASK) === FORWARD_MASQ) {
    const virtual = connections.vaddr(cp);
    packet.src = virtual;
    quoted.dst = virtual;
    quoted.dport = connections.vport(cp);
    if (!reroute(stack, packet)) {
      stack.drop(packet, NO_ROUTE);
      return NF_DROP;
    }
  }
  leave(stack, cp, packet);
  return NF_ACCEPT;
}

/** `ip_vs_route_me_harder`: an answer goes the way its new source goes, but one for this host stays. */
function reroute(stack: Stack, packet: Packet): boolean {
  if (!stack.ipvsSettings.snatReroute || stack.hook === NF_INET_LOCAL_IN || packet.rtType === RTN_LOCAL)
    return true;
  return routeMeHarder(stack, packet, true) === 0;
}

function leave(stack: Stack, cp: number, packet: Packet): void {
  packet.ipvsProperty = true;
  if ((stack.ipvs.connections.flags(cp) & CONN_NFCT) === 0) untrack(packet);
  else updateConntrack(stack, cp, packet, false);
}
