import * as PACKET from "../../packet/packet.ts";
import { headerLength, type Packet } from "../../packet/packet.ts";
import * as STATUS from "../conntrack/status.ts";
import type { NfVerdict } from "../netfilter/hook.ts";
import * as HOOK from "../netfilter/hook.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { isSabotaged } from "./sabotage.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { FRAGMENT6_HEADER } = PACKET;
const { CT_UNTRACKED } = STATUS;
const { NF_ACCEPT, NF_STOLEN } = HOOK;

const FRAGMENT_TIMEOUT = reason("fragment-timeout");
/** `net.ipv4.ipfrag_time`, milliseconds. */
const TIMEOUT_MS = 30_000;
/** `net.ipv6.ip6frag_time`, likewise. */
const TIMEOUT6_MS = 60_000;

/** `add`'s user where it is local delivery that asks. */
export const LOCAL = "local";

interface Queue {
  readonly fragments: Packet[];
  /** Bytes of the whole datagram's payload once the last fragment is here, -1 before. */
  total: number;
  cancel: () => void;
}

/** Fragments that wait for the rest of their datagram (`net/ipv4/ip_fragment.c`, `net/ipv6/reassembly.c`), by the hook that asked. */
export class ReassemblyQueues {
  private readonly queues = new Map<string, Queue>();

  /**
   * Take a fragment.
   *
   * @param user who reassembles: conntrack at a hook, or local delivery
   * @returns the same packet, now whole; or null when more is needed (the packet is the queue's then)
   */
  add(stack: Stack, packet: Packet, user: string): Packet | null {
    const bare = headerLength(packet);
    const header = packet.family === 6 ? FRAGMENT6_HEADER : bare;
    const key = `${user} ${packet.family} ${packet.src} ${packet.dst} ${packet.id} ${packet.protocol}`;
    let queue = this.queues.get(key);
    if (queue === undefined) {
      queue = { fragments: [], total: -1, cancel: () => {} };
      this.queues.set(key, queue);
      const waiting = queue;
      queue.cancel = stack.outbox.after(packet.family === 6 ? TIMEOUT6_MS : TIMEOUT_MS, () => {
        this.queues.delete(key);
        for (const fragment of waiting.fragments) stack.kill(fragment, FRAGMENT_TIMEOUT);
      });
    }
    queue.fragments.push(packet);
    if (!packet.mf) queue.total = packet.fragOffset + packet.length - header;
    const list = queue.fragments.sort((a, b) => a.fragOffset - b.fragOffset);
    let covered = 0;
    let largest = 0;
    let largestOfDf = 0;
    for (const fragment of list) {
      if (fragment.fragOffset > covered) return null;
      covered = Math.max(covered, fragment.fragOffset + fragment.length - header);
      largest = Math.max(largest, fragment.length);
      if (fragment.df) largestOfDf = Math.max(largestOfDf, fragment.length);
    }
    if (queue.total < 0 || covered < queue.total) return null;
    queue.cancel();
    this.queues.delete(key);
    const { total } = queue;
    // Local delivery makes one buffer of them (`ip_frag_coalesce_ok`).
    const pieces =
      user === LOCAL
        ? null
        : list.map(({ fragOffset }, i) => (list[i + 1]?.fragOffset ?? total) - fragOffset);
    // The kernel goes on with the buffer that completed the datagram; its headers are the first fragment's.
    const first = list[0] as Packet;
    if (first !== packet) {
      const device = packet.dev;
      const type = packet.pktType;
      packet.copyHeaders(first);
      packet.copyMetadata(first);
      packet.dev = device;
      packet.pktType = type;
      packet.inner = first.inner;
      first.inner = null;
    }
    packet.length = total + bare;
    packet.payload = Math.max(0, total - 8);
    packet.mf = false;
    packet.fragOffset = 0;
    packet.fragMaxSize = largest;
    packet.pieces = pieces;
    if (packet.family === 6) packet.id = 0;
    else {
      packet.fragPmtu = largest === largestOfDf;
      packet.df = packet.fragPmtu;
    }
    for (const fragment of list) if (fragment !== packet) stack.pool.release(fragment);
    return packet;
  }

  /** Tell of everything that waits that the rest of it never comes. */
  tell(stack: Stack): void {
    for (const { fragments } of this.queues.values())
      for (const fragment of fragments) stack.drop(fragment, FRAGMENT_TIMEOUT);
  }

  /** Give up on everything that waits: the walk has ended. */
  clear(stack: Stack): void {
    for (const queue of this.queues.values()) {
      queue.cancel();
      for (const fragment of queue.fragments) stack.kill(fragment, FRAGMENT_TIMEOUT);
    }
    this.queues.clear();
  }
}

/**
 * `ip_vs_gather_frags`: IPVS sees whole datagrams where no conntrack has joined them before it, tracked or not.
 *
 * @returns false: it waits for the others
 */
export function gatherFragments(stack: Stack, packet: Packet): boolean {
  return !packet.isFragment || stack.state.reassembly.add(stack, packet, `ipvs ${stack.hook}`) !== null;
}

/**
 * `ipv4_conntrack_defrag`, `ipv6_defrag`: conntrack sees whole datagrams. Hooked at PREROUTING and OUTPUT, priority −400. What came
 * by loopback and is not to be tracked stays in pieces; of IPv6 so does what has its connection already.
 */
export function defragment(stack: Stack, packet: Packet): NfVerdict {
  if (!packet.isFragment || packet.ct === CT_UNTRACKED) return NF_ACCEPT;
  if (packet.family === 6 && packet.ct >= 0) return NF_ACCEPT;
  const bridged = packet.nfBridge && !isSabotaged(packet) ? packet.physIn : 0;
  const whole = stack.state.reassembly.add(stack, packet, `conntrack ${stack.hook} ${bridged}`);
  if (whole === null) return NF_STOLEN;
  // nf_ct_ipv4_gather_frags, nf_ct_frag6_reasm: what netfilter has put together it may cut again.
  whole.ignoreDf = true;
  return NF_ACCEPT;
}
