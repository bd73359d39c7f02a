import type { NetDevice } from "../kernel/device/net-device.ts";
import type { Outbox, Upcalls } from "../kernel/outbox.ts";
import { reason } from "../kernel/reason.ts";
import type { Stack } from "../kernel/stack.ts";
import type { Packet } from "../packet/packet.ts";
import * as PACKET from "../packet/packet.ts";
import * as AGENDA from "./agenda.ts";
import type { Session } from "./session.ts";
import { toTun } from "./tun-daemon.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { FIRST_DISCOVERY_NUMBER } = PACKET;
const { FROM_WIRE, FROM_WIRE_SAME_HOST, LOOPED, LOWERED, LOWERED_ROUTED, RAISED, READ_FROM_TUN } = AGENDA;

const LEFT_MODEL = reason("left-model");

/** Nobody listens: packets in throughput mode end at a socket or with an error, and nothing answers. */
export const SILENT: Upcalls = {
  tcp: () => "taken",
  udp: () => true,
  sctp: () => true,
  opensSctp: () => false,
  findSocket: () => null,
  echoReply: () => {},
  icmpError: () => {},
  sendFailed: () => {},
};

/** The kernel's seam to the world, on the agenda of a session: everything handed over is queued. */
export class AgendaOutbox implements Outbox {
  private readonly session: Session;
  upcalls: Upcalls = SILENT;
  /** Called for a frame that leaves by a device before it is queued; true: it was taken. */
  intercept: ((stack: Stack, device: NetDevice, packet: Packet) => boolean) | null = null;
  /** Set while a process sends: what is under way goes its way. */
  private softirqs: (() => void) | null = null;
  /** What waits for the process that sends. */
  private applications: (() => void)[] | null = null;
  /** Neighbours being asked for now. */
  openQuestions = 0;
  /** Frames put on wires in this walk. */
  frames = 0;
  private numbers = 0;
  private discoveries = 0;
  private fragments = new Map<number, Map<number, number>>();

  constructor(session: Session) {
    this.session = session;
  }

  /** Begin a walk: numbers start again. */
  begin(): void {
    this.numbers = 0;
    this.discoveries = 0;
    this.frames = 0;
    this.openQuestions = 0;
    if (this.fragments.size > 0) this.fragments = new Map();
  }

  transmit(stack: Stack, device: NetDevice, packet: Packet): void {
    this.frames++;
    if (this.intercept?.(stack, device, packet)) return;
    if (device.kind === "tun") {
      this.session.agenda.push(stack, device, packet, READ_FROM_TUN);
      return;
    }
    const network = this.session.network;
    const host = network.peerHost(stack.host, device.slot);
    if (host < 0) {
      stack.kill(packet, LEFT_MODEL);
      return;
    }
    const other = host === stack.host ? stack : this.session.stack(host);
    const peer = other.net.devices[network.peerSlot(stack.host, device.slot)] as NetDevice;
    this.session.agenda.push(other, peer, packet, host === stack.host ? FROM_WIRE_SAME_HOST : FROM_WIRE);
  }

  toTun(stack: Stack, packet: Packet): boolean {
    return toTun(stack, packet);
  }

  receive(stack: Stack, device: NetDevice, packet: Packet): void {
    this.frames++;
    this.session.agenda.push(stack, device, packet, LOOPED);
  }

  forward(to: Stack, device: NetDevice, packet: Packet, crossesNamespace: boolean): void {
    this.frames++;
    this.session.agenda.push(to, device, packet, crossesNamespace ? FROM_WIRE : FROM_WIRE_SAME_HOST);
  }

  raise(to: Stack, device: NetDevice, packet: Packet): void {
    this.frames++;
    this.session.agenda.push(to, device, packet, RAISED);
  }

  lower(to: Stack, device: NetDevice, packet: Packet): void {
    this.frames++;
    this.session.agenda.push(to, device, packet, LOWERED);
  }

  lowerRouted(to: Stack, device: NetDevice, packet: Packet): void {
    this.frames++;
    this.session.agenda.push(to, device, packet, LOWERED_ROUTED);
  }

  /** A process sends: it may be interrupted by what it leads to, but other processes have their turn behind it. */
  asProcess(send: () => void, softirqs: () => void): void {
    this.softirqs = softirqs;
    send();
    this.softirqs = null;
    const waiting = this.applications ?? [];
    this.applications = null;
    for (const act of waiting) act();
  }

  runSoftirqs(): void {
    const { softirqs } = this;
    if (softirqs === null) return;
    this.softirqs = null;
    this.applications ??= [];
    softirqs();
    this.softirqs = softirqs;
  }

  byApplication(packet: Packet, act: (packet: Packet) => void): void {
    if (this.applications === null) {
      act(packet);
      return;
    }
    const { pool } = this.session;
    const own = pool.clone(packet);
    this.applications.push(() => {
      act(own);
      pool.release(own);
    });
  }

  after(ms: number, fire: () => void, together = false): () => void {
    const timer = this.session.agenda.timers.arm(this.session.clock.now + ms, fire, together);
    return () => {
      timer.cancelled = true;
    };
  }

  nextNumber(): number {
    return ++this.numbers;
  }

  nextDiscoveryNumber(): number {
    return FIRST_DISCOVERY_NUMBER + this.discoveries++;
  }

  fragmentNumber(datagram: number, offset: number): number {
    let places = this.fragments.get(datagram);
    if (places === undefined) {
      places = new Map();
      this.fragments.set(datagram, places);
    }
    let number = places.get(offset);
    if (number === undefined) {
      number = this.nextNumber();
      places.set(offset, number);
    }
    return number;
  }

  questions(change: 1 | -1): void {
    this.openQuestions += change;
  }
}
