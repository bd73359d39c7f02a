import { hashInside } from "../../packet/flow-hash.ts";
import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { INNER_NONE } = PACKET;

/** What all tunnels do alike (net/ipv4/ip_tunnel_core.c). Runs per packet. */

/**
 * The packet that another is to travel in, under that one's number: in a trace both are the same. `inner` is the caller's to set.
 *
 * @param encapsulation `INNER_*`
 */
export function outerOf(stack: Stack, packet: Packet, encapsulation: number): Packet {
  const outer = stack.pool.take();
  outer.number = packet.number;
  outer.phase = packet.phase;
  outer.cause = packet.cause;
  outer.encapsulation = encapsulation;
  return outer;
}

/**
 * What a packet carries is taken out of it, within one namespace (`__iptunnel_pull_header`, `skb_scrub_packet`): the outer's mark stays with it.
 * The outer packet is given back.
 */
export function takeOut(stack: Stack, inner: Packet, outer: Packet): void {
  const { mark } = outer;
  outer.inner = null;
  outer.encapsulation = INNER_NONE;
  hashInside(inner, outer);
  stack.pool.release(outer);
  inner.scrub(false);
  inner.mark = mark;
}
