import type { Host } from "../../kernel/host.ts";
import type { HookVisit } from "../../walk/trace.ts";
import { type Diagnosis, fault } from "./fault.ts";
import { unanswered } from "./tunnel.ts";

/**
 * Rules that forget neighbour discovery: it is ICMPv6 that passes ip6tables, on bridges with br_netfilter too, and no connection
 * of conntrack's (RFC 4890 4.4.1 says what must pass).
 */
export const droppedDiscovery: Diagnosis = (at) => {
  const asked = unanswered(at);
  if (asked === undefined) return undefined;
  const { hosts } = at.names.world;
  for (const visit of at.outcome.hooks) {
    const { type, target } = visit.before.nd ?? {};
    const host = hosts.get(visit.host);
    if (target !== asked.address || host === undefined || !isDropped(host, visit)) continue;
    const { chain, table, kind, index } = visit.steps.at(-1) as HookVisit["steps"][number];
    const what = type === 135 ? "the question for" : "the answer about";
    const by =
      kind === "policy"
        ? `no rule of ${chain} (${table}) on ${visit.host} lets`
        : `rule ${index} of ${chain} (${table}) on ${visit.host} does not let`;
    return fault(`${by} ${what} ${asked.address} pass: neighbour discovery is ICMPv6`, {
      text: `Let neighbour discovery pass ${visit.hook} on ${visit.host}, solicitations (135) and advertisements (136).`,
      command: [135, 136]
        .map((each) => `ip6tables -t ${table} -I ${visit.hook} -p ipv6-icmp --icmpv6-type ${each} -j ACCEPT`)
        .join(" && "),
      host: visit.host,
    });
  }
  return undefined;
};

/** Did the packet end where the visit ends? */
function isDropped({ ip6tables }: Host, { steps }: HookVisit): boolean {
  const last = steps.at(-1);
  const chain = last === undefined ? undefined : ip6tables?.tables.get(last.table)?.chains.get(last.chain);
  if (last === undefined || chain === undefined) return false;
  if (last.kind === "policy") return chain.policy === "DROP";
  const target = chain.rules[last.index - 1]?.target?.kind;
  return last.kind === "rule" && (target === "DROP" || target === "REJECT");
}
