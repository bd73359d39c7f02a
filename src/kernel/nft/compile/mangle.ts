import { headerRewritten } from "../../../packet/checksum.ts";
import {
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  PACKET_OTHERHOST,
  type Packet,
} from "../../../packet/packet.ts";
import { hasPorts } from "../../../packet/ports.ts";
import { bitsOf, blankTcpOptions, TCPOPT_MSS } from "../../../packet/tcp-options.ts";
import { LABEL_WORDS } from "../../conntrack/extensions.ts";
import { CT_NONE } from "../../conntrack/status.ts";
import { NO_TEMPLATE, type ZoneDirection, zoneOf } from "../../conntrack/zone.ts";
import type { NftExpression } from "../expression.ts";
import type { NftStatement } from "../statement.ts";
import { compileLoad } from "./load.ts";
import { TCP_OPTIONS } from "./load-exthdr.ts";
import { addressIn } from "./load-payload.ts";
import { segmentSizeOfRoute } from "./load-rt.ts";
import type { NftRun } from "./nft-run.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";

/** Writes the value in the first registers; false: there is nothing to write it into. Runs per packet. */
type Write = (run: NftRun, value: number) => boolean;

const META: Readonly<Record<string, Write>> = {
  mark: ({ packet }, value) => {
    packet.mark = value;
    return true;
  },
  pkttype: ({ packet }, value) => {
    // `skb_pkt_type_ok`: only among those that a frame can be addressed to.
    if (value <= PACKET_OTHERHOST && packet.pktType <= PACKET_OTHERHOST) packet.pktType = value;
    return true;
  },
  // What nothing here reads.
  nftrace: () => true,
  priority: () => true,
};

const CT: Readonly<Record<string, Write>> = {
  mark: ({ packet, stack }, value) => {
    if (packet.ct !== CT_NONE && packet.ct >= 0) stack.conntrack.setMark(packet.ct, value);
    return true;
  },
  label: ({ packet, stack, regs }) => {
    if (packet.ct < 0) return true;
    for (let label = 0; label < LABEL_WORDS * 32; label++) {
      if (((regs[label >> 5] as number) & (1 << (label & 31))) !== 0)
        stack.conntrack.extensions.setLabel(packet.ct, label);
    }
    return true;
  },
  event: () => true,
};

/** `nft_ct_set_zone_eval`: too late where the packet has a connection, or a zone, already. */
function setZone(direction: ZoneDirection): Write {
  return ({ packet }, value) => {
    if (packet.ct >= 0 || packet.ctTemplate !== NO_TEMPLATE) return true;
    packet.ct = CT_NONE;
    packet.ctTemplate = zoneOf(value & 0xffff, direction);
    return true;
  };
}

type Put = (packet: Packet, value: number) => void;

const setDscp: Put = (packet, value) => {
  packet.tos = (packet.tos & 3) | ((value & 0x3f) << 2);
  headerRewritten(packet);
};
const setEcn: Put = (packet, value) => {
  packet.tos = (packet.tos & 0xfc) | (value & 3);
  headerRewritten(packet);
};
const setHopCount: Put = (packet, value) => {
  packet.ttl = value & 0xff;
  headerRewritten(packet);
};

const setFlowLabel: Put = (packet, value) => {
  packet.flowLabel = value & 0xfffff;
  packet.unlabelled = packet.flowLabel === 0;
  headerRewritten(packet);
};

/** A field of one family's header. */
function header(family: 4 | 6, put: Put): Write {
  return ({ packet }, value) => {
    if (packet.family !== family) return false;
    put(packet, value);
    return true;
  };
}

/** An address of IPv6, from four registers. */
function address6(put: Put): Write {
  return ({ packet, regs }) => {
    if (packet.family !== 6) return false;
    put(packet, addressIn(regs, 0));
    return true;
  };
}

const setSaddr: Put = (packet, value) => {
  packet.src = value;
};
const setDaddr: Put = (packet, value) => {
  packet.dst = value;
};

const PAYLOAD: Readonly<Record<string, Write>> = {
  "ip ttl": header(4, setHopCount),
  "ip dscp": header(4, setDscp),
  "ip ecn": header(4, setEcn),
  "ip saddr": header(4, setSaddr),
  "ip daddr": header(4, setDaddr),
  "ip6 hoplimit": header(6, setHopCount),
  "ip6 dscp": header(6, setDscp),
  "ip6 ecn": header(6, setEcn),
  "ip6 flowlabel": header(6, setFlowLabel),
  "ip6 saddr": address6(setSaddr),
  "ip6 daddr": address6(setDaddr),
  "ether saddr": ({ packet }, value) => {
    packet.ethSrc = value;
    return true;
  },
  "ether daddr": ({ packet }, value) => {
    packet.ethDst = value;
    return true;
  },
  "tcp sport": setSource(IPPROTO_TCP),
  "tcp dport": setDestination(IPPROTO_TCP),
  "udp sport": setSource(IPPROTO_UDP),
  "udp dport": setDestination(IPPROTO_UDP),
  "sctp sport": setSource(IPPROTO_SCTP),
  "sctp dport": setDestination(IPPROTO_SCTP),
  "th sport": setSource(0),
  "th dport": setDestination(0),
};

/** Are ports of a protocol, 0: of any that has some, in the packet? */
function hasPortsOf(packet: Packet, protocol: number): boolean {
  if (packet.fragOffset !== 0) return false;
  return protocol === 0 ? hasPorts(packet.protocol) : packet.protocol === protocol;
}

function setSource(protocol: number): Write {
  return ({ packet }, value) => {
    if (!hasPortsOf(packet, protocol)) return false;
    packet.sport = value;
    return true;
  };
}

function setDestination(protocol: number): Write {
  return ({ packet }, value) => {
    if (!hasPortsOf(packet, protocol)) return false;
    packet.dport = value;
    return true;
  };
}

/** `meta mark set`, `ct mark set`, `ip dscp set`, …; null: the walk does not know what is set. */
export function compileMangle({ key, value }: Extract<NftStatement, { kind: "mangle" }>): Step | null {
  if (key.kind === "other" && key.text === "tcp option maxseg size") return setSegmentSize(value);
  const from = compileLoad(value);
  let write: Write | undefined;
  if (key.kind === "meta") write = own(META, key.key);
  else if (key.kind === "ct" && key.key === "zone")
    write = setZone(key.direction === null ? "both" : key.direction === "reply" ? "reply" : "orig");
  else if (key.kind === "ct" && key.direction === null) write = own(CT, key.key);
  else if (key.kind === "payload") write = own(PAYLOAD, `${key.protocol} ${key.field}`);
  if (from === null || write === undefined) return null;
  const set = write;
  return (run) => (from.load(run, 0) && set(run, run.regs[0] as number) ? NFT_CONTINUE : NFT_BREAK);
}

function own(table: Readonly<Record<string, Write>>, key: string): Write | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** `nft_exthdr_tcp_set_eval`, `nft_rt_get_eval`: an option that is there is lowered, never raised. null: to what is not known. */
function setSegmentSize(value: NftExpression): Step | null {
  const size = value.kind === "constant" && typeof value.value === "number" ? value.value : null;
  if (size === null && !(value.kind === "rt" && value.key === "mtu")) return null;
  return ({ packet, stack }) => {
    if (packet.protocol !== IPPROTO_TCP || packet.fragOffset !== 0) return NFT_BREAK;
    if (size === null && packet.rtDev < 0) return NFT_BREAK;
    const most = size ?? segmentSizeOfRoute(stack, packet);
    if (packet.mss !== 0) packet.mss = Math.min(packet.mss, most);
    return NFT_CONTINUE;
  };
}

const TCP_OPTION = "tcp option ";

/** `nft_exthdr_tcp_strip_eval`. null: an option that is not known here. */
export function compileResetOption({ option }: Extract<NftStatement, { kind: "reset-option" }>): Step | null {
  const name = option.kind === "other" ? option.text : "";
  const words = name.startsWith(TCP_OPTION) ? name.slice(TCP_OPTION.length) : "";
  const number = Object.hasOwn(TCP_OPTIONS, words) ? TCP_OPTIONS[words] : undefined;
  // Selective acknowledgements themselves are never sent here.
  if (number === undefined && !words.startsWith("sack")) return null;
  const isSize = number === TCPOPT_MSS;
  const others = number === undefined ? 0 : bitsOf([number]);
  return ({ packet }) => {
    if (packet.protocol !== IPPROTO_TCP || packet.fragOffset !== 0) return NFT_BREAK;
    if (isSize) packet.mss = 0;
    blankTcpOptions(packet, others);
    return NFT_CONTINUE;
  };
}
