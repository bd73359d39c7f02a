import { socketAddressText } from "../address/socket-address.ts";
import type { PacketView } from "../walk/trace.ts";
import { icmpWords } from "./icmp-text.ts";

/** `10.244.31.7:40000 → 10.96.0.76:80`, `[fd00::7]:40000 → [fd01::76]:80` */
export function endsText(view: PacketView): string {
  const ports = view.tcp ?? view.udp ?? view.sctp;
  if (ports === undefined) return `${view.ip.src} → ${view.ip.dst}`;
  const { src, dst } = view.ip;
  return `${socketAddressText(src, ports.sport)} → ${socketAddressText(dst, ports.dport)}`;
}

/** A packet in a few words: ends, what it is, TTL, length. */
export function packetText(view: PacketView): string {
  const { len, mf, off } = view.ip;
  const fragment = mf === undefined && off === undefined ? "" : `, ${fragmentText(view)}`;
  return `${endsText(view)}  ${kindText(view)}, ${hopsLeft(view)}, ${len} bytes${fragment}`;
}

function hopsLeft({ ip }: PacketView): string {
  return ip.src.includes(":") ? `hop limit ${ip.ttl}` : `ttl ${ip.ttl}`;
}

/** `tcp S`, `udp`, `icmp echo request`. */
function kindText(view: PacketView): string {
  const { ip, tcp, udp, icmp, vxlan } = view;
  if (vxlan !== undefined) return `VXLAN ${vxlan.vni}`;
  if (view.geneve !== undefined) return `Geneve ${view.geneve.vni}`;
  if (tcp !== undefined) return `tcp ${flagsText(tcp.flags)}`;
  if (udp !== undefined) return "udp";
  if (view.sctp !== undefined) return `sctp ${view.sctp.chunk}`;
  if (icmp !== undefined) return icmpWords(icmp.type, icmp.code, ip.src).replace("ICMP", "icmp");
  return PROTOCOL_NAMES.get(ip.proto) ?? `protocol ${ip.proto}`;
}

const PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map([
  [1, "icmp"],
  [4, "ipip"],
  [6, "tcp"],
  [17, "udp"],
  [47, "gre"],
  [50, "esp"],
  [58, "icmpv6"],
  [132, "sctp"],
]);

const FLAG_NAMES: ReadonlyMap<string, string> = new Map([
  ["F", "FIN"],
  ["S", "SYN"],
  ["R", "RST"],
  ["P", "PSH"],
  ["A", "ACK"],
  ["U", "URG"],
  ["E", "ECE"],
  ["C", "CWR"],
]);

/** `SA` as `SYN-ACK`. */
function flagsText(flags: string): string {
  return flags === ""
    ? "without flags"
    : [...flags].map((letter) => FLAG_NAMES.get(letter) ?? letter).join("-");
}

/**
 * What became of a packet between two places, in words: only what differs. Where the addresses were rewritten on the way
 * (`rewritten`), that has been told already.
 */
export function changeText(before: PacketView, after: PacketView, rewritten: boolean): string[] {
  if (after.inner !== undefined && before.inner === undefined) {
    const outer = `into ${kindText(after)}: ${endsText(after)}, ${hopsLeft(after)}`;
    return [outer, ...changeText(before, after.inner, rewritten)];
  }
  if (before.inner !== undefined && after.inner === undefined) {
    return [`out of ${kindText(before)}`, ...changeText(before.inner, after, rewritten)];
  }
  const changes: string[] = [];
  if (endsText(before) !== endsText(after) && !rewritten) changes.push(`now ${endsText(after)}`);
  const { ip } = after;
  if (ip.ttl !== before.ip.ttl) changes.push(hopsLeft(after));
  if (ip.len !== before.ip.len) changes.push(`${ip.len} bytes`);
  if (ip.off !== before.ip.off || ip.mf !== before.ip.mf) changes.push(fragmentText(after));
  if (ip.tos !== before.ip.tos) changes.push(`tos 0x${(ip.tos ?? 0).toString(16)}`);
  if (ip.df !== before.ip.df) changes.push(ip.df ? "don't-fragment set" : "don't-fragment cleared");
  return changes;
}

function fragmentText({ ip }: PacketView): string {
  if (ip.off === undefined && ip.mf === undefined) return "whole again";
  return `fragment from byte ${ip.off ?? 0}${ip.mf ? ", more follow" : ", the last"}`;
}
