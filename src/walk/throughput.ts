import type { Chooser } from "../kernel/chooser.ts";
import type { NetDevice } from "../kernel/device/net-device.ts";
import type { FoundSocket, Upcalls } from "../kernel/outbox.ts";
import type { Stack } from "../kernel/stack.ts";
import { IPPROTO_ICMP, IPPROTO_SCTP, type Packet } from "../packet/packet.ts";
import { FROM_WIRE } from "./agenda.ts";
import { SeededChooser } from "./choosers.ts";
import type { Network } from "./network.ts";
import { drain } from "./run.ts";
import { fillInit } from "./sctp-ends.ts";
import { Session } from "./session.ts";

/** What became of one packet in throughput mode; one value, reused. */
class PacketEnd {
  /** Number of the host whose socket took it, -1 when it was dropped. */
  host = -1;
  /** Destination as delivered. */
  dst = 0;
  dport = 0;
  /** Source as delivered. */
  src = 0;
  sport = 0;
  /** Reason number (`kernel/reason.ts`) when it was dropped, -1 otherwise. */
  reason = -1;
  rulesEvaluated = 0;
}

/**
 * Throughput mode: request packets only, through the same engine, without a tape. Nothing answers; the verdict is left in
 * `end`. One session, so conntrack, neighbours and bridge entries stay warm.
 */
export class Throughput implements Upcalls {
  readonly session: Session;
  readonly end = new PacketEnd();
  private readonly seeded: SeededChooser;

  constructor(network: Network, seed = 1) {
    this.session = new Session(network, seed);
    this.seeded = new SeededChooser(seed);
    this.session.engine.chooser = this.seeded satisfies Chooser;
    this.session.outbox.upcalls = this;
  }

  /** Walk chains rule by rule. */
  set literal(value: boolean) {
    this.session.engine.literal = value;
  }

  /**
   * One packet comes in by a device and goes wherever it goes. This runs per packet and allocates nothing.
   *
   * @param flow number of the flow, for the choices the kernel makes at random
   * @param ethDst MAC the frame is addressed to: the device's own unless it is a bridge's port
   */
  arrive(
    stack: Stack,
    device: NetDevice,
    src: number,
    dst: number,
    protocol: number,
    sport: number,
    dport: number,
    tcpFlags: number,
    flow: number,
    ethDst: number = device.mac,
  ): PacketEnd {
    const { session, end } = this;
    const { engine, pool } = session;
    session.outbox.begin();
    this.seeded.begin(flow);
    engine.drops = 0;
    engine.lastReason = -1;
    engine.rulesEvaluated = 0;
    end.host = -1;
    end.reason = -1;
    const packet = pool.takeFrame();
    packet.number = session.outbox.nextNumber();
    packet.src = src;
    packet.dst = dst;
    packet.protocol = protocol;
    if (protocol === IPPROTO_ICMP) {
      packet.icmpType = 8;
      packet.icmpId = sport;
    } else if (protocol === IPPROTO_SCTP) {
      fillInit(packet, sport, dport);
    } else {
      packet.sport = sport;
      packet.dport = dport;
      packet.tcpFlags = tcpFlags;
    }
    packet.length = 60;
    packet.framed = true;
    packet.ethDst = ethDst;
    session.agenda.push(stack, device, packet, FROM_WIRE);
    drain(session);
    end.rulesEvaluated = engine.rulesEvaluated;
    if (end.host < 0) end.reason = engine.lastReason;
    return end;
  }

  /** Forget connections; neighbours and bridge entries stay. */
  flush(): void {
    this.session.flush();
  }

  /** Every port listens. */
  findSocket(): FoundSocket {
    return { kind: "listener", wildcard: true, transparent: null, mark: 0 };
  }

  tcp(stack: Stack, packet: Packet): "taken" {
    this.take(stack, packet);
    return "taken";
  }

  udp(stack: Stack, packet: Packet): boolean {
    return this.take(stack, packet);
  }

  sctp(stack: Stack, packet: Packet): boolean {
    return this.take(stack, packet);
  }

  opensSctp(): boolean {
    return false;
  }

  private take(stack: Stack, packet: Packet): true {
    const { end } = this;
    end.host = stack.host;
    end.src = packet.src;
    end.dst = packet.dst;
    end.sport = packet.sport;
    end.dport = packet.dport;
    return true;
  }

  echoReply(): void {}
  icmpError(): void {}
  sendFailed(): void {}
}
