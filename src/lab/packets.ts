import type { Netns } from "../kernel/netns.ts";
import type { Network } from "../walk/network.ts";
import type { Frame } from "../walk/trace.ts";
import { BEFORE_BULK, Excuser, isBulk, type Place, withoutBridgeExtra } from "./excused.ts";
import type { RecordedFrame, RecordedProbe } from "./recorded.ts";

/** A packet of either side: its frames in order, without those excused. */
export interface PacketFrames<F> {
  readonly number: number;
  readonly frames: readonly F[];
}

/** One side's packets in order of appearance, and the numbers of those excused altogether. */
export interface Packets<F> {
  readonly packets: readonly PacketFrames<F>[];
  readonly excused: ReadonlySet<number>;
  /** Packets of which another just like them was sent, whose frames are left out. */
  readonly repeated: ReadonlySet<number>;
}

/** A recorded frame with everything a `same` leaves out. */
export type WholeFrame = RecordedFrame & Place;

export function recordedPackets(network: Network, recorded: RecordedProbe): Packets<WholeFrame> {
  const { client } = recorded.outcome;
  const isSettled = recorded.settled === true;
  const excuser = new Excuser(isSettled ? null : (client?.port ?? client?.icmpId ?? null));
  const byPacket = new Map<number, WholeFrame[]>();
  const excused = new Set<number>();
  const repeated = new Set<number>();
  const bulk = isBulk(recorded);
  for (const frame of recorded.frames ?? []) {
    const before = byPacket.get(frame.pkt);
    const previous = before?.[before.length - 1];
    const whole = frame.same === true && previous !== undefined ? { ...previous, ...frame } : frame;
    const placed = { ...whole, host: frame.ns, device: frame.if, direction: frame.dir };
    if (before === undefined) {
      if (excuser.isExcused(placed) || (bulk && byPacket.size - excused.size >= BEFORE_BULK))
        excused.add(frame.pkt);
      byPacket.set(frame.pkt, [placed]);
    } else if (repeated.has(frame.pkt) || isSentAgain(placed, before[0])) repeated.add(frame.pkt);
    else before.push(placed);
    excuser.saw(placed);
  }
  return { packets: kept(network, byPacket, excused), excused, repeated };
}

export function ourPackets(network: Network, frames: readonly Frame[]): Packets<Frame> {
  const excuser = new Excuser(null);
  const byPacket = new Map<string, Frame[]>();
  const excused = new Set<number>();
  const repeated = new Set<string>();
  for (const frame of frames) {
    const key = captureName(frame);
    const before = byPacket.get(key);
    if (before !== undefined) {
      // A reset that chains of a device send in a circle looks like one that is sent again.
      if (repeated.has(key) || isSentAgain(frame, before[0])) repeated.add(key);
      else before.push(frame);
      continue;
    }
    if (excuser.isExcused(frame)) excused.add(frame.packet);
    byPacket.set(key, [frame]);
  }
  const numbered = [...byPacket.values()].map((list) => [(list[0] as Frame).packet, list] as const);
  return { packets: kept(network, numbered, excused), excused, repeated: new Set() };
}

/** What a capture knows a packet by: fragments of IPv6 that are put together and cut anew are others then. */
function captureName(frame: Frame): string {
  const datagram = (frame.inner ?? frame).ip?.id;
  return datagram === undefined ? `${frame.packet}` : `${frame.packet} of ${datagram}`;
}

/** A reset has no identification of its own: a second one is known by leaving where the first did, no hop further. */
function isSentAgain(frame: WholeFrame | Frame, first: WholeFrame | Frame | undefined): boolean {
  if (frame.tcp?.flags?.includes("R") !== true || frame.direction !== "out") return false;
  if (first?.direction !== "out" || frame.host !== first.host || frame.device !== first.device) return false;
  return frame.ip?.ttl === first.ip?.ttl;
}

function kept<F extends Place>(
  network: Network,
  byPacket: Iterable<readonly [number, readonly F[]]>,
  excused: ReadonlySet<number>,
): PacketFrames<F>[] {
  return [...byPacket]
    .filter(([number]) => !excused.has(number))
    .map(([number, frames]) => ({ number, frames: withoutBridgeExtra(frames, hostsOf(network)) }));
}

export function hostsOf(network: Network): (name: string) => Netns | undefined {
  return (name) => network.host(network.hostNumber(name));
}
