import { formatIp } from "../address/ip.ts";
import { type ConntrackTuple, entryAt, isIcmpEntry } from "../kernel/conntrack/entry.ts";
import type { Engine } from "../kernel/stack.ts";
import type { RecordedProbe, RecordedTuple } from "./recorded.ts";

/**
 * Source ports and ICMP ids that connections were given by free choice, as they stood in the tables afterwards: the model
 * takes the same, so that rules and sockets that ask for them see what the kernel's saw. null where none was recorded.
 */
export function recordedPorts({ conntrack = [] }: RecordedProbe): Engine["chosenPort"] {
  const chosen = new Map<string, number>();
  for (const { ns, orig, reply } of conntrack) {
    const port = reply.dport ?? reply.id;
    if (port !== undefined && port !== (orig.sport ?? orig.id)) chosen.set(keyOf(ns, orig), port);
  }
  if (chosen.size === 0) return null;
  return (stack, ct) => {
    const entry = entryAt(stack.conntrack, ct);
    return chosen.get(keyOf(stack.net.name, tupleOf(entry.orig, isIcmpEntry(entry)))) ?? -1;
  };
}

function keyOf(host: string, { src, dst, sport, dport, type, id }: RecordedTuple): string {
  return [host, src, dst, sport ?? id, dport ?? type].join(" ");
}

function tupleOf({ src, dst, sport, dport }: ConntrackTuple, isIcmp: boolean): RecordedTuple {
  const ends = { src: formatIp(src), dst: formatIp(dst) };
  return isIcmp ? { ...ends, id: sport, type: dport >> 8 } : { ...ends, sport, dport };
}
