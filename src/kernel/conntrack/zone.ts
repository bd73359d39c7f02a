import type { Packet } from "../../packet/packet.ts";
import { CT_NONE } from "./status.ts";

/**
 * A zone of connection tracking (nf_conntrack_zones.h) as one number: the id, and above it the directions whose tuples it
 * keeps apart. Of a direction it leaves alone the zone is 0.
 */

export type ZoneDirection = "both" | "orig" | "reply";

/** Bits above the id; none: both directions. */
const DIRECTIONS: Readonly<Record<ZoneDirection, number>> = { both: 0, orig: 1, reply: 2 };

/** `Packet.ctTemplate`: no rule has said how the packet is to be tracked. */
export const NO_TEMPLATE = -1;

/**
 * Is a template all the connection that a packet has (`nf_ct_tmpl_alloc`)? It is one to who asks (`nf_ct_get`): confirmed, of no
 * protocol, addresses nor ports, its mark 0.
 */
export function hasTemplate({ ct, ctTemplate }: Packet): boolean {
  return ct === CT_NONE && ctTemplate !== NO_TEMPLATE;
}

/** @param id from 0 to 65535 */
export function zoneOf(id: number, direction: ZoneDirection): number {
  return id === 0 ? 0 : id | (DIRECTIONS[direction] << 16);
}

/** Of a template: the zone is the packet's mark, as it is where conntrack looks (`NF_CT_FLAG_MARK`). */
const OF_MARK = 1 << 20;

export function templateOfMark(direction: ZoneDirection): number {
  return OF_MARK | (DIRECTIONS[direction] << 16);
}

/** `nf_ct_zone_tmpl`. */
export function zoneOfTemplate(template: number, mark: number): number {
  if (template === NO_TEMPLATE) return 0;
  if ((template & OF_MARK) === 0) return template;
  const id = mark & 0xffff;
  return id === 0 ? 0 : id | (template & ~OF_MARK);
}

/** `nf_ct_zone_id`. @param direction 0 original, 1 reply */
export function zoneId(zone: number, direction: number): number {
  const directions = zone >>> 16;
  return directions === 0 || ((directions >>> direction) & 1) === 1 ? zone & 0xffff : 0;
}

export function zoneDirection(zone: number): ZoneDirection {
  const directions = zone >>> 16;
  if (directions === 0) return "both";
  return directions === DIRECTIONS.orig ? "orig" : "reply";
}
