import { ETH_P_ARP, IPPROTO_TCP, type Packet } from "../../../packet/packet.ts";
import {
  hasTcpOption,
  TCPOPT_MSS,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
} from "../../../packet/tcp-options.ts";
import type { Read } from "./read.ts";

/**
 * IPv6's extension headers (`nft_exthdr_ipv6_eval`). Packets have none here but a fragment's. An expression of them is kept in
 * nft's words: `frag id`, `hbh nexthdr`, `exthdr frag`.
 */

const HEADERS: ReadonlySet<string> = new Set(["hbh", "rt", "rt0", "rt2", "rt4", "frag", "dst", "mh", "srh"]);

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
  if (head === "exthdr" && HEADERS.has(field)) {
    return (run, at) => {
      if (run.packet.family !== 6) return false;
      run.regs[at] = field === "frag" && run.packet.isFragment ? 1 : 0;
      return true;
    };
  }
  if (!HEADERS.has(head)) return null;
  if (head !== "frag") return () => false;
  const read = Object.hasOwn(FRAGMENT, field) ? FRAGMENT[field] : undefined;
  if (read === undefined) return null;
  return (run, at) => {
    const { packet } = run;
    if (packet.family !== 6 || !packet.isFragment) return false;
    run.regs[at] = read(packet);
    return true;
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
