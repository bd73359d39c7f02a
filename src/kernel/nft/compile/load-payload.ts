import {
  ETH_P_IP,
  IPPROTO_ICMP,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Packet,
} from "../../../packet/packet.ts";
import type { NftExpression } from "../expression.ts";
import type { Read } from "./read.ts";

/**
 * Fields of headers (`nft_payload`). A header that the packet does not have makes the rule break, which is also what the
 * comparison with its protocol does that nft puts before a field and does not print.
 */

const IPPROTO_DCCP = 33;
const IPPROTO_UDPLITE = 136;

type Field = (packet: Packet) => number;

const IP: Readonly<Record<string, Field>> = {
  version: () => 4,
  hdrlength: () => 5,
  dscp: (packet) => packet.tos >> 2,
  ecn: (packet) => packet.tos & 3,
  length: (packet) => packet.length,
  id: (packet) => packet.id,
  "frag-off": (packet) => (packet.df ? 0x4000 : 0) | (packet.mf ? 0x2000 : 0) | (packet.fragOffset >> 3),
  ttl: (packet) => packet.ttl,
  protocol: (packet) => packet.protocol,
  saddr: (packet) => packet.src,
  daddr: (packet) => packet.dst,
};

const PORTS: Readonly<Record<string, Field>> = {
  sport: (packet) => packet.sport,
  dport: (packet) => packet.dport,
};

const TCP: Readonly<Record<string, Field>> = {
  ...PORTS,
  flags: (packet) => packet.tcpFlags,
  sequence: (packet) => packet.seq,
  ackseq: (packet) => packet.ack,
};

const ICMP: Readonly<Record<string, Field>> = {
  type: (packet) => packet.icmpType,
  code: (packet) => packet.icmpCode,
  id: (packet) => packet.icmpId,
  sequence: (packet) => packet.icmpSeq,
  gateway: (packet) => packet.icmpInfo,
  mtu: (packet) => packet.icmpInfo & 0xffff,
};

const ETHER: Readonly<Record<string, Field>> = {
  saddr: (packet) => packet.ethSrc,
  daddr: (packet) => packet.ethDst,
  type: (packet) => packet.ethType,
};

interface Transport {
  readonly protocol: number;
  readonly fields: Readonly<Record<string, Field>>;
}

const TRANSPORTS: Readonly<Record<string, Transport>> = {
  tcp: { protocol: IPPROTO_TCP, fields: TCP },
  udp: {
    protocol: IPPROTO_UDP,
    fields: { ...PORTS, length: (packet) => packet.length - 20 },
  },
  udplite: { protocol: IPPROTO_UDPLITE, fields: PORTS },
  sctp: { protocol: IPPROTO_SCTP, fields: PORTS },
  dccp: { protocol: IPPROTO_DCCP, fields: PORTS },
  icmp: { protocol: IPPROTO_ICMP, fields: ICMP },
};

/** Headers that no packet of the walk has. */
const ABSENT: ReadonlySet<string> = new Set(["ip6", "icmpv6", "arp", "vlan"]);

/** null: the walk does not know the field. */
export function compilePayload(protocol: string, field: string): Read | null {
  if (ABSENT.has(protocol)) return () => false;
  if (protocol === "ip") return compileIp(own(IP, field));
  if (protocol === "ether") return compileEther(own(ETHER, field));
  if (protocol === "th") return compileTransport(own(PORTS, field), field);
  const transport = Object.hasOwn(TRANSPORTS, protocol) ? TRANSPORTS[protocol] : undefined;
  const read = transport === undefined ? undefined : own(transport.fields, field);
  if (transport === undefined || read === undefined) return null;
  const wanted = transport.protocol;
  return (run, at) => {
    const { packet } = run;
    if (packet.protocol !== wanted || packet.fragOffset !== 0 || packet.ethType !== ETH_P_IP) return false;
    run.regs[at] = read(packet);
    return true;
  };
}

function own(fields: Readonly<Record<string, Field>>, field: string): Field | undefined {
  return Object.hasOwn(fields, field) ? fields[field] : undefined;
}

function compileIp(read: Field | undefined): Read | null {
  if (read === undefined) return null;
  return (run, at) => {
    const { packet } = run;
    if (packet.family !== 4 || packet.ethType !== ETH_P_IP) return false;
    run.regs[at] = read(packet);
    return true;
  };
}

function compileEther(read: Field | undefined): Read | null {
  if (read === undefined) return null;
  return (run, at) => {
    const { packet } = run;
    if (!packet.framed) return false;
    run.regs[at] = read(packet);
    return true;
  };
}

/**
 * `th sport` and `th dport` read whatever lies at the ports' place: of ICMP its type and code, and its checksum, which is
 * equal to nothing that a rule set could mean.
 */
function compileTransport(read: Field | undefined, field: string): Read | null {
  if (read === undefined) return null;
  const isSource = field === "sport";
  return (run, at) => {
    const { packet } = run;
    if (packet.fragOffset !== 0 || packet.ethType !== ETH_P_IP) return false;
    if (packet.protocol === IPPROTO_ICMP) {
      run.regs[at] = isSource ? (packet.icmpType << 8) | packet.icmpCode : -1;
    } else run.regs[at] = read(packet);
    return true;
  };
}

/** The field that raw bits are; null where they are none that has a name here. */
export function payloadOfRaw({
  base,
  offset,
  length,
}: Extract<NftExpression, { kind: "raw-payload" }>): readonly [protocol: string, field: string] | null {
  const at = `${base},${offset},${length}`;
  return Object.hasOwn(RAW, at) ? (RAW[at] ?? null) : null;
}

const RAW: Readonly<Record<string, readonly [string, string]>> = {
  "nh,16,16": ["ip", "length"],
  "nh,32,16": ["ip", "id"],
  "nh,48,16": ["ip", "frag-off"],
  "nh,64,8": ["ip", "ttl"],
  "nh,72,8": ["ip", "protocol"],
  "nh,96,32": ["ip", "saddr"],
  "nh,128,32": ["ip", "daddr"],
  "th,0,16": ["th", "sport"],
  "th,16,16": ["th", "dport"],
};
