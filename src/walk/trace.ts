import type { Disposition, ReasonName } from "../kernel/reason.ts";
import type { Capture } from "../packet/pcapng.ts";
import type { Owner } from "../world/world.ts";
import type { QueryProtocol } from "./query.ts";

/**
 * `hopscope.trace/v1`: what a query came to, as stable data. Text, JSON and comparisons all read these values; nothing is
 * parsed back out of prose. Field meanings: the command line's documentation.
 */
export interface Trace {
  readonly schema: "hopscope.trace/v1";
  readonly id: string;
  readonly query: QueryView;
  readonly verdict: Verdict;
  readonly outcomes: readonly Outcome[];
  /** Odds of what was not listed, absent when everything was. */
  readonly residual?: Fraction;
  /** What is wrong, in one clause, where it does not arrive and that can be said: put on after the walk. */
  readonly cause?: string;
  readonly remedies: readonly Remedy[];
  /** How the source was understood, where it told of that itself. */
  readonly detected?: readonly string[];
  readonly assumptions: readonly string[];
  readonly stats: { readonly rulesEvaluated: number; readonly routeLookups: number };
}

/** The query as understood, for people and machines. */
export interface QueryView {
  readonly from: string;
  readonly to: string;
  /** Of a bare packet the protocol's name in /etc/protocols, or its number. */
  readonly proto: string;
  readonly at?: string;
  readonly src?: string;
  readonly sport?: number;
  readonly ttl?: number;
  readonly size?: number;
  readonly df?: boolean;
  readonly mark?: number;
  readonly tcpFlags?: string;
}

/** Exact and reduced; decimal strings beyond 2⁵³. */
export interface Fraction {
  readonly num: number | string;
  readonly den: number | string;
}

export type Certainty = "exact" | "assumed" | "unknown-match";

export interface Verdict {
  readonly disposition: Disposition;
  readonly reason: ReasonName;
  readonly certainty: Certainty;
  /** Id of the step that decided, where there is one. */
  readonly at?: string;
  /** Host the decision fell on. */
  readonly host?: string;
  /** The unmodelled matches and targets met. */
  readonly unknown?: readonly string[];
}

export interface Outcome {
  /** null where an unmodelled match stands in the way; `given` then says what was supposed. */
  readonly probability: Fraction | null;
  readonly given?: readonly { readonly rule: string; readonly matched: boolean }[];
  readonly verdict: Verdict;
  /** Who took the request, and how it looked to it. */
  readonly server?: ServerView;
  /** Everyone who took the request (a broadcast reaches several). */
  readonly servers: readonly ServerView[];
  /** What the client saw, in the words of the recordings. */
  readonly client: ClientView;
  readonly steps: readonly Step[];
  readonly frames: readonly Frame[];
  readonly arp: readonly ArpFrame[];
  readonly ndp: readonly NdpFrame[];
  readonly rules: readonly RuleHit[];
  readonly hooks: readonly HookVisit[];
  readonly rewrites: readonly Rewrite[];
  /** Connection tracking entries afterwards, per host. */
  readonly conntrack: readonly ConntrackView[];
  /** Every frame with its bytes, where they were asked for (`AskOptions.capture`). */
  readonly capture?: Capture;
  /** IPVS connections that began with the query, per host. */
  readonly ipvs: readonly IpvsConnectionView[];
  readonly stats: { readonly rulesEvaluated: number; readonly routeLookups: number };
}

export interface ServerView {
  readonly host: string;
  readonly proto: QueryProtocol;
  readonly address: string;
  readonly port?: number;
  readonly peer: { readonly address: string; readonly port?: number };
}

export type ClientResult =
  | "connected"
  | "answered"
  | "refused"
  | "unreachable"
  | "ttl-exceeded"
  | "too-big"
  | "timeout"
  | "blocked"
  | "invalid"
  | "no-address"
  /** A held connection was reset; or it was closed before. */
  | "reset"
  | "error"
  | "sent";

export interface ClientView {
  readonly result: ClientResult;
  readonly errno?: string;
  /** Address and port used, or the ICMP id. */
  readonly address?: string;
  readonly port?: number;
  readonly icmpId?: number;
  /** Host (tcp, udp) or address (icmp) that answered. */
  readonly answeredBy?: string;
  readonly ownPacket?: boolean;
  /** First ICMP error that reached the sender. */
  readonly icmp?: {
    readonly type: number;
    readonly code: number;
    readonly from: string;
    readonly mtu?: number;
  };
  readonly reset?: { readonly from: string };
}

export type Phase = "request" | "reply" | "error" | "data" | "repeat" | "notice";
export const PHASES: readonly Phase[] = ["request", "reply", "error", "data", "repeat", "notice"];

export type Direction = "out" | "in" | "in-broadcast" | "in-multicast" | "in-otherhost";
export const DIRECTIONS: readonly Direction[] = ["out", "in", "in-broadcast", "in-multicast", "in-otherhost"];

/** A packet's headers, absolute. */
export interface PacketView {
  readonly eth?: {
    readonly src: string;
    readonly dst: string;
    readonly type: string;
    /** Identifier of the tag that the frame bears. */
    readonly vlan?: number;
  };
  readonly ip: {
    readonly src: string;
    readonly dst: string;
    /** Of IPv6 the hop limit. */
    readonly ttl: number;
    readonly proto: number;
    readonly len: number;
    readonly df?: true;
    readonly mf?: true;
    readonly off?: number;
    /** A fragment's datagram, where the family is IPv6. */
    readonly id?: number;
    readonly tos?: number;
  };
  readonly tcp?: { readonly sport: number; readonly dport: number; readonly flags: string };
  readonly udp?: { readonly sport: number; readonly dport: number };
  /** With the name of its chunk, as `-m sctp --chunk-types` writes it. */
  readonly sctp?: { readonly sport: number; readonly dport: number; readonly chunk: string };
  readonly icmp?: {
    readonly type: number;
    readonly code: number;
    readonly id?: number;
    readonly seq?: number;
    readonly mtu?: number;
    readonly gateway?: string;
    /** The packet quoted in an error. */
    readonly orig?: PacketView;
  };
  /** A message of neighbour discovery. */
  readonly nd?: NeighbourDiscovery;
  readonly vxlan?: { readonly vni: number };
  readonly geneve?: { readonly vni: number };
  /** What is carried, when encapsulated. */
  readonly inner?: PacketView;
  readonly mark?: number;
}

/** What a message of neighbour discovery says beside its type (RFC 4861). */
export interface NeighbourDiscovery {
  /** ICMPv6 type: 133 and 134 router solicitation and advertisement, 135 and 136 a neighbour's, 137 redirect. */
  readonly type: number;
  readonly target?: string;
  /** A redirect's destination. */
  readonly dst?: string;
  /** The link-layer address option: the sender's, or the target's. */
  readonly sll?: string;
  readonly tll?: string;
  /** An advertisement's: from a router, solicited, override, among `RSO`. */
  readonly flags?: string;
}

export interface Frame extends PacketView {
  readonly packet: number;
  readonly phase: Phase;
  /** Virtual milliseconds since the query began. */
  readonly at: number;
  readonly host: string;
  readonly device: string;
  readonly direction: Direction;
}

export interface ArpFrame {
  readonly at: number;
  readonly host: string;
  readonly device: string;
  readonly direction: Direction;
  readonly eth: { readonly src: string; readonly dst: string };
  readonly arp: {
    readonly op: "request" | "reply";
    readonly sha: string;
    readonly spa: string;
    readonly tha: string;
    readonly tpa: string;
  };
}

/** A frame of neighbour discovery: what ARP is to IPv4, but packets, numbered from 1001. */
export interface NdpFrame {
  readonly packet: number;
  readonly at: number;
  readonly host: string;
  readonly device: string;
  readonly direction: Direction;
  readonly eth?: { readonly src: string; readonly dst: string };
  readonly ip: PacketView["ip"];
  readonly nd: NeighbourDiscovery;
}

export interface RuleHit {
  readonly packet: number;
  readonly phase: Phase;
  readonly host: string;
  readonly backend: "iptables" | "nft";
  readonly hook: string;
  readonly table: string;
  readonly chain: string;
  /** From 1 within its chain. */
  readonly index: number;
  /** As `iptables-save` prints it. */
  readonly text: string;
  readonly source?: string;
  /** The declaration that the rule was derived from. */
  readonly owner?: Owner;
}

/** A packet's way through one hook of one host: rules matched, chains ended, policies, in order. */
export interface HookVisit {
  readonly packet: number;
  readonly phase: Phase;
  readonly host: string;
  readonly hook: string;
  readonly in?: string;
  readonly out?: string;
  readonly physin?: string;
  readonly physout?: string;
  readonly before: PacketView;
  readonly steps: readonly HookStep[];
}

export interface HookStep {
  readonly table: string;
  readonly chain: string;
  readonly kind: "rule" | "return" | "policy";
  /** A rule's place from 1; for `return` and `policy` one more than the chain's rules. */
  readonly index: number;
  /** The packet's mark when the step was reached. */
  readonly mark: number;
  /** Rules evaluated since the step before, this one included. */
  readonly evaluated: number;
}

export interface Rewrite {
  readonly packet: number;
  readonly phase: Phase;
  readonly host: string;
  readonly field: "src" | "dst";
  /** `address:port`, `[address]:port`; ICMP: the address alone. */
  readonly from: string;
  readonly to: string;
  /** A value of free choice: one representative of many. */
  readonly free?: true;
}

/** One thing that happened, in time order: what the text form tells. */
export interface Step {
  readonly id: string;
  readonly packet: number;
  readonly phase: Phase;
  readonly at: number;
  readonly host: string;
  readonly device?: string;
  readonly kind:
    | "send"
    | "frame"
    | "hook"
    | "rule"
    | "rewrite"
    | "route"
    | "ipvs"
    /** A program of the host has the packet: it took it from a device, or gives it to one. */
    | "user-space"
    /** Traffic control: a filter that took the packet, a token bucket that let it pass. */
    | "tc"
    /** A flow table of nftables carried it on. */
    | "flow"
    /** A flow of Open vSwitch took it, or a table has none for it. */
    | "ovs"
    | "neighbour"
    | "deliver"
    | "drop"
    | "emit";
  /** One short sentence. */
  readonly text: string;
  readonly verdict?: "accept" | "drop" | "reject";
  readonly reason?: ReasonName;
  readonly packetView?: PacketView;
}

export interface ConntrackView {
  readonly host: string;
  readonly proto: string;
  readonly state?: string;
  readonly orig: TupleView;
  readonly reply: TupleView;
  readonly flags: readonly string[];
  readonly mark?: number;
  /** The reply's destination port was free choice. */
  readonly free?: true;
}

export interface IpvsConnectionView {
  readonly host: string;
  readonly proto: string;
  readonly client: string;
  readonly virtual: string;
  readonly server: string;
  readonly state: string;
  /** Seconds left. */
  readonly expires: number;
}

export interface TupleView {
  readonly src: string;
  readonly dst: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly type?: number;
  readonly code?: number;
  readonly id?: number;
}

export interface Remedy {
  /** What to do, in one imperative sentence. */
  readonly text: string;
  /** A command that does it, where there is one. */
  readonly command?: string;
  readonly host?: string;
}
