import { addressOnPath } from "../../address/ip6-handle.ts";
import {
  carriedLength,
  headerLength,
  IPPROTO_TCP,
  type Packet,
  TCP_CWR,
  TCP_ECE,
} from "../../packet/packet.ts";
import { bitsOf, blankTcpOptions, TCP_HEADER, TCPOPT_MSS } from "../../packet/tcp-options.ts";
import { dstMtu } from "../route/output-mtu.ts";
import { routeOutput } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";
import { duplicate } from "./duplicate.ts";
import { NF_DROP, type NfVerdict } from "./hook.ts";
import type { EcnTarget } from "./target/ecn.ts";
import type { TcpmssTarget } from "./target/tcpmss.ts";
import type { TcpoptstripTarget } from "./target/tcpoptstrip.ts";
import type { TeeTarget } from "./target/tee.ts";
import type { TargetAction } from "./target-action.ts";

/** Effects of targets that change headers, or send them elsewhere. Run per packet. */

const XT_CONTINUE = -1;
const MSS_BYTES = 4;
const LONGEST_TCP_HEADER = 60;

/** What a SYN without the option asks for (RFC 9293 3.7.1, RFC 8200 5). */
const USUAL_MSS = 536;
const USUAL_MSS6 = 1220;

/** `ecn_tg`: another header's bits are left alone. */
export function ecnAction({ ece, cwr, ipEct }: EcnTarget): TargetAction {
  return {
    apply: (_stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      if (ipEct !== null) packet.tos = (packet.tos & ~3) | ipEct;
      if (packet.protocol !== IPPROTO_TCP) return XT_CONTINUE;
      if (ece !== null) packet.tcpFlags = (packet.tcpFlags & ~TCP_ECE) | (ece === 0 ? 0 : TCP_ECE);
      if (cwr !== null) packet.tcpFlags = (packet.tcpFlags & ~TCP_CWR) | (cwr === 0 ? 0 : TCP_CWR);
      return XT_CONTINUE;
    },
  };
}

/** `tcpoptstrip_tg4`, `tcpoptstrip_tg6`: the bytes of an option become ones that say nothing. */
export function tcpoptstripAction({ options }: TcpoptstripTarget): TargetAction {
  const stripsMss = options.includes(TCPOPT_MSS);
  const others = bitsOf(options);
  return {
    apply: (_stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      if (packet.fragOffset !== 0) return XT_CONTINUE;
      if (stripsMss) packet.mss = 0;
      blankTcpOptions(packet, others);
      return XT_CONTINUE;
    },
  };
}

/** `tcpmss_tg4`, `tcpmss_tg6`. */
export function tcpmssAction({ mss }: TcpmssTarget): TargetAction {
  return {
    apply: (stack: Stack, packet: Packet): NfVerdict | typeof XT_CONTINUE => {
      const size = mss === "clamp" ? clampedMss(stack, packet) : mss;
      if (size <= 0) return NF_DROP;
      limitMss(packet, size);
      return XT_CONTINUE;
    },
  };
}

/** What fits into the narrower of the packet's own way and the way back (`tcpmss_reverse_mtu`); not above 0: nothing. */
export function clampedMss(stack: Stack, packet: Packet): number {
  const out = stack.net.devices[packet.rtDev];
  const mtu = out === undefined ? 0xffff : dstMtu(packet, out);
  return Math.min(mtu, reverseMtu(stack, packet)) - headerLength(packet) - TCP_HEADER;
}

function reverseMtu(stack: Stack, packet: Packet): number {
  const back = stack.pool.take();
  back.family = packet.family;
  back.dst = packet.src;
  const found = routeOutput(stack, back, 0, true) === 0 ? stack.net.devices[back.rtDev] : undefined;
  const mtu = found === undefined ? Number.POSITIVE_INFINITY : dstMtu(back, found);
  stack.pool.release(back);
  return mtu;
}

/** `tcpmss_mangle_packet`: never more than was asked for; a SYN that asks for nothing gets the option. */
function limitMss(packet: Packet, size: number): void {
  if (packet.fragOffset !== 0) return;
  if (packet.mss !== 0) {
    packet.mss = Math.min(packet.mss, size);
    return;
  }
  if (packet.payload > 0 || carriedLength(packet) >= LONGEST_TCP_HEADER) return;
  packet.mss = Math.min(size, packet.family === 6 ? USUAL_MSS6 : USUAL_MSS);
  packet.length += MSS_BYTES;
}

/** `tee_tg4`, `tee_tg6`: a copy goes out by way of a neighbour. */
export function teeAction({ gateway, oif }: TeeTarget): TargetAction {
  const to = addressOnPath(gateway);
  return {
    apply: (stack: Stack, packet: Packet, hook: number): typeof XT_CONTINUE => {
      // A device that is not there is asked for by nobody (`nf_dup_ipv4_route`): the route alone decides.
      const device = oif === null ? 0 : (stack.net.deviceNamed(oif)?.ifindex ?? 0);
      duplicate(stack, packet, hook, to, device);
      return XT_CONTINUE;
    },
  };
}
