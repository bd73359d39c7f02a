import { type Extension, extensionBytes } from "../../../packet/extension.ts";
import { ETH_P_ARP, IPPROTO_AH, type Packet } from "../../../packet/packet.ts";
import { IPV4_HEADER } from "../../../packet/wire/ipv4.ts";
import { IPV6_HEADER, ipv6HeaderLength } from "../../../packet/wire/ipv6.ts";
import { knownBytes } from "../../../packet/wire/known-bytes.ts";
import { loadKnownBits } from "./known-bits.ts";
import { loadOfLaterFragment } from "./later-fragment.ts";
import type { NftRun } from "./nft-run.ts";
import type { Read } from "./read.ts";

/**
 * Fields that a packet here holds in no number of its own: they are read off its bytes (`nft_payload_eval`), as far as those are
 * known. Identifications, sequences, windows and checksums are the kernel's; what a hand-made packet carries is known whole.
 */

/** First bit and length of fields. */
type Places = Readonly<Record<string, readonly [number, number]>>;

interface Header {
  readonly protocol: number;
  /** 0: in either family. */
  readonly family: 4 | 6 | 0;
  readonly places: Places;
}

const PORTS: Places = { sport: [0, 16], dport: [16, 16] };

/** Of IP itself, by family. */
const IP: Places = { id: [32, 16], checksum: [80, 16] };
const IP6: Places = { flowlabel: [12, 20] };

const CARRIED: Readonly<Record<string, Header>> = {
  tcp: { protocol: 6, family: 0, places: { sequence: [32, 32], window: [112, 16], checksum: [128, 16] } },
  udp: { protocol: 17, family: 0, places: { checksum: [48, 16] } },
  udplite: { protocol: 136, family: 0, places: { ...PORTS, csumcov: [32, 16], checksum: [48, 16] } },
  sctp: { protocol: 132, family: 0, places: { vtag: [32, 32], checksum: [64, 32] } },
  dccp: { protocol: 33, family: 0, places: { ...PORTS, type: [67, 4] } },
  icmp: { protocol: 1, family: 4, places: { checksum: [16, 16] } },
  icmpv6: { protocol: 58, family: 6, places: { checksum: [16, 16] } },
  igmp: {
    ...{ protocol: 2, family: 0 },
    places: { type: [0, 8], mrt: [8, 8], checksum: [16, 16], group: [32, 32] },
  },
  ah: {
    ...{ protocol: 51, family: 0 },
    places: { nexthdr: [0, 8], hdrlength: [8, 8], reserved: [16, 16], spi: [32, 32], sequence: [64, 32] },
  },
  esp: { protocol: 50, family: 0, places: { spi: [0, 32], sequence: [32, 32] } },
  comp: { protocol: 108, family: 0, places: { nexthdr: [0, 8], flags: [8, 8], cpi: [16, 16] } },
};

/** null: no such field is known. */
export function compileHeaderBits(protocol: string, field: string): Read | null {
  if (protocol === "ip") return ofIp(4, placeIn(IP, field));
  if (protocol === "ip6") return ofIp(6, placeIn(IP6, field));
  const header = Object.hasOwn(CARRIED, protocol) ? CARRIED[protocol] : undefined;
  const place = header === undefined ? null : placeIn(header.places, field);
  if (header === undefined || place === null) return null;
  const [offset, length] = place;
  return (run, at) => {
    const { packet } = run;
    if (transportOf(packet) !== header.protocol || packet.ethType === ETH_P_ARP) return false;
    if (header.family !== 0 && packet.family !== header.family) return false;
    return loadCarried(run, at, offset, length);
  };
}

function placeIn(places: Places, field: string): readonly [number, number] | null {
  return Object.hasOwn(places, field) ? (places[field] ?? null) : null;
}

function ofIp(family: 4 | 6, place: readonly [number, number] | null): Read | null {
  if (place === null) return null;
  const [offset, length] = place;
  return (run, at) => {
    const { packet } = run;
    if (packet.family !== family || packet.ethType === ETH_P_ARP) return false;
    return loadKnownBits(run, at, knownBytes(packet), 0, offset, length);
  };
}

/** Up to 32 bits of what IP carries into a register. False: the packet ends before. Runs per packet that a rule reads so. */
export function loadCarried(run: NftRun, at: number, offset: number, length: number): boolean {
  const { packet } = run;
  if (packet.fragOffset !== 0) return loadOfLaterFragment(run, at, offset, length);
  return loadKnownBits(run, at, knownBytes(packet), carriedAt(packet), offset, length);
}

/**
 * `nft_set_pktinfo_ipv6`: what nftables takes for a packet's transport: an authentication header is one (IP6_FH_F_AUTH), whatever
 * stands behind it. Runs per packet.
 */
export function transportOf({ extensions, protocol }: Packet): number {
  return extensions.length > 0 && isAuthenticated(extensions) ? IPPROTO_AH : protocol;
}

function isAuthenticated(extensions: readonly Extension[]): boolean {
  return extensions.some((extension) => extension.protocol === IPPROTO_AH);
}

/** Where that begins, bytes from the IP header. */
export function carriedAt(packet: Packet): number {
  if (packet.family !== 6) return IPV4_HEADER;
  const { extensions } = packet;
  if (extensions.length === 0 || !isAuthenticated(extensions)) return ipv6HeaderLength(packet);
  const before = extensions.slice(
    0,
    extensions.findIndex(({ protocol }) => protocol === IPPROTO_AH),
  );
  return IPV6_HEADER + extensionBytes(before);
}
