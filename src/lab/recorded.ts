import type { RecordedIp6 } from "./recorded-ip6.ts";

/** The shapes of a recording's probe that a comparison reads (the recordings' README says what each field means). */
export interface RecordedProbe {
  readonly query: RecordedQuery;
  readonly outcome: RecordedOutcome;
  /** Nothing of an earlier probe was on its way any more, and nothing came after the frames that are recorded. */
  readonly settled?: boolean;
  /** No neighbour aged while the world was probed: which of them are asked for follows from what was sent. */
  readonly ageless?: boolean;
  /** Two servers went on answering each other until the recorder silenced them: how often, and what of it was seen, is chance. */
  readonly endless?: boolean;
  readonly frames?: readonly RecordedFrame[];
  readonly arp?: readonly RecordedArp[];
  readonly ndp?: readonly RecordedNdp[];
  readonly rulesHit?: readonly RecordedRuleHit[];
  readonly trace?: readonly RecordedVisit[];
  /** The frames, and the rules they met, were left out: like those of an earlier probe. */
  /** What `ipvsadm -Lcn` had more after it. */
  readonly ipvsConnections?: readonly RecordedIpvsConnection[];
  readonly framesOmitted?: boolean;
  readonly nftTrace?: readonly RecordedNftStep[];
  readonly conntrack?: readonly RecordedConntrack[];
  /** `ipvsadm -Sn` after a step. */
  readonly ipvsAfter?: string;
  readonly flows?: readonly RecordedFlow[];
}

export interface RecordedQuery {
  readonly from: string;
  /** tcp, udp, icmp; or another of /etc/protocols, or a number: one bare packet (`raw`). */
  readonly proto: string;
  /** What a bare packet carries, in hexadecimal. */
  readonly payload?: string;
  /** Headers of IPv6 before what a hand-made packet carries: each one's number, and its bytes in hexadecimal. */
  readonly extensions?: readonly (readonly [number, string])[];
  readonly dst: string;
  readonly dport?: number;
  readonly src?: string;
  readonly sport?: number;
  readonly ttl?: number;
  readonly size?: number;
  readonly df?: boolean;
  /** A hand-made packet is the first piece of a datagram whose rest was never sent. */
  readonly mf?: boolean;
  readonly mark?: number;
  readonly uid?: number;
  readonly dev?: string;
  readonly count?: number;
  readonly raw?: boolean;
  /** Who sent a hand-made packet went on listening, as long as a client would. */
  readonly listens?: boolean;
  /** The client of a connection went on asking for errors, also for those that come while `connect` holds its socket. */
  readonly polls?: boolean;
  readonly flags?: string;
  readonly keepState?: boolean;
  /** Not a probe: `command` changes a host's configuration. */
  readonly step?: string;
  readonly command?: string;
  readonly host?: string;
  readonly seconds?: number;
  /** Name of a connection left open by a query, or used by a step. */
  readonly hold?: string;
  readonly close?: string;
}

export interface RecordedOutcome {
  readonly result: string;
  readonly errno?: string;
  readonly client?: { readonly addr?: string; readonly port?: number; readonly icmpId?: number };
  readonly answeredBy?: string;
  readonly ownPacket?: boolean;
  /** What a step's command printed. */
  readonly output?: string;
  readonly icmp?: {
    readonly type: number;
    readonly code: number;
    readonly from: string;
    readonly mtu?: number;
  };
  readonly reset?: { readonly from: string };
  readonly serverSaw?: readonly RecordedServer[];
}

export interface RecordedServer {
  readonly host: string;
  readonly proto: string;
  readonly local: string;
  readonly peer: string;
}

export interface RecordedPacket {
  readonly eth?: { readonly src: string; readonly dst: string; readonly type?: string };
  readonly ip?: {
    readonly src: string;
    readonly dst: string;
    readonly ttl: number;
    readonly proto: number;
    readonly id?: number;
    readonly len?: number;
    readonly df?: boolean;
    readonly mf?: boolean;
    readonly off?: number;
  };
  readonly ip6?: RecordedIp6;
  readonly ndp?: { readonly type: number; readonly target?: string };
  readonly tcp?: {
    readonly sport: number;
    readonly dport: number;
    readonly flags?: string;
    readonly seq?: number;
    readonly len?: number;
  };
  readonly udp?: { readonly sport: number; readonly dport: number };
  readonly icmp?: {
    readonly type: number;
    readonly code: number;
    readonly id?: number;
    readonly seq?: number;
    readonly mtu?: number;
    readonly gateway?: string;
    readonly orig?: RecordedPacket;
  };
  readonly vxlan?: RecordedPacket & { readonly vni: number };
  readonly ipip?: RecordedPacket;
  /** What a daemon with a TUN sends as a datagram. */
  readonly datagram?: RecordedPacket;
}

export interface RecordedFrame extends RecordedPacket {
  readonly t: number;
  readonly ns: string;
  readonly if: string;
  readonly dir: string;
  readonly pkt: number;
  readonly same?: boolean;
}

export interface RecordedArp {
  readonly t: number;
  readonly arp: { readonly op: number; readonly spa: string; readonly tpa: string };
}

/** A frame of neighbour discovery; with `same` all but its place stands in the packet's frame before. */
export interface RecordedNdp {
  readonly t: number;
  readonly ns: string;
  readonly if: string;
  readonly dir: string;
  readonly pkt: number;
  readonly same?: boolean;
  readonly eth?: RecordedPacket["eth"];
  readonly ip6?: RecordedIp6;
  readonly ndp?: {
    readonly type: number;
    readonly target?: string;
    /** A redirect's destination. */
    readonly dst?: string;
    readonly sll?: string;
    readonly tll?: string;
    readonly flags?: string;
  };
}

export interface RecordedRuleHit {
  readonly ns: string;
  /** Absent: 4. */
  readonly family?: number;
  readonly table: string;
  readonly chain: string;
  readonly rule: number;
  readonly packets: number;
}

export interface RecordedVisit {
  readonly ns: string;
  /** Absent: 4. */
  readonly family?: number;
  readonly pkt: number;
  readonly hook: string;
  /** Some recordings leave it out. */
  readonly packet?: string;
  readonly in?: string;
  readonly out?: string;
  readonly physin?: string;
  readonly physout?: string;
  readonly steps: readonly string[];
}

export interface RecordedNftStep {
  readonly ns: string;
  readonly pkt?: number;
  readonly table: string;
  readonly chain: string;
  readonly type: string;
  readonly handle?: number;
  readonly verdict: string;
  readonly to?: string;
  readonly mark?: string;
}

export interface RecordedConntrack {
  readonly ns: string;
  readonly proto: string;
  readonly state?: string;
  readonly orig: RecordedTuple;
  readonly reply: RecordedTuple;
  readonly flags: readonly string[];
  readonly mark?: number;
}

export interface RecordedIpvsConnection {
  readonly ns: string;
  readonly proto: string;
  readonly client: string;
  readonly virtual: string;
  readonly server: string;
  readonly state: string;
  readonly expires: number;
}

export interface RecordedTuple {
  readonly src: string;
  readonly dst: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly type?: number;
  readonly code?: number;
  readonly id?: number;
}

export interface RecordedFlow {
  readonly result: string;
  readonly sport?: number;
  readonly serverSaw?: readonly RecordedServer[];
  readonly path?: readonly string[];
}
