import { readFileSync, writeFileSync } from "node:fs";
import { formatIp, parseIp } from "../../address/ip.ts";
import type { RecordedConntrack, RecordedTuple } from "../recorded.ts";
import { errorName, libc, SOCK_CLOEXEC, SOCK_RAW } from "./libc.ts";
import type { RealNetns } from "./real-netns.ts";

/** A namespace's connection tracking table as a recording has it (`nf_conntrack_standalone.c`, `ct_seq_show`). */
export function readConntrack(within: RealNetns, host: string): RecordedConntrack[] {
  return tableText(within)
    .split("\n")
    .flatMap((line) => {
      const entry = parseEntry(line, host);
      return entry === null ? [] : [entry];
    });
}

const COUNT = "/proc/sys/net/netfilter/nf_conntrack_count";

/**
 * Does the namespace track any connection? All share one hash table, which its listing walks from end to end: that is asked
 * for only where there is something to see.
 */
function tracksAny(): boolean {
  try {
    return Number(readFileSync(COUNT, "utf8")) > 0;
  } catch {
    // A kernel without connection tracking, or a namespace that never asked for it.
    return false;
  }
}

function tableText(within: RealNetns): string {
  return within.inside(() => (tracksAny() ? readFileSync("/proc/self/net/nf_conntrack", "utf8") : ""));
}

/** `ipv4 2 tcp 6 431999 ESTABLISHED src=… dst=… sport=… dport=… src=… … [ASSURED] mark=0 zone=0 use=2` */
export function parseEntry(line: string, host: string): RecordedConntrack | null {
  const words = line.trim().split(/\s+/);
  const [family, , proto = ""] = words;
  if (family !== "ipv4" && family !== "ipv6") return null;
  const tuples: Record<string, string>[] = [];
  const flags: string[] = [];
  let state: string | undefined;
  let mark = 0;
  for (const word of words.slice(4)) {
    const flag = /^\[(\w+)\]$/.exec(word)?.[1];
    const [key = "", value] = word.split("=");
    if (flag !== undefined) flags.push(flag);
    else if (value === undefined) {
      if (/^[A-Z_]+$/.test(word)) state = word;
    } else if (key === "mark") mark = Number(value);
    else if (key === "src") tuples.push({ src: value });
    else if (tuples.length > 0) Object.assign(tuples[tuples.length - 1] as object, { [key]: value });
  }
  const [orig, reply] = tuples.map(tupleOf);
  if (orig === undefined || reply === undefined) return null;
  return {
    ns: host,
    proto,
    ...(state === undefined ? {} : { state }),
    orig,
    reply,
    flags,
    ...(mark === 0 ? {} : { mark }),
  };
}

function tupleOf(fields: Readonly<Record<string, string>>): RecordedTuple {
  const [src, dst] = [canonical(fields["src"]), canonical(fields["dst"])];
  const numbers = (["sport", "dport", "type", "code", "id"] as const).flatMap((key) => {
    const value = fields[key];
    return value === undefined ? [] : [[key, Number(value)] as const];
  });
  return { src, dst, ...Object.fromEntries(numbers) };
}

/** The file writes addresses of IPv6 with all their zeros. */
function canonical(text = ""): string {
  const address = parseIp(text);
  return address === undefined ? text : formatIp(address);
}

/** Forgets connections and what routes learned, as the recordings do between probes: of IPv6 no setting forgets a path's MTU. */
export function flush(within: RealNetns): void {
  within.inside(() => {
    if (tracksAny()) flushTable();
    writeFileSync("/proc/sys/net/ipv4/route/flush", "1");
  });
}

/** linux/netlink.h, linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h */
const AF_NETLINK = 16;
const NETLINK_NETFILTER = 12;
const NLM_F_REQUEST = 1;
const CTNETLINK_DELETE = (1 << 8) | 2;
const HEADER = 16;
const NFGENMSG = 4;

/** `conntrack -F`, without a process for it: a request to delete that names no entry (`ctnetlink_del_conntrack`). */
function flushTable(): void {
  const c = libc();
  const fd = c.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  const message = new Uint8Array(HEADER + NFGENMSG);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length, true);
  view.setUint16(4, CTNETLINK_DELETE, true);
  view.setUint16(6, NLM_F_REQUEST, true);
  const sent = c.send(fd, message, message.length, 0);
  const why = sent < 0 ? errorName(c.errno()) : null;
  c.close(fd);
  if (why !== null) throw new Error(`connection tracking cannot be flushed (${why})`);
}
