/**
 * Why a packet ended, as a closed enumeration: the one table of numbers (for the tape), names (for JSON), dispositions and
 * sentences (`trace --reasons`). An addition is no break; a change of a name is.
 */
export type Disposition =
  | "DELIVERED"
  | "REFUSED"
  | "REJECTED"
  | "DROPPED"
  | "UNREACHABLE"
  | "TTL_EXCEEDED"
  | "TOO_BIG"
  | "NO_REPLY"
  | "LOOPED"
  | "UNKNOWN";

export interface ReasonEntry {
  readonly name: string;
  readonly disposition: Disposition;
  readonly sentence: string;
}

const TABLE = [
  ["answered", "DELIVERED", "The destination took the request and its answer came back."],
  ["arrived", "DELIVERED", "The packet arrived; nothing answers to it."],
  ["no-listener-tcp", "REFUSED", "No socket listens on that TCP port; the host answered with a reset."],
  [
    "no-listener-udp",
    "REFUSED",
    "No socket listens on that UDP port; the host answered with an ICMP port unreachable.",
  ],
  ["no-listener-sctp", "REFUSED", "Nothing listens on the SCTP port; the host answered with an ABORT."],
  ["no-protocol", "REFUSED", "The host has no handler for the IP protocol."],
  ["rule-reject", "REJECTED", "A rule with REJECT answered in the destination's place."],
  ["rule-drop", "DROPPED", "A rule with DROP took the packet."],
  ["policy-drop", "DROPPED", "A built-in chain ended with the policy DROP."],
  [
    "match-drop",
    "DROPPED",
    "A match dropped the packet by itself: connlimit found nobody to count, the connection having just ended.",
  ],
  [
    "no-proxy-socket",
    "DROPPED",
    "TPROXY found no socket on its port that may speak for other addresses (IP_TRANSPARENT).",
  ],
  [
    "proxied-elsewhere",
    "DROPPED",
    "TPROXY gave the packet to a local socket, but the route leads out: no policy rule sends its mark to a local route.",
  ],
  ["rp-filter", "DROPPED", "Reverse path filtering: the way back to the source leaves by another device."],
  [
    "martian-source",
    "DROPPED",
    "The source address cannot come from outside (own address, loopback, multicast or zero).",
  ],
  [
    "martian-destination",
    "DROPPED",
    "The destination address cannot be routed (loopback from outside, or zero).",
  ],
  ["other-host", "DROPPED", "The frame was addressed to another host's MAC."],
  [
    "not-forwarding",
    "DROPPED",
    "The host does not forward (net.ipv4.conf.<device>.forwarding or net.ipv6.conf.all.forwarding is 0).",
  ],
  ["bridge-no-port", "DROPPED", "The bridge had no port to send the frame to."],
  [
    "bridge-hairpin",
    "DROPPED",
    "The bridge may not send a frame back by the port it came in by (hairpin is off).",
  ],
  ["bridge-port-blocked", "DROPPED", "The bridge port is not forwarding."],
  ["vlan-filtered", "DROPPED", "The bridge filters by VLAN, and the port is not in the frame's."],
  ["device-down", "DROPPED", "The device is down."],
  [
    "nat-icmp",
    "DROPPED",
    "The ICMP error belongs to a translation that is not complete, so it cannot be translated.",
  ],
  ["conntrack-clash", "DROPPED", "Another connection already holds the same tuple."],
  [
    "conntrack-full",
    "DROPPED",
    "The connection tracking table is full (nf_conntrack_max): what would begin a connection is dropped.",
  ],
  ["nat-exhausted", "DROPPED", "No free port was left for the translation."],
  [
    "masquerade-moved",
    "DROPPED",
    "The connection was masqueraded for another device; conntrack forgets it, and its next packet begins anew.",
  ],
  ["vxlan-no-vni", "DROPPED", "No VXLAN device here has that VNI."],
  [
    "congestion-unknown",
    "DROPPED",
    "A tunnel's packet was marked for congestion on its way, and the packet in it is of ends that know no such marks.",
  ],
  [
    "vxlan-no-remote",
    "DROPPED",
    "The VXLAN device's forwarding database names no tunnel end for the address, and there is no default.",
  ],
  ["fragment-timeout", "DROPPED", "Fragments were missing; the datagram was never complete."],
  ["blackhole-route", "UNREACHABLE", "The route is a blackhole."],
  ["unreachable-route", "UNREACHABLE", "The route says unreachable."],
  ["prohibit-route", "UNREACHABLE", "The route says prohibited."],
  ["no-route", "UNREACHABLE", "No route leads to the destination."],
  ["no-neighbour", "UNREACHABLE", "Nobody answered for the next hop (ARP, neighbour discovery)."],
  ["bad-source", "UNREACHABLE", "The source address is none of the sender's."],
  ["broadcast-refused", "UNREACHABLE", "A connection to a broadcast or multicast address cannot be made."],
  ["ttl-exceeded", "TTL_EXCEEDED", "The time to live ran out on the way."],
  ["too-big", "TOO_BIG", "The packet is larger than the next hop's MTU and must not be fragmented."],
  [
    "mtu-black-hole",
    "TOO_BIG",
    "The packet is larger than a cable on its way takes, and the error that says so did not reach its sender.",
  ],
  ["reply-lost", "NO_REPLY", "The request arrived, but the answer did not get back."],
  ["loop-budget", "LOOPED", "The packet went round until the budget of frames was spent."],
  ["tc-drop", "DROPPED", "A filter of traffic control (tc) dropped the packet."],
  ["forward-loop", "LOOPED", "Chains of nftables send the frame from device to device and back."],
  ["mirred-loop", "LOOPED", "Filters of traffic control send the frame from device to device and back."],
  ["burst-too-small", "DROPPED", "The frame is longer than the burst of the device's token bucket (tbf)."],
  ["no-tun-peer", "UNREACHABLE", "The daemon behind the TUN knows nobody who has the address."],
  ["not-sent", "DROPPED", "The daemon behind the TUN could not hand the packet on."],
  ["left-model", "UNKNOWN", "The packet left what is modelled."],
  ["unmodelled-device", "UNKNOWN", "The packet entered a device of a kind that is not modelled."],
  ["icmp-ignored", "DROPPED", "The host does not answer echo requests to that address."],
  ["not-for-forwarding", "DROPPED", "A broadcast or multicast frame is not forwarded."],
  [
    "bad-checksum",
    "DROPPED",
    "A rule changed the IPv6 header after connection tracking had summed the datagram up, and UDP takes its checksum for wrong.",
  ],
  ["bad-reply", "NO_REPLY", "The answer came from an address the client did not ask, so no socket took it."],
  [
    "frame-too-long",
    "DROPPED",
    "The frame is longer than the device it is for can take: the other end of a veth, or a bridge port with a smaller MTU.",
  ],
  ["ipvlan-private", "DROPPED", "Devices on one card in private mode do not meet."],
  ["bond-inactive", "DROPPED", "The frame came in by a device of a bond that is not the active one."],
  ["not-redirected", "DROPPED", "An ifb device takes only frames that traffic control redirects to it."],
  ["dummy-device", "DROPPED", "The packet went into a dummy device, which keeps whatever it is given."],
  [
    "no-tunnel",
    "REFUSED",
    "No tunnel here is for packets between these two ends; the host answered with an ICMP error.",
  ],
  ["tunnel-loop", "DROPPED", "The way to the tunnel's other end leads into the tunnel itself."],
  [
    "relay-failed",
    "REFUSED",
    "A proxy in user space took the connection, found nobody to pass it on to, and closed it.",
  ],
  [
    "ipvs-no-server",
    "REFUSED",
    "No real server of the IPVS virtual service takes connections; the host answered with an ICMP port unreachable.",
  ],
  ["ipvs-server-gone", "DROPPED", "The IPVS connection's real server is no longer one of its service."],
  [
    "ipvs-no-route",
    "DROPPED",
    "IPVS found no way to the real server: no route, or one that leads from a loopback address elsewhere.",
  ],
  [
    "ipvs-old-conntrack",
    "DROPPED",
    "IPVS dropped a first packet to be rid of an earlier connection's conntrack entry; a repetition goes through.",
  ],
  ["connection-closed", "REFUSED", "The held connection was closed or reset before."],
  ["ipvs-no-connection", "DROPPED", "IPVS knows no connection of the real server's packet (nat_icmp_send)."],
  [
    "no-syn",
    "DROPPED",
    "A listener drops a segment that neither begins a connection nor acknowledges anything.",
  ],
  ["output-blocked", "DROPPED", "A rule dropped the packet in OUTPUT, at the sender."],
  ["not-ipv4", "DROPPED", "An IPIP tunnel carries IPv4 alone."],
  ["ipv6-disabled", "DROPPED", "IPv6 is disabled on the device (net.ipv6.conf.<device>.disable_ipv6)."],
  [
    "beyond-scope",
    "UNREACHABLE",
    "The source address means nothing beyond its own link, so the packet is not forwarded.",
  ],
  [
    "ovs-no-match",
    "DROPPED",
    "No flow of the Open vSwitch table matches the packet, and the rest is dropped.",
  ],
  ["ovs-drop", "DROPPED", "The Open vSwitch flow that matches sends the packet nowhere."],
  [
    "ovs-no-port",
    "DROPPED",
    "Open vSwitch has no port for the packet: none of the number that the flow names, or no tunnel between these ends with this key.",
  ],
  [
    "ovs-ttl",
    "TTL_EXCEEDED",
    "The time to live ran out in an Open vSwitch flow (dec_ttl), which answers nobody.",
  ],
  ["ovs-too-deep", "LOOPED", "Open vSwitch flows send the packet from table to table without an end."],
  [
    "ovs-controller",
    "UNKNOWN",
    "The Open vSwitch flow hands the packet to its controller, and what that does is not modelled.",
  ],
  ["ovs-unmodelled", "UNKNOWN", "The Open vSwitch flow does something that is not modelled."],
  [
    "bad-syn-cookie",
    "DROPPED",
    "SYNPROXY dropped a segment that does not acknowledge the answer it gave to a SYN.",
  ],
  [
    "no-queue-listener",
    "DROPPED",
    "No program listens on the queue that NFQUEUE gave the packet to, and the rule has no --queue-bypass.",
  ],
] as const satisfies readonly (readonly [string, Disposition, string])[];

export type ReasonName = (typeof TABLE)[number][0];

export const REASONS: readonly ReasonEntry[] = TABLE.map(([name, disposition, sentence]) => ({
  name,
  disposition,
  sentence,
}));

const NUMBERS = new Map<string, number>(TABLE.map((entry, index) => [entry[0], index]));

/** The number of a reason, for the tape. */
export function reason(name: ReasonName): number {
  return NUMBERS.get(name) as number;
}

export function reasonName(number: number): ReasonName {
  const entry = TABLE[number];
  if (entry === undefined) throw new RangeError(`no reason has number ${number}`);
  return entry[0];
}
