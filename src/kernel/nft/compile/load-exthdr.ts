import { ETH_P_ARP, IPPROTO_TCP, type Packet } from "../../../packet/packet.ts";
import {
  hasTcpOption,
  TCPOPT_MSS,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
} from "../../../packet/tcp-options.ts";
import { IPV6_HEADER, ipv6HeaderLength } from "../../../packet/wire/ipv6.ts";
import { knownBytes } from "../../../packet/wire/known-bytes.ts";
import { loadKnownBits } from "./known-bits.ts";
import type { Read } from "./read.ts";

/**
 * IPv6's extension headers (`nft_exthdr_ipv6_eval`): the first of a kind that a packet has. An expression of them is kept in nft's
 * words: `frag id`, `hbh nexthdr`, `exthdr frag`.
 */

interface Header {
  readonly protocol: number;
  /** First bit and length of its fields. */
  readonly fields: Readonly<Record<string, readonly [number, number]>>;
  /** Of a routing header: which type nft asks for before it reads. */
  readonly type?: number;
}

const NEXT = { nexthdr: [0, 8], hdrlength: [8, 8] } as const;
const ROUTING = { ...NEXT, type: [16, 8], "seg-left": [24, 8] } as const;

const HEADERS: Readonly<Record<string, Header>> = {
  hbh: { protocol: 0, fields: NEXT },
  dst: { protocol: 60, fields: NEXT },
  rt: { protocol: 43, fields: ROUTING },
  rt0: { protocol: 43, type: 0, fields: { ...ROUTING, reserved: [32, 32] } },
  rt2: { protocol: 43, type: 2, fields: { ...ROUTING, reserved: [32, 32] } },
  rt4: {
    ...{ protocol: 43, type: 4 },
    fields: { ...ROUTING, "last-entry": [32, 8], flags: [40, 8], tag: [48, 16] },
  },
  srh: { protocol: 43, type: 4, fields: { "last-entry": [32, 8], flags: [40, 8], tag: [48, 16] } },
  mh: { protocol: 135, fields: { ...NEXT, type: [16, 8], reserved: [24, 8], checksum: [32, 16] } },
  frag: { protocol: 44, fields: {} },
};

const FRAGMENT: Readonly<Record<string, (packet: Packet) => number>> = {
  nexthdr: (packet) => packet.protocol,
  reserved: () => 0,
  "frag-off": (packet) => packet.fragOffset >> 3,
  reserved2: () => 0,
  "more-fragments": (packet) => (packet.mf ? 1 : 0),
  id: (packet) => packet.id,
};

/** TCP's options by nft's names. */
export const TCP_OPTIONS: Readonly<Record<string, number>> = {
  maxseg: TCPOPT_MSS,
  window: TCPOPT_WINDOW,
  "sack-perm": TCPOPT_SACK_PERM,
  "sack-permitted": TCPOPT_SACK_PERM,
  timestamp: TCPOPT_TIMESTAMP,
};

/** null: the words are not of an extension header or an option, or of a field nobody knows. */
export function compileExthdr(text: string): Read | null {
  const [head = "", field = "", name = "", ...more] = text.split(" ");
  if (field === "option") return compileOption(head, name, more[0]);
  if (head === "exthdr") return Object.hasOwn(HEADERS, field) ? compilePresence(HEADERS[field] as Header) : null;
  const header = Object.hasOwn(HEADERS, head) ? HEADERS[head] : undefined;
  if (header === undefined) return null;
  if (head !== "frag") return compileField(header, field);
  const read = Object.hasOwn(FRAGMENT, field) ? FRAGMENT[field] : undefined;
  if (read === undefined) return null;
  return (run, at) => {
    const { packet } = run;
    if (packet.family !== 6 || !packet.isFragment) return false;
    run.regs[at] = read(packet);
    return true;
  };
}

/** `NFT_EXTHDR_F_PRESENT` */
function compilePresence({ protocol }: Header): Read {
  return ({ packet, regs }, at) => {
    if (packet.family !== 6) return false;
    regs[at] = protocol === 44 ? Number(packet.isFragment) : Number(placeOf(packet, protocol) >= 0);
    return true;
  };
}

function compileField({ protocol, fields, type }: Header, field: string): Read | null {
  const place = Object.hasOwn(fields, field) ? fields[field] : undefined;
  if (place === undefined) return null;
  const [offset, length] = place;
  return (run, at) => {
    const { packet } = run;
    const start = packet.family === 6 ? placeOf(packet, protocol) : -1;
    if (start < 0) return false;
    const of = knownBytes(packet);
    if (type !== undefined && of.bytes[start + 2] !== type) return false;
    return loadKnownBits(run, at, of, start, offset, length);
  };
}

/** `ipv6_find_hdr`: where a header begins, bytes from IPv6's own; -1 where there is none. What is carried may be one too. */
function placeOf(packet: Packet, protocol: number): number {
  let at = IPV6_HEADER;
  for (const extension of packet.extensions) {
    if (extension.protocol === protocol) return at;
    at += extension.bytes.length;
  }
  return packet.protocol === protocol && packet.fragOffset === 0 ? ipv6HeaderLength(packet) : -1;
}

const segmentSize: Read = ({ packet, regs }, at) => {
  regs[at] = packet.mss;
  return hasTcpOption(packet, TCPOPT_MSS);
};

/** `nft_exthdr_tcp_eval`, `nft_exthdr_ipv4_eval`: packets have no options of IP here, and of TCP's the segment size alone has a value. */
function compileOption(protocol: string, name: string, field: string | undefined): Read | null {
  if (protocol === "ip") {
    return (run, at) => {
      const { packet } = run;
      if (field !== undefined || packet.family !== 4 || packet.ethType === ETH_P_ARP) return false;
      run.regs[at] = 0;
      return true;
    };
  }
  const option = protocol === "tcp" && Object.hasOwn(TCP_OPTIONS, name) ? TCP_OPTIONS[name] : undefined;
  if (option === TCPOPT_MSS && field === "size") return segmentSize;
  if (option === undefined || field !== undefined) return null;
  return (run, at) => {
    const { packet } = run;
    const isTcp = packet.protocol === IPPROTO_TCP && packet.fragOffset === 0 && packet.ethType !== ETH_P_ARP;
    // What is no TCP lacks the option as well (`NFT_EXTHDR_F_PRESENT`).
    run.regs[at] = Number(isTcp && hasTcpOption(packet, option));
    return true;
  };
}
