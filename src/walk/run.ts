import type { Chooser } from "../kernel/chooser.ts";
import type { NetDevice } from "../kernel/device/net-device.ts";
import { emit } from "../kernel/emit.ts";
import { ipvlanRoutedOut } from "../kernel/path/ipvlan.ts";
import { netifReceive, receiveFrame, receiveLooped } from "../kernel/path/receive.ts";
import { reason } from "../kernel/reason.ts";
import { routeOutput } from "../kernel/route/output-route.ts";
import type { Stack } from "../kernel/stack.ts";
import type { Tape } from "../kernel/tape.ts";
import * as PACKET from "../packet/packet.ts";
import * as AGENDA from "./agenda.ts";
import { ofFamily } from "./client-packet.ts";
import { Conversation } from "./conversation.ts";
import { OutsideEnd } from "./outside-end.ts";
import type { Query } from "./query.ts";
import type { Session } from "./session.ts";
import { fromTun } from "./tun-daemon.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { PHASE_REQUEST } = PACKET;
const { FROM_WIRE_SAME_HOST, LOOPED, LOWERED, LOWERED_ROUTED, RAISED, READ_FROM_TUN } = AGENDA;

const NO_NEIGHBOUR = reason("no-neighbour");

/** How long a client waits for an answer, and how long while an address question is open (milliseconds). */
export const PATIENCE_MS = 350;
const PATIENCE_ASKING_MS = 3600;
/** How long it waits for an answer to what it says on a held connection. */
const PATIENCE_AGAIN_MS = 700;

/** Frames a walk may put on wires before it is called a loop. */
export const FRAMES_AT_MOST = 20_000;

/** One walk of a query, as it came out under one chooser. */
export interface Run {
  readonly conversation: Conversation;
  /** The budget of frames was spent. */
  readonly looped: boolean;
  readonly rulesEvaluated: number;
  readonly routeLookups: number;
  /** Virtual instants, milliseconds: (tape length, time) pairs, to tell when a record was written. */
  readonly times: readonly { readonly at: number; readonly tape: number }[];
}

/**
 * `walk`: one loop over the agenda. Frames first in, first out; when none is left, the next timer, until the client has its
 * answer or its patience ends. The session keeps what the packets left behind.
 *
 * @param held the client says more on the connection of this earlier query
 */
export function walk(
  session: Session,
  query: Query,
  chooser: Chooser,
  tape: Tape | null,
  held: Conversation | null = null,
): Run {
  const { engine, outbox, clock } = session;
  const host = session.network.hostNumber(query.host);
  const stack = session.stack(host);
  engine.chooser = chooser;
  engine.tape = tape;
  engine.rulesEvaluated = 0;
  engine.routeLookups = 0;
  session.begin();
  const begun = clock.now;
  const times: { at: number; tape: number }[] = [{ at: 0, tape: 0 }];
  const conversation = held === null ? new Conversation(query, stack) : goOn(session, held);
  outbox.upcalls = conversation;
  outbox.intercept = null;
  if (held === null && query.arrives)
    arrive(session, new OutsideEnd(conversation, stack, query), stack, query);
  else {
    const send = () => (held === null ? conversation.begin() : conversation.again());
    outbox.asProcess(send, () => drain(session));
  }

  const unasked = held === null ? PATIENCE_MS : PATIENCE_AGAIN_MS;
  let looped = !drain(session);
  // Who was let in by a proxy may still hear that nobody is behind it.
  const isOver = () =>
    conversation.result !== null &&
    !(query.listens && conversation.result === "sent") &&
    !(conversation.result === "connected" && outbox.openQuestions > 0);
  while (!looped && !isOver()) {
    const timer = session.agenda.timers.peek();
    const waits = outbox.openQuestions > 0 || conversation.toldEarly;
    const patience = query.patience ?? (waits ? PATIENCE_ASKING_MS : unasked);
    if (timer === undefined || timer.at - begun > patience) {
      session.advanceTo(begun + patience);
      break;
    }
    session.advanceTo(timer.at);
    times.push({ at: timer.at - begun, tape: tape?.length ?? 0 });
    // Everything due at this instant happens before the client looks again.
    while (session.agenda.timers.peek()?.at === timer.at) {
      session.agenda.timers.pop()?.fire();
      looped = !drain(session);
      if (looped) break;
    }
  }
  if (conversation.result === "sent") endWaiting(session);
  // Whoever still waits for pieces of a datagram waits in vain.
  if (!looped) for (const each of session.touched()) each.state.reassembly.tell(each);
  const run = {
    conversation,
    looped,
    rulesEvaluated: engine.rulesEvaluated,
    routeLookups: engine.routeLookups,
    times,
  };
  engine.tape = null;
  return run;
}

/** An earlier query's conversation, to go on with on the hosts as they are now. */
function goOn(session: Session, held: Conversation): Conversation {
  return held.fork((name) => session.stack(session.network.hostNumber(name)));
}

/** End a held connection without writing it down. */
export function closeHeld(session: Session, held: Conversation, close: "reset" | "fin"): void {
  const { outbox, engine } = session;
  engine.tape = null;
  outbox.begin();
  const conversation = goOn(session, held);
  outbox.upcalls = conversation;
  outbox.intercept = null;
  endConnection(session, conversation, close);
  session.settle();
}

/** Who sends a hand-made packet waits for nothing: what now waits for a neighbour ends there, since nobody has answered. */
function endWaiting(session: Session): void {
  for (const stack of session.touched()) {
    for (const { queue } of stack.state.resolving.values()) {
      for (const packet of queue) stack.drop(packet, NO_NEIGHBOUR);
    }
  }
}

/** Close a walk's connection without writing it down, and give up what still waits. */
export function finish(session: Session, run: Run, close: "reset" | "fin" | "open"): void {
  if (close !== "open" && !run.looped) {
    session.engine.tape = null;
    endConnection(session, run.conversation, close);
  }
  session.settle();
  session.outbox.intercept = null;
}

/** The server's reset arrives, where it does, before the client's own socket is closed. */
function endConnection(session: Session, conversation: Conversation, close: "reset" | "fin"): void {
  session.letAJiffyPass();
  conversation.close(close);
  drain(session);
  if (close === "fin") return;
  conversation.close(close);
  drain(session);
}

/** Run the agenda until no frame is under way. False: the budget was spent. */
export function drain(session: Session): boolean {
  const { agenda, outbox } = session;
  while (!agenda.empty) {
    const { stack, device, packet, way } = agenda;
    agenda.shift();
    if (outbox.frames > FRAMES_AT_MOST) {
      session.pool.release(packet);
      return false;
    }
    switch (way) {
      case LOOPED:
        receiveLooped(stack, device, packet);
        break;
      case RAISED:
        netifReceive(stack, device, packet);
        break;
      case LOWERED:
        stack.path.transmit(stack, device, packet);
        break;
      case READ_FROM_TUN:
        fromTun(stack, device, packet);
        break;
      case LOWERED_ROUTED:
        ipvlanRoutedOut(stack, device, packet);
        break;
      default:
        receiveFrame(stack, device, packet, way !== FROM_WIRE_SAME_HOST);
    }
  }
  return true;
}

/** A packet from outside the model comes in by a device of a host. */
function arrive(session: Session, sender: OutsideEnd, stack: Stack, query: Query): void {
  session.outbox.intercept = sender.intercept;
  const device = entryDevice(session, stack, query);
  const packet = session.pool.take();
  emit(stack, packet, PHASE_REQUEST, 0);
  sender.fill(packet);
  packet.framed = true;
  packet.ethDst = device.mac;
  receiveFrame(stack, device, packet, true);
}

/** The device named, or the one the host would answer the source by. */
function entryDevice(session: Session, stack: Stack, query: Query): NetDevice {
  if (query.arrivesBy !== null) {
    const named = stack.net.deviceNamed(query.arrivesBy);
    if (named !== null) return named;
  }
  const probe = session.pool.take();
  ofFamily(probe, query.family);
  probe.dst = query.src ?? 0;
  const error = routeOutput(stack, probe, 0, true);
  const slot = probe.rtDev;
  session.pool.release(probe);
  const routed = error === 0 ? stack.net.devices[slot] : undefined;
  if (routed !== undefined && !routed.isLoopback) return routed;
  return (stack.net.devices.find((d) => !d.isLoopback && d.master === null && d.up) ??
    stack.net.devices[0]) as NetDevice;
}
