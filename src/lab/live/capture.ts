import type { Device } from "../../kernel/device/device.ts";
import type { Host } from "../../kernel/host.ts";
import { AF_PACKET, errorName, libc, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW } from "./libc.ts";
import type { RealNetns } from "./real-netns.ts";
import { int32 } from "./socket-address.ts";

/** A frame as a device showed it. */
export interface CapturedFrame {
  readonly host: string;
  readonly device: string;
  readonly direction: CaptureDirection;
  /** Microseconds of the kernel's own clock. */
  readonly time: number;
  readonly bytes: Uint8Array;
  /** False on devices without a link's header. */
  readonly framed: boolean;
}

export type CaptureDirection = "in" | "out" | "in-broadcast" | "in-multicast" | "in-otherhost";

/** By `sll_pkttype` (packet(7)). */
const DIRECTIONS: readonly CaptureDirection[] = ["in", "in-broadcast", "in-multicast", "in-otherhost", "out"];

/** `htons(ETH_P_ALL)` on a little-endian machine. */
const ETH_P_ALL = 0x0300;
/** linux/if_arp.h: devices whose frames begin with an Ethernet header. */
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

/** linux/if_packet.h */
const SOL_PACKET = 263;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_VERSION = 10;
/** `struct tpacket_stats`: frames seen, and those that found no place. */
const TPACKET_STATS = 8;
const TPACKET_V2 = 1;
const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;
/** `struct tpacket2_hdr`, and the `struct sockaddr_ll` behind it. */
const TP_SNAPLEN = 8;
const TP_MAC = 12;
const TP_SEC = 16;
const TP_NSEC = 20;
const SLL = 32;
const SLL_IFINDEX = SLL + 4;
const SLL_HATYPE = SLL + 8;
const SLL_PKTTYPE = SLL + 10;

const BLOCK = 65_536;
/** Room for what a packet that goes round until its TTL ends leaves in one namespace, in fragments too. */
const BLOCKS = 16;
/** A frame beyond this is cut off; its headers never are, nor what an error quotes of others. */
const SLOT = 512;
const SLOTS = (BLOCK * BLOCKS) / SLOT;

/**
 * Everything that all devices of a namespace send and receive, from its making on. The kernel copies each frame into a ring
 * as it passes: a socket's queue would only refer to it, and show what became of it later on.
 */
export class Capture {
  readonly #host: string;
  readonly #fd: number;
  readonly #devices: ReadonlyMap<number, string>;
  readonly #address: unknown;
  readonly #ring: DataView;
  #next = 0;

  /** @throws Error where the kernel refuses */
  constructor(within: RealNetns, host: Host) {
    const c = libc();
    this.#host = host.name;
    this.#fd = within.inside(() => c.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, ETH_P_ALL));
    c.setsockopt(this.#fd, SOL_PACKET, PACKET_VERSION, int32(TPACKET_V2), 4);
    const request = new Uint8Array([BLOCK, BLOCKS, SLOT, SLOTS].flatMap((value) => [...int32(value)]));
    c.setsockopt(this.#fd, SOL_PACKET, PACKET_RX_RING, request, request.length);
    const shared = c.shared(this.#fd, BLOCK * BLOCKS);
    if (shared === null) throw new Error(`${host.name}: cannot capture (${errorName(c.errno())})`);
    this.#address = shared.address;
    this.#ring = new DataView(shared.memory);
    // A TUN cannot be told its index.
    const indexOf = ({ name, ifindex, detail }: Device): number =>
      detail.kind === "tun" ? within.inside(() => c.if_nametoindex(name)) : ifindex;
    this.#devices = new Map(host.devices.map((device) => [indexOf(device), device.name]));
  }

  /** What came since the last call, in the order in which the namespace saw it. */
  read(): CapturedFrame[] {
    const frames: CapturedFrame[] = [];
    for (;;) {
      const at = this.#next * SLOT;
      if ((this.#ring.getUint32(at, true) & TP_STATUS_USER) === 0) return frames;
      const frame = this.#frameAt(at);
      if (frame !== null) frames.push(frame);
      this.#ring.setUint32(at, TP_STATUS_KERNEL, true);
      this.#next = (this.#next + 1) % SLOTS;
    }
  }

  #frameAt(at: number): CapturedFrame | null {
    const ring = this.#ring;
    const device = this.#devices.get(ring.getInt32(at + SLL_IFINDEX, true));
    if (device === undefined) return null;
    const type = ring.getUint16(at + SLL_HATYPE, true);
    const from = ring.byteOffset + at + ring.getUint16(at + TP_MAC, true);
    return {
      host: this.#host,
      device,
      direction: DIRECTIONS[ring.getUint8(at + SLL_PKTTYPE)] ?? "in",
      time: ring.getUint32(at + TP_SEC, true) * 1e6 + ring.getUint32(at + TP_NSEC, true) / 1e3,
      bytes: new Uint8Array(ring.buffer, from, ring.getUint32(at + TP_SNAPLEN, true)).slice(),
      framed: type === ARPHRD_ETHER || type === ARPHRD_LOOPBACK,
    };
  }

  /** How many frames found no place in the ring since the last call. */
  lost(): number {
    const statistics = new Uint8Array(TPACKET_STATS);
    libc().getsockopt(this.#fd, SOL_PACKET, PACKET_STATISTICS, statistics, int32(TPACKET_STATS));
    return new DataView(statistics.buffer).getUint32(4, true);
  }

  close(): void {
    libc().munmap(this.#address, BLOCK * BLOCKS);
    libc().close(this.#fd);
  }
}

/**
 * Several namespaces' frames in one order. Within a namespace it is its own, whatever the stamps say: a bridged frame
 * keeps the stamp of its arrival.
 */
export function inTimeOrder(captures: readonly (readonly CapturedFrame[])[]): CapturedFrame[] {
  const risen = captures.flatMap((frames) => {
    let latest = 0;
    return frames.map((frame): CapturedFrame => {
      latest = Math.max(latest, frame.time);
      return { ...frame, time: latest };
    });
  });
  return risen.sort((a, b) => a.time - b.time);
}
