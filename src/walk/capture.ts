import type { Capture, CapturedFrame } from "../packet/pcapng.ts";
import { encodeFrame } from "../packet/wire/frame.ts";
import type { Decoded } from "./decode/decode.ts";
import type { Sighting } from "./decode/frames.ts";
import type { Direction } from "./trace.ts";
import { wirePacket } from "./wire-packet.ts";

const RECEPTION: Readonly<Record<Direction, CapturedFrame["reception"]>> = {
  out: undefined,
  in: "unicast",
  "in-broadcast": "broadcast",
  "in-multicast": "multicast",
  "in-otherhost": "otherhost",
};

/**
 * A walk as a capture on all devices at once: what a recorder on every one of them would have kept, bytes and all. Times are
 * virtual; frames of one instant are a microsecond apart, so that their order stays.
 */
export function captureOf(tape: Int32Array, { sightings }: Decoded): Capture {
  const interfaces = new Map<string, number>();
  const ethernet: boolean[] = [];
  const hops = new Map<number, { host: string; hop: number }>();
  const frames = sightings.map((seen, i): CapturedFrame => {
    const packet = wirePacket(tape, seen.snapshot);
    const name = `${seen.host}:${seen.device}`;
    let index = interfaces.get(name);
    if (index === undefined) {
      index = interfaces.size;
      interfaces.set(name, index);
      ethernet.push(packet.framed);
    }
    const reception = RECEPTION[seen.direction];
    return {
      interface: index,
      timeUs: seen.at * 1000 + i,
      bytes: encodeFrame(packet),
      direction: seen.direction === "out" ? "out" : "in",
      ...(reception === undefined ? {} : { reception }),
      comment: commentOf(seen, hops),
    };
  });
  return {
    interfaces: [...interfaces.keys()].map((name, i) => ({ name, ethernet: ethernet[i] as boolean })),
    frames,
  };
}

/** `request, packet 1, hop 2: node1, in by eth0`. A hop is a host on the packet's way. */
function commentOf(seen: Sighting, hops: Map<number, { host: string; hop: number }>): string {
  const { packet, phase, host, device, direction } = seen;
  const way = direction === "out" ? "out by" : "in by";
  if (packet === 0) return `ARP, ${host}, ${way} ${device}`;
  const before = hops.get(packet);
  const hop = before === undefined ? 1 : before.hop + (before.host === host ? 0 : 1);
  hops.set(packet, { host, hop });
  return `${phase}, packet ${packet}, hop ${hop}: ${host}, ${way} ${device}`;
}
