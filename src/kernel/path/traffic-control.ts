import type { Packet } from "../../packet/packet.ts";
import { CT_NONE } from "../conntrack/status.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { OP_TC } from "../tape.ts";
import type { CompiledTcFilter, TcAction, TcControl } from "../tc/compile-filter.ts";

/** Filters of traffic control at a device's ingress and egress (`tcf_classify`, net/sched/act_mirred.c). */

const TC_DROP = reason("tc-drop");
const DEVICE_DOWN = reason("device-down");
const MIRRED_LOOP = reason("mirred-loop");
/** So many redirections may lie within one another (net/sched/act_mirred.c). */
const MIRRED_NEST_LIMIT = 4;

/** What the tape says of a packet that a filter took: it went on, was dropped, redirected, copied. */
const TAPE: Readonly<Record<"pass" | "drop" | "redirect" | "mirror", number>> = {
  pass: 0,
  drop: 1,
  redirect: 2,
  mirror: 3,
};

/**
 * `sch_handle_ingress`, `sch_handle_egress`: the first filter that matches decides.
 *
 * @param cameIn at the device's ingress
 * @returns `pass`: the packet goes on and is still the caller's; otherwise it is gone: elsewhere, or dropped
 */
export function tcFilters(
  stack: Stack,
  dev: NetDevice,
  filters: readonly CompiledTcFilter[],
  packet: Packet,
  cameIn: boolean,
): "pass" | "stolen" | "drop" {
  for (let i = 0; i < filters.length; i++) {
    const filter = filters[i] as CompiledTcFilter;
    if (filter.ethType !== 0 && filter.ethType !== packet.ethType) continue;
    if (filter.test === null) {
      stack.engine.unmodelled.add(`the filter at ${filter.name}, taken not to match`);
      continue;
    }
    if (!filter.test(packet)) continue;
    const control = act(stack, dev, filter, packet, cameIn);
    if (control === "continue") continue;
    if (control === "stolen") return control;
    if (control === "dead") return "drop";
    if (control === "drop") {
      note(stack, filter, packet, TAPE.drop, 0);
      stack.kill(packet, TC_DROP);
      return control;
    }
    if (filter.actions.length > 0) note(stack, filter, packet, TAPE.pass, 0);
    return "pass";
  }
  return "pass";
}

/** Its actions in turn, until one does not hand on (`tcf_action_exec`). */
function act(
  stack: Stack,
  dev: NetDevice,
  filter: CompiledTcFilter,
  packet: Packet,
  cameIn: boolean,
): TcControl | "dead" {
  let control: TcControl = "pass";
  for (const action of filter.actions) {
    control = action.control;
    if (action.kind === "unmodelled") {
      stack.engine.unmodelled.add(`the action "${action.text}" at ${filter.name}`);
    } else if (action.kind === "mirred") {
      const taken = mirred(stack, dev, filter, action, packet, cameIn);
      if (taken !== null) return taken;
    } else if (control === "other") {
      stack.engine.unmodelled.add(`what the filter at ${filter.name} does`);
      return "pass";
    }
    if (control !== "pipe") return control;
  }
  return control;
}

/** `tcf_mirred_to_dev`. @returns `stolen`: the packet itself went there; `dead`: it would have, but the device is down; null: it stays */
function mirred(
  stack: Stack,
  dev: NetDevice,
  filter: CompiledTcFilter,
  action: Extract<TcAction, { kind: "mirred" }>,
  packet: Packet,
  cameIn: boolean,
): "stolen" | "dead" | null {
  const target = stack.net.deviceNamed(action.dev);
  const sent = action.redirect ? packet : stack.pool.clone(packet);
  note(stack, filter, packet, action.redirect ? TAPE.redirect : TAPE.mirror, target?.ifindex ?? 0);
  if (target === null || !target.up) {
    stack.kill(sent, DEVICE_DOWN);
    return action.redirect ? "dead" : null;
  }
  // "All mirred/redirected skbs should clear previous ct info"; what left comes in without its way.
  sent.ct = CT_NONE;
  sent.ctInfo = 0;
  if (action.comesIn && !cameIn) sent.dropRoute();
  if (action.redirect) {
    sent.tcDev = dev.ifindex;
    sent.tcCameIn = cameIn;
  }
  if (action.comesIn) stack.outbox.raise(stack, target, sent);
  else if (stack.mirredNest >= MIRRED_NEST_LIMIT) stack.kill(sent, MIRRED_LOOP);
  else {
    stack.mirredNest++;
    stack.path.transmit(stack, target, sent);
    stack.mirredNest--;
  }
  return action.redirect ? "stolen" : null;
}

function note(
  { tape, host }: Stack,
  { index }: CompiledTcFilter,
  packet: Packet,
  what: number,
  to: number,
): void {
  tape?.words8(OP_TC, host, packet.number, index, what, to, 0, 0, 0);
}

/**
 * `ifb_xmit` and `ifb_ri_tasklet`: what was redirected here goes on where it was taken from, past the filters there.
 *
 * @returns false: it was not redirected, and is the caller's to drop
 */
export function ifbTransmit(stack: Stack, packet: Packet): boolean {
  const { tcDev, tcCameIn } = packet;
  const from = tcDev === 0 ? null : stack.device(tcDev);
  if (from === null) return false;
  packet.tcDev = 0;
  if (tcCameIn) stack.path.receiveClassified(stack, from, packet);
  else stack.path.transmitClassified(stack, from, packet);
  return true;
}
