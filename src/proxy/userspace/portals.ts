import type { CommentMatch } from "../../kernel/netfilter/match/comment.ts";
import type { Rule, Ruleset } from "../../kernel/netfilter/rule.ts";
import type { DnatTarget } from "../../kernel/netfilter/target/dnat.ts";
import type { RedirectTarget } from "../../kernel/netfilter/target/redirect.ts";
import type { Protocol } from "../names.ts";

/**
 * The ports that kube-proxy itself listened on in userspace mode, until 1.25: one for each port of a Service, which rules lead
 * to by REDIRECT or DNAT (`iptablesContainerPortalArgs`, pkg/proxy/userspace/proxier.go).
 */
export interface Portal {
  /** `shop/web:http`, as the rules' comments have it; old releases wrote `shop/web:` where the port has no name. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly proxyPort: number;
}

/** Chains whose rules lead there: what comes from elsewhere first, which all nodes' packets but their own do. */
const CHAINS = [
  "KUBE-PORTALS-CONTAINER",
  "KUBE-NODEPORT-CONTAINER",
  "KUBE-PORTALS-HOST",
  "KUBE-NODEPORT-HOST",
] as const;

const PROTOCOLS: Readonly<Record<number, Protocol>> = { 6: "tcp", 17: "udp" };

/** Each port once, in the order of the rules. */
export function portalsOf(ruleset: Ruleset | null): Portal[] {
  const chains = ruleset?.tables.get("nat")?.chains;
  const portals = new Map<string, Portal>();
  for (const chain of CHAINS) {
    for (const rule of chains?.get(chain)?.rules ?? []) {
      const portal = portalOf(rule);
      if (portal !== null) portals.set(`${portal.protocol} ${portal.proxyPort}`, portal);
    }
  }
  return [...portals.values()];
}

function portalOf({ protocol, matches, target }: Rule): Portal | null {
  const comment = matches.find((match): match is CommentMatch => match.kind === "comment")?.comment;
  const name = /^[^/ ]+\/[^/ ]+$/.exec(comment ?? "")?.[0].replace(/:$/, "");
  const known = protocol === null || protocol.invert ? undefined : PROTOCOLS[protocol.value];
  const proxyPort = portOf(target);
  return name === undefined || known === undefined || proxyPort === null
    ? null
    : { name, protocol: known, proxyPort };
}

function portOf(target: Rule["target"]): number | null {
  if (target?.kind !== "REDIRECT" && target?.kind !== "DNAT") return null;
  const { range } = target as RedirectTarget | DnatTarget;
  return range.portMin;
}
