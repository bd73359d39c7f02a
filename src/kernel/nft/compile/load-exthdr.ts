import { ETH_P_ARP, IPPROTO_TCP } from "../../../packet/packet.ts";
import {
  hasTcpOption,
  TCPOPT_MSS,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
} from "../../../packet/tcp-options.ts";
import { DESTINATION_OPTIONS, FRAGMENT, findHeader, HOP_BY_HOP, ROUTING } from "../../../packet/wire/ipv6.ts";
import { knownBytes } from "../../../packet/wire/known-bytes.ts";
import { loadKnownBits } from "./known-bits.ts";
import type { Load, Read } from "./read.ts";

/**
 * IPv6's extension headers (`nft_exthdr_ipv6_eval`). An expression of them is kept in nft's words: `frag id`, `hbh nexthdr`,
 * `exthdr frag`.
 */

const MOBILITY = 135;

type Fields = Readonly<Record<string, readonly [offset: number, length: number]>>;

const EVERY: Fields = { nexthdr: [0, 8], hdrlength: [8, 8] };
const ROUTED: Fields = { ...EVERY, type: [16, 8], "seg-left": [24, 8] };

/** By nft's name the header's number, and its fields: first bit and length. */
const HEADERS: Readonly<Record<string, readonly [protocol: number, fields: Fields]>> = {
  hbh: [HOP_BY_HOP, EVERY],
  dst: [DESTINATION_OPTIONS, EVERY],
  rt: [ROUTING, ROUTED],
  rt0: [ROUTING, {}],
  rt2: [ROUTING, { addr: [64, 128] }],
  rt4: [ROUTING, {}],
  srh: [ROUTING, { "last-entry": [32, 8], flags: [40, 8], tag: [48, 16] }],
  frag: [
    FRAGMENT,
    {
      ...{ nexthdr: [0, 8], reserved: [8, 8], "frag-off": [16, 13], reserved2: [29, 2] },
      ...{ "more-fragments": [31, 1], id: [32, 32] },
    },
  ],
  mh: [MOBILITY, { ...EVERY, type: [16, 8], reserved: [24, 8], checksum: [32, 16] }],
};

/** Where the addresses of a routing header begin, in bits, each of 128. */
const FIRST_ADDRESS = 64;

/** TCP's options by nft's names. */
export const TCP_OPTIONS: Readonly<Record<string, number>> = {
  maxseg: TCPOPT_MSS,
  window: TCPOPT_WINDOW,
  "sack-perm": TCPOPT_SACK_PERM,
  "sack-permitted": TCPOPT_SACK_PERM,
  timestamp: TCPOPT_TIMESTAMP,
};

/** null: the words are not of an extension header or an option, or of a field nobody knows. */
export function compileExthdr(text: string): Load | null {
  const [head = "", field = "", name = "", ...more] = text.split(" ");
  if (field === "option") return scalar(compileOption(head, name, more[0]));
  if (head === "exthdr") {
    const number = headerOf(field)?.[0];
    return number === undefined ? null : scalar(isThere(number));
  }
  const header = headerOf(head);
  const place = header === undefined ? null : placeOf(head, header[1], field);
  return header === undefined || place === null ? null : fieldOf(header[0], ...place);
}

function scalar(read: Read | null): Load | null {
  return read === null ? null : { words: 1, load: read };
}

function headerOf(name: string): (typeof HEADERS)[string] | undefined {
  return Object.hasOwn(HEADERS, name) ? HEADERS[name] : undefined;
}

/** An address of a routing header has its number in brackets, from 1. */
function placeOf(header: string, fields: Fields, field: string): readonly [number, number] | null {
  const number = /^(?:rt0 addr|rt4 sid|srh sid)\[(\d+)\]$/.exec(`${header} ${field}`)?.[1];
  if (number !== undefined && Number(number) > 0) return [FIRST_ADDRESS + 128 * (Number(number) - 1), 128];
  return (Object.hasOwn(fields, field) ? fields[field] : undefined) ?? null;
}

function isThere(protocol: number): Read {
  return ({ packet, regs }, at) => {
    if (packet.family !== 6 || packet.ethType === ETH_P_ARP) return false;
    regs[at] = Number(findHeader(packet, protocol) >= 0);
    return true;
  };
}

function fieldOf(protocol: number, offset: number, length: number): Load {
  const words = Math.ceil(length / 32);
  return {
    words,
    unsure: true,
    load: (run, at) => {
      const { packet } = run;
      const start = packet.family === 6 && packet.ethType !== ETH_P_ARP ? findHeader(packet, protocol) : -1;
      if (start < 0) return false;
      const known = knownBytes(packet);
      for (let i = 0; i < words; i++) {
        const bits = Math.min(32, length - 32 * i);
        if (!loadKnownBits(run, at + i, known, start, offset + 32 * i, bits)) return false;
      }
      return true;
    },
  };
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
