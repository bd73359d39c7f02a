import { formatIp } from "../address/ip.ts";
import { type ConntrackEntry, type ConntrackTuple, entryAt, isIcmpEntry } from "../kernel/conntrack/entry.ts";
import type { Engine } from "../kernel/stack.ts";
import { IPPROTO_TCP } from "../packet/packet.ts";
import type { RecordedFrame, RecordedProbe, RecordedTuple } from "./recorded.ts";

/**
 * Source ports and ICMP ids that connections were given by free choice, as they stood in the tables afterwards: the model
 * takes the same, so that rules and sockets that ask for them see what the kernel's saw. null where none was recorded.
 */
export function recordedPorts({ conntrack = [], frames = [] }: RecordedProbe): Engine["chosenPort"] {
  const chosen = new Map<string, number>();
  for (const { ns, orig, reply } of conntrack) {
    const port = reply.dport ?? reply.id;
    if (port !== undefined && port !== (orig.sport ?? orig.id)) chosen.set(keyOf(ns, orig), port);
  }
  if (chosen.size === 0 && frames.length === 0) return null;
  return (stack, ct) => {
    const entry = entryAt(stack.conntrack, ct);
    const { name } = stack.net;
    return (
      chosen.get(keyOf(name, tupleOf(entry.orig, isIcmpEntry(entry)))) ??
      (entry.protocol === IPPROTO_TCP ? portSeen(frames, name, entry) : -1)
    );
  };
}

/** A reset ends a connection for the table at once: what it was given shows in its frames alone. */
function portSeen(frames: readonly RecordedFrame[], host: string, { orig, reply }: ConntrackEntry): number {
  const to = formatIp(reply.src);
  const seen = frames.find(
    ({ ns, dir, ip, ip6, tcp }) =>
      ns === host &&
      dir === "out" &&
      (ip ?? ip6)?.dst === to &&
      tcp?.dport === reply.sport &&
      tcp.sport !== orig.sport,
  );
  return seen?.tcp?.sport ?? -1;
}

function keyOf(host: string, { src, dst, sport, dport, type, id }: RecordedTuple): string {
  return [host, src, dst, sport ?? id, dport ?? type].join(" ");
}

function tupleOf({ src, dst, sport, dport }: ConntrackTuple, isIcmp: boolean): RecordedTuple {
  const ends = { src: formatIp(src), dst: formatIp(dst) };
  return isIcmp ? { ...ends, id: sport, type: dport >> 8 } : { ...ends, sport, dport };
}
