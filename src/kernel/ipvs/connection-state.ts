import { IPPROTO_TCP, IPPROTO_UDP, type Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import type { CompiledIpvs } from "./compiled-service.ts";
import { CONN_INACTIVE, CONN_NO_OUTPUT } from "./connection-flags.ts";
import {
  DIRECTION_INPUT,
  DIRECTION_INPUT_ONLY,
  DIRECTION_OUTPUT,
  isActiveState,
  nextTcpState,
  TCP_ESTABLISHED,
  tcpTimeout,
} from "./tcp-state.ts";

/** `sctp_timeouts` of an association that goes on. */
const SCTP_MS = 900_000;

/** `ip_vs_set_state`: what a packet says of its connection's state and time. SCTP's states are not followed. */
export function advanceState(stack: Stack, cp: number, packet: Packet, output: boolean): void {
  const { connections, destinations } = stack.ipvs;
  const compiled = stack.net.ipvs as CompiledIpvs;
  if (packet.protocol !== IPPROTO_TCP) {
    connections.setTimeout(cp, packet.protocol === IPPROTO_UDP ? compiled.udpMs : SCTP_MS);
    if (output) stack.ipvs.assure(cp);
    return;
  }
  let flags = connections.flags(cp);
  let direction = output ? DIRECTION_OUTPUT : DIRECTION_INPUT;
  if ((flags & CONN_NO_OUTPUT) !== 0) {
    if (output) flags &= ~CONN_NO_OUTPUT;
    else direction = DIRECTION_INPUT_ONLY;
  }
  const old = connections.state(cp);
  const next = nextTcpState(direction, packet.tcpFlags, old);
  if (next !== old) {
    const active = isActiveState(next);
    if (active === ((flags & CONN_INACTIVE) !== 0)) {
      destinations.activate(connections.dest(cp), active);
      flags ^= CONN_INACTIVE;
    }
    connections.setState(cp, next);
    if (next === TCP_ESTABLISHED) stack.ipvs.assure(cp);
  }
  connections.setFlags(cp, flags);
  connections.setTimeout(cp, tcpTimeout(next, compiled.tcpMs, compiled.tcpFinMs));
}
