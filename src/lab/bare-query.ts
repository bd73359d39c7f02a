import { parseProtocol } from "../kernel/netfilter/save/protocol.ts";
import type { Extension } from "../packet/extension.ts";
import type { RecordedQuery } from "./recorded.ts";

/** What a recorded query of a bare packet says of it. */

const BY_NAME: ReadonlySet<string> = new Set(["tcp", "udp", "icmp", "sctp"]);

/** Number of a bare packet's protocol; null for one of those that a conversation is of, or none at all. */
export function bareProtocol(proto: string): number | null {
  if (BY_NAME.has(proto)) return null;
  const number = parseProtocol(proto);
  return number === undefined || proto === "all" ? null : number;
}

/** What it carries; null where the query does not say. */
export function bytesOf({ payload }: RecordedQuery): Uint8Array | null {
  return payload === undefined ? null : bytesOfHex(payload);
}

/** The headers of IPv6 before what it carries. */
export function extensionsOf({ extensions = [] }: RecordedQuery): Extension[] {
  return extensions.map(([protocol, bytes]) => ({ protocol, bytes: bytesOfHex(bytes) }));
}

function bytesOfHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
