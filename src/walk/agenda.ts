import { Timers } from "../clock/timers.ts";
import type { NetDevice } from "../kernel/device/net-device.ts";
import type { Stack } from "../kernel/stack.ts";
import type { Packet } from "../packet/packet.ts";

/** How a queued frame comes in. */
export const FROM_WIRE = 0;
export const FROM_WIRE_SAME_HOST = 1;
export const LOOPED = 2;
/** By a device that sits on the one it came in by. */
export const RAISED = 3;
/** Not in but out: by the device that its own sits on, as it is or routed once more. */
export const LOWERED = 4;
export const LOWERED_ROUTED = 5;
/** To the daemon behind a TUN. */
export const READ_FROM_TUN = 6;

/**
 * What is still to happen: frames on their way to a device, first in first out, and timers of the virtual clock. The ring
 * grows to the most that was ever in flight and is then reused: nothing is allocated per packet.
 */
export class Agenda {
  private stacks: (Stack | null)[] = new Array(64).fill(null);
  private devices: (NetDevice | null)[] = new Array(64).fill(null);
  private packets: (Packet | null)[] = new Array(64).fill(null);
  private ways = new Uint8Array(64);
  private head = 0;
  private count = 0;
  private mask = 63;
  readonly timers = new Timers();

  get empty(): boolean {
    return this.count === 0;
  }

  push(stack: Stack, device: NetDevice, packet: Packet, way: number): void {
    if (this.count > this.mask) this.grow();
    const at = (this.head + this.count) & this.mask;
    this.stacks[at] = stack;
    this.devices[at] = device;
    this.packets[at] = packet;
    this.ways[at] = way;
    this.count++;
  }

  // The front, read field by field so that no object is made for it.
  get stack(): Stack {
    return this.stacks[this.head] as Stack;
  }
  get device(): NetDevice {
    return this.devices[this.head] as NetDevice;
  }
  get packet(): Packet {
    return this.packets[this.head] as Packet;
  }
  get way(): number {
    return this.ways[this.head] as number;
  }

  /** Take the front away. */
  shift(): void {
    this.packets[this.head] = null;
    this.head = (this.head + 1) & this.mask;
    this.count--;
  }

  private grow(): void {
    const size = (this.mask + 1) * 2;
    const stacks = new Array<Stack | null>(size).fill(null);
    const devices = new Array<NetDevice | null>(size).fill(null);
    const packets = new Array<Packet | null>(size).fill(null);
    const ways = new Uint8Array(size);
    for (let i = 0; i < this.count; i++) {
      const from = (this.head + i) & this.mask;
      stacks[i] = this.stacks[from] as Stack;
      devices[i] = this.devices[from] as NetDevice;
      packets[i] = this.packets[from] as Packet;
      ways[i] = this.ways[from] as number;
    }
    this.stacks = stacks;
    this.devices = devices;
    this.packets = packets;
    this.ways = ways;
    this.head = 0;
    this.mask = size - 1;
  }
}
