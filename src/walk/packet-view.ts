import { formatOnPath } from "../address/ip6-handle.ts";
import { formatIpv4 } from "../address/ipv4.ts";
import { formatMac, MAC_ZERO } from "../address/mac.ts";
import {
  S_DST,
  S_ETH_DST,
  S_ETH_SRC,
  S_ETH_TYPE,
  S_FRAG_OFFSET,
  S_INFO,
  S_INFO2,
  S_IP,
  S_KIND,
  S_L4,
  S_LENGTH,
  S_MARK,
  S_PORTS,
  S_SEQ,
  S_SRC,
  SNAPSHOT_WORDS,
} from "../kernel/snapshot-words.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  ICMPV6_PKT_TOOBIG,
  INNER_GENEVE,
  INNER_QUOTED,
  INNER_VXLAN,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ND_OVERRIDE,
  ND_ROUTER,
  ND_SOLICITED,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_REDIRECT,
  NDISC_ROUTER_SOLICITATION,
} from "../packet/packet.ts";
import { CHUNK_NAMES } from "../packet/sctp-chunk.ts";
import type { PacketView } from "./trace.ts";

/** A packet's snapshot on the tape, as a person and a program read it. */
export function packetView(d: Int32Array, at: number): PacketView {
  const ip = d[at + S_IP] as number;
  const protocol = (ip >>> 8) & 0xff;
  const offset = (d[at + S_FRAG_OFFSET] as number) & 0xffff;
  const vlan = (d[at + S_FRAG_OFFSET] as number) >>> 16;
  const kind = d[at + S_KIND] as number;
  const encapsulation = kind >>> 16;
  const family = (kind >>> 8) & 0xff;
  const l4 = d[at + S_L4] as number;
  const ports = d[at + S_PORTS] as number;
  const mark = d[at + S_MARK] as number;
  const tos = (ip >>> 16) & 0xff;
  // A later fragment holds some middle of what is inside.
  const inner = encapsulation === 0 || offset !== 0 ? undefined : packetView(d, at + SNAPSHOT_WORDS);
  return {
    ...((kind & 0x10) !== 0
      ? {
          eth: {
            src: formatMac(d[at + S_ETH_SRC] as number),
            dst: formatMac(d[at + S_ETH_DST] as number),
            type: `0x${(d[at + S_ETH_TYPE] as number).toString(16).padStart(4, "0")}`,
            ...(vlan === 0 ? {} : { vlan }),
          },
        }
      : {}),
    ip: {
      src: formatOnPath(family, d[at + S_SRC] as number),
      dst: formatOnPath(family, d[at + S_DST] as number),
      ttl: ip & 0xff,
      proto: protocol,
      len: (d[at + S_LENGTH] as number) & 0xffff,
      ...(((ip >>> 24) & 1) === 1 && family === 4 ? { df: true as const } : {}),
      ...(((ip >>> 25) & 1) === 1 ? { mf: true as const } : {}),
      ...(offset === 0 ? {} : { off: offset }),
      ...(family === 6 && (offset !== 0 || ((ip >>> 25) & 1) === 1)
        ? { id: (d[at + S_LENGTH] as number) >>> 16 }
        : {}),
      ...(tos === 0 ? {} : { tos }),
    },
    ...(offset !== 0 ? {} : transport(protocol, ports, l4, d[at + S_INFO] as number, encapsulation, inner)),
    ...(family === 6 && offset === 0 && isDiscovery(protocol, l4) ? { nd: discovery(d, at) } : {}),
    ...(encapsulation === INNER_VXLAN && offset === 0 ? { vxlan: { vni: d[at + S_INFO2] as number } } : {}),
    ...(encapsulation === INNER_GENEVE && offset === 0 ? { geneve: { vni: d[at + S_INFO2] as number } } : {}),
    ...(inner !== undefined && encapsulation !== INNER_QUOTED ? { inner } : {}),
    ...(mark === 0 ? {} : { mark: mark >>> 0 }),
  };
}

function transport(
  protocol: number,
  ports: number,
  l4: number,
  info: number,
  encapsulation: number,
  inner: PacketView | undefined,
): Partial<PacketView> {
  const sport = ports & 0xffff;
  const dport = ports >>> 16;
  switch (protocol) {
    case IPPROTO_TCP:
      return { tcp: { sport, dport, flags: flagLetters(l4) } };
    case IPPROTO_UDP:
      return { udp: { sport, dport } };
    case IPPROTO_SCTP:
      return { sctp: { sport, dport, chunk: CHUNK_NAMES.get(l4) ?? String(l4) } };
    case IPPROTO_ICMPV6: {
      const type = l4 & 0xff;
      const head = { type, code: l4 >>> 8 };
      if (isDiscovery(protocol, l4)) return { icmp: head };
      return {
        icmp: {
          ...head,
          ...(encapsulation === INNER_QUOTED ? {} : { id: sport, seq: dport }),
          ...(type === ICMPV6_PKT_TOOBIG ? { mtu: info } : {}),
          ...(encapsulation === INNER_QUOTED && inner !== undefined ? { orig: inner } : {}),
        },
      };
    }
    case IPPROTO_ICMP: {
      const type = l4 & 0xff;
      const code = l4 >>> 8;
      return {
        icmp: {
          type,
          code,
          ...(encapsulation === INNER_QUOTED ? {} : { id: sport, seq: dport }),
          ...(type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED ? { mtu: info } : {}),
          ...(type === ICMP_REDIRECT ? { gateway: formatIpv4(info) } : {}),
          ...(encapsulation === INNER_QUOTED && inner !== undefined ? { orig: inner } : {}),
        },
      };
    }
    default:
      return {};
  }
}

/** Is it neighbour discovery, by the words of a snapshot? */
export function isDiscovery(protocol: number, l4: number): boolean {
  const type = l4 & 0xff;
  return protocol === IPPROTO_ICMPV6 && type >= NDISC_ROUTER_SOLICITATION && type <= NDISC_REDIRECT;
}

/** What a message of neighbour discovery says (RFC 4861 4). */
function discovery(d: Int32Array, at: number): NonNullable<PacketView["nd"]> {
  const type = (d[at + S_L4] as number) & 0xff;
  const flags = d[at + S_PORTS] as number;
  const lladdr = d[at + S_INFO2] as number;
  const letters = `${flags & ND_ROUTER ? "R" : ""}${flags & ND_SOLICITED ? "S" : ""}${flags & ND_OVERRIDE ? "O" : ""}`;
  const option = type === NDISC_NEIGHBOUR_ADVERTISEMENT || type === NDISC_REDIRECT ? "tll" : "sll";
  return {
    type,
    ...(type > NDISC_ROUTER_SOLICITATION + 1 ? { target: formatOnPath(6, d[at + S_INFO] as number) } : {}),
    ...(type === NDISC_REDIRECT ? { dst: formatOnPath(6, d[at + S_SEQ] as number) } : {}),
    ...(lladdr === MAC_ZERO ? {} : { [option]: formatMac(lladdr) }),
    ...(letters === "" ? {} : { flags: letters }),
  };
}

const FLAG_LETTERS = "FSRPAUEC";

/** TCP flags as letters, in the order of `FSRPAUEC`. */
export function flagLetters(flags: number): string {
  let text = "";
  for (let bit = 0; bit < FLAG_LETTERS.length; bit++)
    if ((flags & (1 << bit)) !== 0) text += FLAG_LETTERS[bit];
  return text;
}

/** Letters back to flags; undefined when one is no flag. */
export function parseFlagLetters(text: string): number | undefined {
  let flags = 0;
  for (const letter of text.toUpperCase()) {
    const bit = FLAG_LETTERS.indexOf(letter);
    if (bit < 0) return undefined;
    flags |= 1 << bit;
  }
  return flags;
}
