import type { Family } from "../../../address/ip.ts";
import type { MatchTest } from "../rule-context.ts";
import { addrtype } from "./addrtype.ts";
import { ah } from "./ah.ts";
import { bpf } from "./bpf.ts";
import { cgroup } from "./cgroup.ts";
import { cluster } from "./cluster.ts";
import { comment } from "./comment.ts";
import { connbytes } from "./connbytes.ts";
import { connlabel } from "./connlabel.ts";
import { connlimit } from "./connlimit.ts";
import { connmark } from "./connmark.ts";
import { conntrack } from "./conntrack.ts";
import { cpu } from "./cpu.ts";
import { dccp } from "./dccp.ts";
import { devgroup } from "./devgroup.ts";
import { dscp } from "./dscp.ts";
import { dst } from "./dst.ts";
import { ecn } from "./ecn.ts";
import { esp } from "./esp.ts";
import { eui64 } from "./eui64.ts";
import { frag } from "./frag.ts";
import { hashlimit } from "./hashlimit.ts";
import { hbh } from "./hbh.ts";
import { helper } from "./helper.ts";
import { hl } from "./hl.ts";
import { icmp } from "./icmp.ts";
import { icmp6 } from "./icmp6.ts";
import { ipcomp } from "./ipcomp.ts";
import { iprange } from "./iprange.ts";
import { ipv6header } from "./ipv6header.ts";
import { ipvs } from "./ipvs.ts";
import { length } from "./length.ts";
import { limit } from "./limit.ts";
import { mac } from "./mac.ts";
import { mark } from "./mark.ts";
import type { Match, MatchModule } from "./match.ts";
import { mh } from "./mh.ts";
import { multiport } from "./multiport.ts";
import { nfacct } from "./nfacct.ts";
import { osf } from "./osf.ts";
import { owner } from "./owner.ts";
import { physdev } from "./physdev.ts";
import { pkttype } from "./pkttype.ts";
import { policy } from "./policy.ts";
import { quota } from "./quota.ts";
import { rateest } from "./rateest.ts";
import { realm } from "./realm.ts";
import { recent } from "./recent.ts";
import { rpfilter } from "./rpfilter.ts";
import { rt } from "./rt.ts";
import { sctp } from "./sctp.ts";
import { set } from "./set.ts";
import { socket } from "./socket.ts";
import { srh } from "./srh.ts";
import { state } from "./state.ts";
import { statistic } from "./statistic.ts";
import { string } from "./string.ts";
import { tcp } from "./tcp.ts";
import { tcpmss } from "./tcpmss.ts";
import { time } from "./time.ts";
import { tos } from "./tos.ts";
import { ttl } from "./ttl.ts";
import { u32 } from "./u32.ts";
import { udp } from "./udp.ts";

/** Every kind of match that has a module, by the name `-m` takes. */
export const MATCHES: ReadonlyMap<string, MatchModule<Match>> = new Map(
  [
    addrtype,
    cgroup,
    dccp,
    dst,
    hbh,
    ipcomp,
    mh,
    nfacct,
    osf,
    rt,
    srh,
    u32,
    time,
    string,
    realm,
    policy,
    helper,
    esp,
    ecn,
    devgroup,
    cpu,
    connlabel,
    connbytes,
    cluster,
    bpf,
    ah,
    comment,
    connlimit,
    connmark,
    conntrack,
    dscp,
    eui64,
    frag,
    hashlimit,
    hl,
    icmp,
    icmp6,
    iprange,
    ipv6header,
    ipvs,
    length,
    limit,
    mac,
    mark,
    multiport,
    owner,
    physdev,
    pkttype,
    quota,
    rateest,
    recent,
    rpfilter,
    sctp,
    set,
    socket,
    state,
    statistic,
    tcp,
    tcpmss,
    tos,
    ttl,
    udp,
  ].map((module) => [module.kind, module as unknown as MatchModule<Match>]),
);

/**
 * Protocols that a match may stand with; the kernel refuses a rule without one of them, or with `! -p`
 * (`xt_check_match`, `multiport_mt_check`).
 */
export const MATCH_PROTOCOLS: ReadonlyMap<string, readonly number[]> = new Map([
  ["tcp", [6]],
  ["udp", [17]],
  ["sctp", [132]],
  ["icmp", [1]],
  ["tcpmss", [6]],
  ["icmp6", [58]],
  ["multiport", [6, 17, 33, 132, 136]],
  ["esp", [50]],
  ["ipcomp", [108]],
  ["dccp", [33]],
  ["mh", [135]],
  ["osf", [6]],
]);

const PORT_OPTIONS = ["--sport", "--source-port", "--dport", "--destination-port"];

interface ImpliedMatch {
  readonly kind: string;
  readonly options: readonly string[];
}

/** By protocol; ICMP's and ICMPv6's are of one family each. */
const IMPLIED_MATCHES: ReadonlyMap<number, ImpliedMatch> = new Map([
  [1, { kind: "icmp", options: ["--icmp-type"] }],
  [6, { kind: "tcp", options: [...PORT_OPTIONS, "--tcp-flags", "--syn", "--tcp-option"] }],
  [17, { kind: "udp", options: PORT_OPTIONS }],
  [50, { kind: "esp", options: ["--espspi"] }],
  [51, { kind: "ah", options: ["--ahspi"] }],
  [33, { kind: "dccp", options: [...PORT_OPTIONS, "--dccp-types", "--dccp-option"] }],
  [108, { kind: "ipcomp", options: ["--ipcompspi", "--compres"] }],
  [132, { kind: "sctp", options: [...PORT_OPTIONS, "--chunk-types"] }],
  [58, { kind: "icmp6", options: ["--icmpv6-type"] }],
  [135, { kind: "mh", options: ["--mh-type"] }],
]);

/** By family: matches that the other family has alone. */
export const OTHER_FAMILY_MATCHES: Readonly<Record<Family, ReadonlySet<string>>> = {
  4: new Set(["dst", "eui64", "frag", "hbh", "hl", "icmp6", "ipv6header", "mh", "rt", "srh"]),
  6: new Set(["icmp", "osf", "realm", "ttl"]),
};

/** The match that `-p` alone brings in for its options (`-p tcp --dport 80`). */
export function impliedMatch(protocol: number, family: Family): ImpliedMatch | undefined {
  const implied = IMPLIED_MATCHES.get(protocol);
  return implied === undefined || OTHER_FAMILY_MATCHES[family].has(implied.kind) ? undefined : implied;
}

/** A remark matches every packet: a compiled rule leaves it out. */
export function isAlwaysTrue(match: Match): boolean {
  return match.kind === "comment";
}

/** The compiled form; null for what is not modelled, which the walk asks both ways. */
export function compileMatch(match: Match): MatchTest | null {
  return MATCHES.get(match.kind)?.compile?.(match) ?? null;
}
