import type { RecordedPacket, RecordedProbe } from "./recorded.ts";
import { renumbered } from "./renumbered.ts";

/** An IPv6 header in a recording, in the place of `ip`. */
export interface RecordedIp6 {
  readonly src: string;
  readonly dst: string;
  readonly hlim: number;
  /** The header after all extension headers. */
  readonly proto: number;
  readonly len?: number;
  readonly frag?: { readonly id?: number; readonly off: number; readonly more: boolean };
}

/** The probe with the headers of IPv6 where, and as, those of IPv4 stand: a comparison reads one form. */
export function inOneForm(probe: RecordedProbe): RecordedProbe {
  const { frames } = probe;
  if (frames === undefined || !frames.some(holdsIpv6)) return probe;
  return renumbered({
    ...probe,
    frames: frames.map((frame) => ({ ...frame, ...packetInOneForm(frame) })),
  });
}

function holdsIpv6({ ip6, vxlan, ipip, datagram }: RecordedPacket): boolean {
  return (
    ip6 !== undefined || vxlan?.ip6 !== undefined || ipip?.ip6 !== undefined || datagram?.ip6 !== undefined
  );
}

/** The same of a single packet. */
export function packetInOneForm(packet: RecordedPacket): RecordedPacket {
  const { ip6, vxlan, ipip, datagram, icmp } = packet;
  return {
    ...packet,
    ...(ip6 === undefined ? {} : { ip: headerInOneForm(ip6) }),
    ...(vxlan === undefined ? {} : { vxlan: { ...packetInOneForm(vxlan), vni: vxlan.vni } }),
    ...(ipip === undefined ? {} : { ipip: packetInOneForm(ipip) }),
    ...(datagram === undefined ? {} : { datagram: packetInOneForm(datagram) }),
    ...(icmp?.orig === undefined ? {} : { icmp: { ...icmp, orig: packetInOneForm(icmp.orig) } }),
  };
}

function headerInOneForm({
  src,
  dst,
  hlim,
  proto,
  len,
  frag,
}: RecordedIp6): NonNullable<RecordedPacket["ip"]> {
  return {
    ...{ src, dst, ttl: hlim, proto },
    ...(len === undefined ? {} : { len }),
    ...(frag === undefined || !frag.more ? {} : { mf: true }),
    ...(frag === undefined || frag.off === 0 ? {} : { off: frag.off }),
  };
}
