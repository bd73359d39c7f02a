import { formatIpv4 } from "../../address/ipv4.ts";
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  INNER_DATAGRAM,
  IPPROTO_ICMPV6,
  IPPROTO_UDP,
  isNeighbourDiscovery,
  type Packet,
} from "../../packet/packet.ts";
import { type Decoded, decodeFrame, decodeIp } from "../../packet/wire/frame.ts";
import { IPV6_HEADER } from "../../packet/wire/ipv6.ts";
import { UDP_HEADER } from "../../packet/wire/udp.ts";
import { VXLAN_HEADER, VXLAN_PORTS } from "../../packet/wire/vxlan.ts";
import { FIRST_DISCOVERY } from "../excused.ts";
import type { RecordedArp, RecordedFrame, RecordedNdp } from "../recorded.ts";
import { recordedForm } from "../recorded-form.ts";
import type { CapturedFrame } from "./capture.ts";
import { packetIdentity } from "./packet-identity.ts";

/** A captured frame and the packet it is. */
export interface Decoding {
  readonly frame: CapturedFrame;
  readonly packet: Packet;
}

const IPPROTO_IGMP = 2;
/** Multicast listener queries, reports of both versions and dones (RFC 3810 5, RFC 2710 3). */
const MULTICAST_LISTENER: ReadonlySet<number> = new Set([130, 131, 132, 143]);

/**
 * The packet that a frame holds; null for what is none of the model's business: neither IP nor ARP, and what hosts tell of
 * their own memberships of groups.
 */
export function decodeCaptured(
  frame: CapturedFrame,
  vxlanPorts: readonly number[],
  tunPorts: readonly number[] = [],
): Packet | null {
  const ports = [...VXLAN_PORTS, ...vxlanPorts, ...tunnelPort(frame)];
  const decoded: Decoded = frame.framed ? decodeFrame(frame.bytes, ports) : decodeIp(frame.bytes, ports);
  if (decoded.kind === "ok" && tunPorts.length > 0) openDatagram(frame, decoded.packet, tunPorts, ports);
  if (decoded.kind !== "ok" || isMembership(decoded.packet.inner ?? decoded.packet)) return null;
  decoded.packet.framed = frame.framed;
  return decoded.packet;
}

/** A datagram to a daemon with a TUN holds a packet. */
function openDatagram(
  { bytes, framed }: CapturedFrame,
  packet: Packet,
  tunPorts: readonly number[],
  ports: readonly number[],
): void {
  if (packet.protocol !== IPPROTO_UDP || packet.family === 6 || packet.fragOffset !== 0) return;
  if (!tunPorts.includes(packet.dport)) return;
  const at = (framed ? ETHERNET_HEADER : 0) + packet.length - packet.payload;
  const inner = decodeIp(bytes.subarray(at), ports);
  if (inner.kind !== "ok") return;
  packet.inner = inner.packet;
  packet.encapsulation = INNER_DATAGRAM;
}

/** A host tells a group of it; what a probe made by hand is for somebody. */
function isMembership({ protocol, icmpType, dst }: Packet): boolean {
  return (
    (protocol === IPPROTO_IGMP && dst >>> 28 === MULTICAST) ||
    (protocol === IPPROTO_ICMPV6 && MULTICAST_LISTENER.has(icmpType))
  );
}

/** 224.0.0.0/4 */
const MULTICAST = 14;
const ETHERNET_HEADER = 14;
const VXLAN_FLAGS = 0x0800_0000;
const ETHERTYPES: ReadonlySet<number> = new Set([ETH_P_IP, ETH_P_ARP, ETH_P_IPV6]);

/** A tunnel's packet whose destination port a rule has translated is known by its header: no probe's payload looks so. */
function tunnelPort({ bytes, framed }: CapturedFrame): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ip = framed ? ETHERNET_HEADER : 0;
  if (view.byteLength <= ip) return [];
  const isOf6 = view.getUint8(ip) >> 4 === 6;
  const udp = ip + (isOf6 ? IPV6_HEADER : (view.getUint8(ip) & 15) * 4);
  const inner = udp + UDP_HEADER + VXLAN_HEADER;
  if (view.byteLength < inner + ETHERNET_HEADER) return [];
  if (view.getUint8(ip + (isOf6 ? 6 : 9)) !== IPPROTO_UDP) return [];
  if (!isOf6 && (view.getUint16(ip + 6) & 0x1fff) !== 0) return [];
  const isTunnel =
    view.getUint32(udp + UDP_HEADER) === VXLAN_FLAGS && ETHERTYPES.has(view.getUint16(inner + 12));
  return isTunnel ? [view.getUint16(udp + 2)] : [];
}

/**
 * IP frames as a recording has them, packets numbered in the order in which they first appear; neighbour discovery apart,
 * with numbers of its own.
 *
 * @param movesSequences as of `packetIdentity`
 */
export function numbered(
  decodings: readonly Decoding[],
  movesSequences = false,
): {
  readonly frames: RecordedFrame[];
  readonly ndp: RecordedNdp[];
} {
  const known = (packet: Packet): string => packetIdentity(packet, movesSequences);
  const frames = frameNumbers(decodings, 1, (packet) => !isApart(packet), known);
  const ndp = frameNumbers(decodings, FIRST_DISCOVERY, isNeighbourDiscovery, known);
  return { frames, ndp };
}

function isApart(packet: Packet): boolean {
  return packet.ethType === ETH_P_ARP || isNeighbourDiscovery(packet);
}

function frameNumbers(
  decodings: readonly Decoding[],
  first: number,
  isMeant: (packet: Packet) => boolean,
  identityOf: (packet: Packet) => string,
): RecordedFrame[] {
  const numbers = new Map<string, number>();
  const begin = decodings[0]?.frame.time ?? 0;
  return decodings
    .filter(({ packet }) => isMeant(packet))
    .map(({ frame, packet }) => {
      const identity = identityOf(packet);
      const pkt = numbers.get(identity) ?? numbers.size + first;
      numbers.set(identity, pkt);
      return {
        t: Math.round(frame.time - begin),
        ns: frame.host,
        if: frame.device,
        dir: frame.direction,
        pkt,
        ...recordedForm(packet),
      };
    });
}

export function askedAndAnswered(decodings: readonly Decoding[]): RecordedArp[] {
  const begin = decodings[0]?.frame.time ?? 0;
  return decodings.flatMap(({ frame, packet }) =>
    packet.ethType !== ETH_P_ARP
      ? []
      : [
          {
            t: Math.round(frame.time - begin),
            ns: frame.host,
            if: frame.device,
            dir: frame.direction,
            arp: { op: packet.arpOp, spa: formatIpv4(packet.src), tpa: formatIpv4(packet.dst) },
          },
        ],
  );
}
