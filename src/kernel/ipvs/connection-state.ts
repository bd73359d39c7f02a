import { IPPROTO_SCTP, IPPROTO_TCP, type Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import type { CompiledIpvs } from "./compiled-service.ts";
import { CONN_INACTIVE, CONN_NO_OUTPUT } from "./connection-flags.ts";
import { nextSctpState, SCTP_ESTABLISHED, sctpTimeout } from "./sctp-state.ts";
import {
  DIRECTION_INPUT,
  DIRECTION_INPUT_ONLY,
  DIRECTION_OUTPUT,
  isActiveState,
  nextTcpState,
  TCP_ESTABLISHED,
  tcpTimeout,
} from "./tcp-state.ts";

/** `ip_vs_set_state`: what a packet says of its connection's state and time. */
export function advanceState(stack: Stack, cp: number, packet: Packet, output: boolean): void {
  const { connections } = stack.ipvs;
  const compiled = stack.net.ipvs as CompiledIpvs;
  const { protocol } = packet;
  if (protocol === IPPROTO_TCP) {
    const next = nextTcpState(directionOf(stack, cp, output), packet.tcpFlags, connections.state(cp));
    enter(stack, cp, next, isActiveState(next), next === TCP_ESTABLISHED);
    connections.setTimeout(cp, tcpTimeout(next, compiled.tcpMs, compiled.tcpFinMs));
  } else if (protocol === IPPROTO_SCTP) {
    const next = nextSctpState(directionOf(stack, cp, output), packet.chunk, connections.state(cp));
    const established = next === SCTP_ESTABLISHED;
    enter(stack, cp, next, established, established);
    connections.setTimeout(cp, sctpTimeout(next));
  } else {
    connections.setTimeout(cp, compiled.udpMs);
    if (output) stack.ipvs.assure(cp);
  }
}

/** Which way a packet goes; a server whose answers come by here after all is known by the first. */
function directionOf({ ipvs: { connections } }: Stack, cp: number, output: boolean): number {
  const flags = connections.flags(cp);
  if ((flags & CONN_NO_OUTPUT) === 0) return output ? DIRECTION_OUTPUT : DIRECTION_INPUT;
  if (!output) return DIRECTION_INPUT_ONLY;
  connections.setFlags(cp, flags & ~CONN_NO_OUTPUT);
  return DIRECTION_OUTPUT;
}

function enter({ ipvs }: Stack, cp: number, next: number, active: boolean, established: boolean): void {
  const { connections, destinations } = ipvs;
  if (next === connections.state(cp)) return;
  const flags = connections.flags(cp);
  if (active === ((flags & CONN_INACTIVE) !== 0)) {
    destinations.activate(connections.dest(cp), active);
    connections.setFlags(cp, flags ^ CONN_INACTIVE);
  }
  connections.setState(cp, next);
  if (established) ipvs.assure(cp);
}
