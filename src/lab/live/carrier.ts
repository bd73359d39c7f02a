import type { World } from "../../world/world.ts";
import { AF_INET, libc, SOCK_CLOEXEC, SOCK_DGRAM } from "./libc.ts";
import type { RealNetns } from "./real-netns.ts";

/** netdevice(7) */
const SIOCGIFFLAGS = 0x8913;
const IFF_UP = 0x1;
const IFF_RUNNING = 0x40;
const IFNAMSIZ = 16;
const IFREQ_SIZE = 40;

/** The kernel tells a link's state to bridges and routes with up to a second's delay (`linkwatch`). */
const LONGEST_MS = 2000;

/**
 * Waits until both ends of every cable that is up are known to carry, yielding between looks; a cable that never will is
 * waited for in vain.
 */
export function* awaitCarrier(world: World, netns: ReadonlyMap<string, RealNetns>): Generator<void, void> {
  const waiting = world.wires.flatMap(({ a, b }) => {
    const ups = [a, b].map(
      (end) => world.hosts.get(end.host)?.devices.find(({ name }) => name === end.device)?.up,
    );
    return ups.every((up) => up === true) ? [a, b] : [];
  });
  const until = Date.now() + LONGEST_MS;
  for (const end of waiting) {
    const within = netns.get(end.host);
    while (within !== undefined && Date.now() < until && !carries(within, end.device)) yield;
  }
}

function carries(within: RealNetns, device: string): boolean {
  const c = libc();
  const fd = within.inside(() => c.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const request = new Uint8Array(IFREQ_SIZE);
  request.set(new TextEncoder().encode(device).subarray(0, IFNAMSIZ - 1));
  const answered = c.ioctl(fd, SIOCGIFFLAGS, request) === 0;
  c.close(fd);
  const flags = new DataView(request.buffer).getInt16(IFNAMSIZ, true);
  return !answered || (flags & IFF_UP) === 0 || (flags & IFF_RUNNING) !== 0;
}

const STEP_MS = 2;

/** Does to its end what would let others have their turn while it waits. */
export function finish<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    sleep(STEP_MS);
  }
}

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Stops this thread: nothing else may run while the lab waits for the kernel. */
export function sleep(ms: number): void {
  Atomics.wait(cell, 0, 0, ms);
}
