import type { Family } from "../../../address/ip.ts";
import { audit } from "./audit.ts";
import { checksum } from "./checksum.ts";
import { classify } from "./classify.ts";
import { connmark } from "./connmark.ts";
import { connsecmark } from "./connsecmark.ts";
import { ct } from "./ct.ts";
import { dnat } from "./dnat.ts";
import { dscp } from "./dscp.ts";
import { ecn } from "./ecn.ts";
import { hl } from "./hl.ts";
import { hmark } from "./hmark.ts";
import { idletimer } from "./idletimer.ts";
import { led } from "./led.ts";
import { log } from "./log.ts";
import { mark } from "./mark.ts";
import { masquerade } from "./masquerade.ts";
import { netmap } from "./netmap.ts";
import { nflog } from "./nflog.ts";
import { nfqueue } from "./nfqueue.ts";
import { notrack } from "./notrack.ts";
import { dnpt, snpt } from "./npt.ts";
import { rateest } from "./rateest.ts";
import { redirect } from "./redirect.ts";
import { reject } from "./reject.ts";
import { secmark } from "./secmark.ts";
import { set } from "./set.ts";
import { snat } from "./snat.ts";
import { synproxy } from "./synproxy.ts";
import type { Target, TargetModule } from "./target.ts";
import { tcpmss } from "./tcpmss.ts";
import { tcpoptstrip } from "./tcpoptstrip.ts";
import { tee } from "./tee.ts";
import { tos } from "./tos.ts";
import { tproxy } from "./tproxy.ts";
import { trace } from "./trace.ts";
import { ttl } from "./ttl.ts";

/** Every kind of target that has a module, by the name `-j` takes. */
export const TARGETS: ReadonlyMap<string, TargetModule<Target>> = new Map(
  [
    audit,
    dnpt,
    led,
    secmark,
    snpt,
    tee,
    tcpoptstrip,
    synproxy,
    rateest,
    idletimer,
    hmark,
    ecn,
    connsecmark,
    checksum,
    classify,
    connmark,
    ct,
    dnat,
    dscp,
    hl,
    log,
    mark,
    masquerade,
    netmap,
    nflog,
    nfqueue,
    notrack,
    redirect,
    reject,
    set,
    snat,
    tcpmss,
    tos,
    tproxy,
    trace,
    ttl,
  ].map((module) => [module.kind, module as unknown as TargetModule<Target>]),
);

/**
 * Targets that exist (iptables 1.8, xtables-addons) and have no module: `-j` of one of these without options is an unknown
 * target, not a chain somebody forgot to declare.
 */
export const UNMODELLED_TARGETS: ReadonlySet<string> = new Set([
  "ACCOUNT",
  "CHAOS",
  "CLUSTERIP",
  "DELUDE",
  "DHCPMAC",
  "DNETMAP",
  "ECHO",
  "IPMARK",
  "LOGMARK",
  "PROTO",
  "QUEUE",
  "SYSRQ",
  "TARPIT",
  "ULOG",
]);

/** Targets that the kernel takes in one table only (`.table` in `struct xt_target`). */
export const TARGET_TABLES: ReadonlyMap<string, string> = new Map([
  ["DNAT", "nat"],
  ["SNAT", "nat"],
  ["MASQUERADE", "nat"],
  ["REDIRECT", "nat"],
  ["NETMAP", "nat"],
  ["REJECT", "filter"],
  ["CT", "raw"],
  ["NOTRACK", "raw"],
  ["TRACE", "raw"],
  ["TPROXY", "mangle"],
  ["TTL", "mangle"],
  ["HL", "mangle"],
  ["DSCP", "mangle"],
  ["TOS", "mangle"],
  ["CHECKSUM", "mangle"],
  ["ECN", "mangle"],
  ["TCPOPTSTRIP", "mangle"],
  ["SNPT", "mangle"],
  ["DNPT", "mangle"],
]);

/** By family: targets that the other family has alone. */
export const OTHER_FAMILY_TARGETS: Readonly<Record<Family, ReadonlySet<string>>> = {
  4: new Set(["DNPT", "HL", "SNPT"]),
  6: new Set(["ECN", "TTL"]),
};

/** Targets that stand with these protocols only; the kernel refuses a rule without (`xt_check_target`). */
export const TARGET_PROTOCOLS: ReadonlyMap<string, readonly number[]> = new Map([
  ["SYNPROXY", [6]],
  ["TCPMSS", [6]],
  ["TCPOPTSTRIP", [6]],
  ["TPROXY", [6, 17]],
]);

/** Protocols whose ports (for ICMP: ids) NAT can choose: a target that names ports needs one of them (`__NAT_parse`). */
export const NAT_PORT_PROTOCOLS: readonly number[] = [1, 6, 17, 33, 132];
