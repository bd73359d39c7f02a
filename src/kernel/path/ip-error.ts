import type { Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH } from "../errno.ts";
import {
  type IcmpError,
  NO_ROUTE as NO_ROUTE_ERROR,
  PROHIBITED,
  ROUTE_UNREACHABLE,
  tellSender,
} from "../icmp/error.ts";
import { errorRouteAllows } from "../icmp/error-rate.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";

/** Packets whose route says no. */

const NOT_FORWARDING = reason("not-forwarding");
const NO_ROUTE = reason("no-route");

interface Refusal {
  readonly reason: number;
  /** What the sender is told. */
  readonly told: IcmpError | null;
}

/** By what the route says (`rt->dst.error`). */
const REFUSALS: ReadonlyMap<number, Refusal> = new Map([
  [EINVAL, { reason: reason("blackhole-route"), told: null }],
  [EHOSTUNREACH, { reason: reason("unreachable-route"), told: ROUTE_UNREACHABLE }],
  [ENETUNREACH, { reason: NO_ROUTE, told: NO_ROUTE_ERROR }],
  [EACCES, { reason: reason("prohibit-route"), told: PROHIBITED }],
]);

/** `ip_error`, `ip6_pkt_drop`: the route said no. A host of IPv6 says so whether it forwards or not. */
export function ipError(stack: Stack, dev: NetDevice, packet: Packet): void {
  if (packet.family !== 6 && !dev.conf.forwarding) {
    stack.kill(packet, NOT_FORWARDING);
    return;
  }
  const told = REFUSALS.get(packet.rtError)?.told ?? null;
  if (told !== null && (packet.family === 6 || errorRouteAllows(stack, packet.src))) {
    stack.countedJustNow = packet.family !== 6;
    tellSender(stack, packet, told, 0);
    stack.countedJustNow = false;
  }
  endUntold(stack, packet);
}

/** The route said no, and nobody is told. */
export function endUntold(stack: Stack, packet: Packet): void {
  stack.kill(packet, REFUSALS.get(packet.rtError)?.reason ?? NO_ROUTE);
}
