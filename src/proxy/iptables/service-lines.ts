import type { LocalMatch } from "../configuration.ts";
import type { ServicePort } from "../service-ports.ts";
import type { ProxyFeatures } from "../versions.ts";

/** What the rules of all Services of a node have in common. */
export interface RuleStyle {
  readonly features: ProxyFeatures;
  readonly local: LocalMatch | null;
  readonly masqueradeAll: boolean;
  /** Node ports on 127.0.0.0/8 are counted in a rule of their own. */
  readonly countLocalhostNodePorts: boolean;
  /** Comments on single endpoints are written (small clusters). */
  readonly endpointComments: boolean;
}

/** The lines of one port of a Service, in the order kube-proxy writes them. */
export interface ServiceLines {
  /** Into chains that all Services share. */
  readonly filter: readonly string[];
  readonly natShared: readonly string[];
  /** The port's own chains and what is in them: left out by a partial sync when nothing changed. */
  readonly ownChains: readonly string[];
  readonly natOwn: readonly string[];
}

/** `-A CHAIN -m comment --comment COMMENT MATCH -j TARGET`, without what is null. */
export function ruleLine(
  chain: string,
  comment: string | null,
  match: string | null,
  target: string | null,
): string {
  let text = `-A ${chain}`;
  if (comment !== null) text += ` -m comment --comment ${comment}`;
  if (match !== null) text += ` ${match}`;
  if (target !== null) text += ` -j ${target}`;
  return text;
}

/** Health checks, which kube-proxy itself answers, are let in whether or not there are local endpoints. */
export function healthCheckLines({
  name,
  healthCheckNodePort,
}: Pick<ServicePort, "name" | "healthCheckNodePort">): string[] {
  if (healthCheckNodePort === 0) return [];
  const match = `-m tcp -p tcp --dport ${healthCheckNodePort}`;
  return [ruleLine("KUBE-NODEPORTS", `"${name} health check node port"`, match, "ACCEPT")];
}
