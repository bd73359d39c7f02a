import type { PacketView } from "../walk/trace.ts";
import type { RecordedPacket } from "./recorded.ts";
import type { Renaming } from "./renaming.ts";

/** The first header field a recorded packet and one of ours differ in, in words; null where they agree. */
export function packetDifference(
  theirs: RecordedPacket,
  mine: PacketView,
  renaming: Renaming,
): string | null {
  return (
    addressing(theirs, mine) ??
    transport(theirs, mine, renaming, "whole") ??
    icmp(theirs, mine, renaming, "whole") ??
    tunnel(theirs, mine, renaming)
  );
}

/** A quoted packet may be cut short behind the eight bytes that RFC 792 asks for. */
type Extent = "whole" | "quoted";

function quotedDifference(theirs: RecordedPacket, mine: PacketView, renaming: Renaming): string | null {
  const difference =
    addressing(theirs, mine) ??
    transport(theirs, mine, renaming, "quoted") ??
    icmp(theirs, mine, renaming, "quoted");
  return difference === null ? null : `quoted packet: ${difference}`;
}

function field(name: string, theirs: unknown, mine: unknown): string | null {
  return theirs === mine
    ? null
    : `${name} ${String(theirs ?? "none")} recorded, ${String(mine ?? "none")} modelled`;
}

function port(
  name: string,
  theirs: number | undefined,
  mine: number | undefined,
  renaming: Renaming,
): string | null {
  if (theirs !== undefined && mine !== undefined && renaming.accepts(mine, theirs)) return null;
  return theirs === mine ? null : `${name} ${theirs ?? "none"} recorded, ${mine ?? "none"} modelled`;
}

function addressing(theirs: RecordedPacket, mine: PacketView): string | null {
  return (
    field("source MAC", theirs.eth?.src, mine.eth?.src) ??
    field("destination MAC", theirs.eth?.dst, mine.eth?.dst) ??
    field("source", theirs.ip?.src, mine.ip.src) ??
    field("destination", theirs.ip?.dst, mine.ip.dst) ??
    field("TTL", theirs.ip?.ttl, mine.ip.ttl) ??
    field("protocol", theirs.ip?.proto, mine.ip.proto) ??
    field("DF", theirs.ip?.df ?? false, mine.ip.df ?? false) ??
    field("MF", theirs.ip?.mf ?? false, mine.ip.mf ?? false) ??
    field("fragment offset", theirs.ip?.off ?? 0, mine.ip.off ?? 0)
  );
}

function transport(
  theirs: RecordedPacket,
  mine: PacketView,
  renaming: Renaming,
  extent: Extent,
): string | null {
  for (const name of ["tcp", "udp"] as const) {
    const a = theirs[name];
    const b = mine[name];
    if (a === undefined && b === undefined) continue;
    if (a === undefined || b === undefined) return oneSided(name.toUpperCase(), a !== undefined);
    const difference =
      port("source port", a.sport, b.sport, renaming) ?? port("destination port", a.dport, b.dport, renaming);
    if (difference !== null) return difference;
  }
  const flags = theirs.tcp?.flags;
  if (mine.tcp === undefined || (flags === undefined && extent === "quoted")) return null;
  return field("flags", sorted(flags ?? ""), sorted(mine.tcp.flags));
}

function oneSided(header: string, recorded: boolean): string {
  return recorded ? `${header} header recorded, none modelled` : `${header} header modelled, none recorded`;
}

function sorted(flags: string): string {
  return [...flags].sort().join("");
}

function icmp(theirs: RecordedPacket, mine: PacketView, renaming: Renaming, extent: Extent): string | null {
  // Messages of neighbour discovery stand under a name of their own.
  const { ndp } = theirs;
  if (ndp !== undefined)
    return field("ICMP type", ndp.type, mine.icmp?.type) ?? field("ICMP target", ndp.target, mine.nd?.target);
  const a = theirs.icmp;
  const b = mine.icmp;
  if (a === undefined && b === undefined) return null;
  if (a === undefined || b === undefined) return oneSided("ICMP", a !== undefined);
  const difference =
    field("ICMP type", a.type, b.type) ??
    field("ICMP code", a.code, b.code) ??
    port("ICMP id", a.id, b.id, renaming) ??
    field("ICMP MTU", a.mtu || undefined, b.mtu || undefined) ??
    field("ICMP gateway", a.gateway, b.gateway);
  if (difference !== null) return difference;
  // Only an echo's length says something: an error quotes as much as its maker likes.
  if (a.orig === undefined && extent === "whole" && theirs.ip?.len !== undefined) {
    const length = field("length", theirs.ip.len, mine.ip.len);
    if (length !== null) return length;
  }
  if (a.orig === undefined && b.orig === undefined) return null;
  if (a.orig === undefined || b.orig === undefined) return oneSided("quoted packet's", a.orig !== undefined);
  return quotedDifference(a.orig, b.orig, renaming);
}

function tunnel(theirs: RecordedPacket, mine: PacketView, renaming: Renaming): string | null {
  const inner = mine.inner;
  const carried = theirs.vxlan ?? theirs.ipip ?? theirs.datagram;
  if (carried === undefined && inner === undefined) return null;
  if (carried === undefined || inner === undefined) return oneSided("tunnel", carried !== undefined);
  const vni = field("VNI", theirs.vxlan?.vni, mine.vxlan?.vni);
  if (vni !== null) return vni;
  const difference = packetDifference(carried, inner, renaming);
  return difference === null ? null : `inner packet: ${difference}`;
}
