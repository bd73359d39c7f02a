import type { Sysctl } from "../sysctl.ts";

/** How long connection tracking keeps an entry after a packet, milliseconds (`net.netfilter.nf_conntrack_*_timeout*`). */
export interface ConntrackTimeouts {
  /** By state (`enum tcp_conntrack`, `enum sctp_conntrack`). */
  readonly tcp: readonly number[];
  /** At most, of a connection met in the middle that nobody has answered yet. */
  readonly tcpUnacknowledged: number;
  readonly sctp: readonly number[];
  readonly udp: number;
  readonly udpStream: number;
  readonly icmp: number;
  readonly icmp6: number;
  readonly gre: number;
  readonly greStream: number;
  readonly generic: number;
}

/** By state, seconds (`tcp_timeouts`); a second SYN of both sides has no setting. */
const TCP: readonly (readonly [string, number])[] = [
  ["", 0],
  ["syn_sent", 120],
  ["syn_recv", 60],
  ["established", 432_000],
  ["fin_wait", 120],
  ["close_wait", 60],
  ["last_ack", 30],
  ["time_wait", 120],
  ["close", 10],
  ["", 120],
];

/** The same of SCTP (`sctp_timeouts`, as Linux 6.18 has them). */
const SCTP: readonly (readonly [string, number])[] = [
  ["", 10],
  ["closed", 10],
  ["cookie_wait", 3],
  ["cookie_echoed", 3],
  ["established", 210],
  ["shutdown_sent", 3],
  ["shutdown_recd", 3],
  ["shutdown_ack_sent", 3],
  ["heartbeat_sent", 30],
];

/** As the host's settings have them; where it has none, the kernel's own. */
export function conntrackTimeouts(sysctl: Pick<Sysctl, "integer">): ConntrackTimeouts {
  const ms = (name: string, seconds: number) =>
    sysctl.integer(`net.netfilter.nf_conntrack_${name}`, seconds) * 1000;
  const byState = (protocol: string, states: typeof TCP) =>
    states.map(([state, seconds]) =>
      state === "" ? seconds * 1000 : ms(`${protocol}_timeout_${state}`, seconds),
    );
  return {
    tcp: byState("tcp", TCP),
    tcpUnacknowledged: ms("tcp_timeout_unacknowledged", 300),
    sctp: byState("sctp", SCTP),
    udp: ms("udp_timeout", 30),
    udpStream: ms("udp_timeout_stream", 120),
    icmp: ms("icmp_timeout", 30),
    icmp6: ms("icmpv6_timeout", 30),
    gre: ms("gre_timeout", 30),
    greStream: ms("gre_timeout_stream", 180),
    generic: ms("generic_timeout", 600),
  };
}

/** Times that rules have given connections, by number: what an entry can keep. */
const policies: ConntrackTimeouts[] = [];
const numbers = new WeakMap<ConntrackTimeouts, number>();

export function policyNumber(policy: ConntrackTimeouts): number {
  let number = numbers.get(policy);
  if (number === undefined) {
    number = policies.push(policy) - 1;
    numbers.set(policy, number);
  }
  return number;
}

export function policyOf(number: number): ConntrackTimeouts {
  return policies[number] as ConntrackTimeouts;
}
