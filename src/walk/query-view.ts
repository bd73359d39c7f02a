import { formatOnPath, socketAddressOnPath } from "../address/ip6-handle.ts";
import { formatProtocol } from "../kernel/netfilter/save/protocol.ts";
import { flagLetters } from "./packet-view.ts";
import type { Query } from "./query.ts";
import type { QueryView } from "./trace.ts";

function protocolText({ proto, protocol }: Query): string {
  return proto === "ip" ? formatProtocol(protocol) : proto;
}

/** The question as it was understood. */
export function queryView(query: Query): QueryView {
  const { family, dst, dport } = query;
  const to = dport === null ? formatOnPath(family, dst) : socketAddressOnPath(family, dst, dport);
  const at = query.arrivesBy === null ? `host/${query.host}` : `host/${query.host}:${query.arrivesBy}`;
  return {
    from: query.arrives ? formatOnPath(family, query.src ?? 0) : `host/${query.host}`,
    to: `${to}/${protocolText(query)}`,
    proto: protocolText(query),
    ...(query.arrives ? { at } : {}),
    ...(query.src !== null && !query.arrives ? { src: formatOnPath(family, query.src) } : {}),
    ...(query.sport === null ? {} : { sport: query.sport }),
    ...(query.ttl === null ? {} : { ttl: query.ttl }),
    ...(query.size === null ? {} : { size: query.size }),
    ...(query.df ? { df: true } : {}),
    ...(query.mark === 0 ? {} : { mark: query.mark }),
    ...(query.tcpFlags === null ? {} : { tcpFlags: flagLetters(query.tcpFlags) }),
  };
}
