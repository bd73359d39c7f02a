import { formatIp } from "../address/ip.ts";
import { hasTrackedPorts, trackedName } from "../kernel/conntrack/conntrack-list.ts";
import { type ConntrackEntry, type ConntrackTuple, entryAt, isIcmpEntry } from "../kernel/conntrack/entry.ts";
import type { Stack } from "../kernel/stack.ts";
import type { ConntrackView, TupleView } from "./trace.ts";

/** A host's connection tracking entries, as `conntrack -L` prints them; of those its dump had, what a packet has met. */
export function conntrackView(stack: Stack): ConntrackView[] {
  const table = stack.conntrack;
  const views: ConntrackView[] = [];
  table.forEach((ct) => {
    if (table.isUntouched(ct)) return;
    const entry = entryAt(table, ct);
    const { protocol, state, mark } = entry;
    views.push({
      host: stack.net.name,
      proto: isOnlyAddresses(entry) ? trackedName(0) : trackedName(protocol),
      ...(state === null ? {} : { state }),
      orig: tupleView(entry, entry.orig),
      reply: tupleView(entry, entry.reply),
      flags: [...(entry.replied ? [] : ["UNREPLIED"]), ...(entry.assured ? ["ASSURED"] : [])],
      ...(mark === 0 ? {} : { mark }),
      ...(table.freePort(ct) ? { free: true as const } : {}),
    });
  });
  return views;
}

function tupleView(entry: ConntrackEntry, { src, dst, sport, dport }: ConntrackTuple): TupleView {
  const ends = { src: formatIp(src), dst: formatIp(dst) };
  if (isIcmpEntry(entry)) return { ...ends, type: dport >> 8, code: dport & 0xff, id: sport };
  return hasTrackedPorts(entry.protocol) && !isOnlyAddresses(entry) ? { ...ends, sport, dport } : ends;
}

/** DCCP, which Linux 6.18 tracks like any protocol that it does not know (before 6.17 there was `nf_conntrack_dccp_packet`). */
function isOnlyAddresses({ protocol, orig }: ConntrackEntry): boolean {
  return protocol === IPPROTO_DCCP && orig.sport === 0 && orig.dport === 0;
}

const IPPROTO_DCCP = 33;
