import { LABEL_WORDS } from "../../conntrack/extensions.ts";
import {
  CT_UNTRACKED,
  ctInfoDirection,
  IP_CT_DIR_REPLY,
  IP_CT_ESTABLISHED_REPLY,
  IPS_CONFIRMED,
} from "../../conntrack/status.ts";
import type { ConntrackTable } from "../../conntrack/table.ts";
import { hasTemplate, NO_TEMPLATE, zoneId } from "../../conntrack/zone.ts";
import { UNKNOWN_BITS } from "./known-bits.ts";
import { NFPROTO_IPV4, NFPROTO_IPV6 } from "./load-meta.ts";
import { putAddress } from "./load-payload.ts";
import type { Read } from "./read.ts";

/** `nft_ct`: the connection a packet belongs to. Without one all but the state makes the rule break. */

const STATE_INVALID = 1;
const STATE_NEW = 8;
const STATE_UNTRACKED = 64;

type Value = (table: ConntrackTable, ct: number) => number;

/** Status bits that the kernel has: the walk keeps more above them. */
const STATUS_BITS = 0x3ff;

const BY_ENTRY: Readonly<Record<string, Value>> = {
  mark: (table, ct) => table.mark(ct),
  status: (table, ct) => table.status(ct) & STATUS_BITS,
  protocol: (table, ct) => table.proto(ct),
  l3proto: (table, ct) => (table.family(ct) === 6 ? NFPROTO_IPV6 : NFPROTO_IPV4),
  // Of one that only a direction keeps apart the other end's is 0; asked for without a direction it is the id.
  zone: (table, ct) => table.zone(ct) & 0xffff,
  // Before its confirmation a timeout is no moment yet, which `nf_ct_expires` takes for one long gone.
  expiration: (table, ct) =>
    (table.status(ct) & IPS_CONFIRMED) === 0 ? 0 : Math.max(0, table.expires(ct) - table.now),
};

/** Key to what it is in the original and in the reply direction. */
const BY_DIRECTION: Readonly<Record<string, readonly [Value, Value]>> = {
  saddr: [(table, ct) => table.origSrc(ct), (table, ct) => table.replySrc(ct)],
  daddr: [(table, ct) => table.origDst(ct), (table, ct) => table.replyDst(ct)],
  "proto-src": [(table, ct) => table.origSport(ct), (table, ct) => table.replySport(ct)],
  "proto-dst": [(table, ct) => table.origDport(ct), (table, ct) => table.replyDport(ct)],
  zone: [(table, ct) => zoneId(table.zone(ct), 0), (table, ct) => zoneId(table.zone(ct), 1)],
};

/** What went either way (`nf_conn_acct_find`), of one direction or of both. */
const COUNTED: Readonly<Record<string, (packets: number, bytes: number) => number>> = {
  packets: (packets) => packets,
  bytes: (_, bytes) => bytes,
  avgpkt: (packets, bytes) => (packets === 0 ? 0 : Math.floor(bytes / packets)),
};

/**
 * `nf_ct_get_id`: a hash over where the entry lies in memory, under a secret. No number that a rule may mean is taken for it, and
 * whether it is within bounds is asked.
 */
export const readId: Read = (run, at) => {
  if (run.packet.ct < 0) return false;
  run.regs[at] = UNKNOWN_BITS;
  run.unsure = true;
  return true;
};

/** null: the walk does not know the key. */
export function compileCt(key: string, direction: "original" | "reply" | null): Read | null {
  if (key === "state") return readState;
  // `nft_ct_get_eval` asks the connection that expected this one for its helper: none does here.
  if (key === "helper") return () => false;
  if (key === "label") return readLabels;
  const count = Object.hasOwn(COUNTED, key) ? COUNTED[key] : undefined;
  if (count !== undefined) return readCount(count, direction);
  if (key === "direction") {
    return (run, at) => {
      if (run.packet.ct < 0) return false;
      run.regs[at] = ctInfoDirection(run.packet.ctInfo);
      return true;
    };
  }
  let value: Value | undefined;
  const [family, address] = key.split(" ");
  if (direction !== null) {
    const both = Object.hasOwn(BY_DIRECTION, address ?? key) ? BY_DIRECTION[address ?? key] : undefined;
    value = both?.[direction === "reply" ? IP_CT_DIR_REPLY : 0];
    if (address !== undefined && value !== undefined) return readAddress(value, family === "ip6" ? 6 : 4);
  } else if (Object.hasOwn(BY_ENTRY, key)) value = BY_ENTRY[key];
  if (value === undefined) return null;
  const read = value;
  return (run, at) => {
    const { ct } = run.packet;
    if (ct < 0 && (key !== "mark" || !hasTemplate(run.packet))) return false;
    run.regs[at] = ct < 0 ? 0 : read(run.stack.conntrack, ct);
    return true;
  };
}

function readAddress(value: Value, family: 4 | 6): Read {
  return (run, at) => {
    const { ct } = run.packet;
    const { conntrack } = run.stack;
    if (ct < 0 || conntrack.family(ct) !== family) return false;
    if (family === 6) putAddress(run.regs, at, value(conntrack, ct));
    else run.regs[at] = value(conntrack, ct);
    return true;
  };
}

const BOTH_WAYS = [0, 1] as const;

const readLabels: Read = (run, at) => {
  const { ct } = run.packet;
  if (ct < 0) return false;
  for (let i = 0; i < LABEL_WORDS; i++) run.regs[at + i] = run.stack.conntrack.extensions.labels(ct, i);
  return true;
};

function readCount(
  count: (packets: number, bytes: number) => number,
  direction: "original" | "reply" | null,
): Read {
  const ways = direction === null ? BOTH_WAYS : direction === "reply" ? ([1] as const) : ([0] as const);
  return (run, at) => {
    const { ct } = run.packet;
    if (ct < 0) return false;
    const { conntrack } = run.stack;
    let packets = 0;
    let bytes = 0;
    for (const way of ways) {
      packets += conntrack.extensions.packets(ct, way);
      bytes += conntrack.extensions.bytes(ct, way);
    }
    run.regs[at] = count(packets, bytes);
    return true;
  };
}

/** `NF_CT_STATE_BIT`: 2 established, 4 related, 8 new, in either direction. */
function readState(run: Parameters<Read>[0], at: number): boolean {
  const { ct, ctInfo, ctTemplate } = run.packet;
  // What has a template alone is taken for new.
  if (ct < 0)
    run.regs[at] =
      ct === CT_UNTRACKED ? STATE_UNTRACKED : ctTemplate === NO_TEMPLATE ? STATE_INVALID : STATE_NEW;
  else run.regs[at] = 2 << (ctInfo >= IP_CT_ESTABLISHED_REPLY ? ctInfo - IP_CT_ESTABLISHED_REPLY : ctInfo);
  return true;
}
