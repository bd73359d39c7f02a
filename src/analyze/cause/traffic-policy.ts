import { serviceText } from "../../inventory/services.ts";
import { type Diagnosis, fault, kubectlPatch, listing } from "./fault.ts";
import { nodesWithEndpoint, serviceWithout } from "./no-endpoints.ts";

/** A Service of the policy Local asked on a node without an endpoint of its own. */
export const noLocalEndpoint: Diagnosis = (at) => {
  const service = serviceWithout("has no local endpoints", at);
  if (service === undefined) return undefined;
  const { namespace, name } = service;
  const { rule } = at.decision;
  const clusterIps = at.names.services.named(namespace, name)?.clusterIps;
  const isInternal =
    rule?.backend === "iptables"
      ? rule.chain === "KUBE-SERVICES"
      : clusterIps?.has(at.asked.address) === true;
  const field = isInternal ? "internalTrafficPolicy" : "externalTrafficPolicy";
  const nodes = nodesWithEndpoint(at, namespace, name).filter((node) => node !== at.host);
  const has = nodes.length === 0 ? "" : `; ${listing(nodes)} ${nodes.length === 1 ? "has" : "have"} one`;
  const ask = isInternal
    ? "let it use the endpoints of all nodes"
    : nodes.length === 0
      ? "ask a node that has one, or let it use all"
      : `ask ${listing(nodes, "or")}, or let it use all`;
  return fault(`${serviceText(service)} has ${field} Local and no ready endpoint on ${at.host}${has}`, {
    text: `${isInternal ? "Run one of its pods there, or" : ask[0]?.toUpperCase() + ask.slice(1)}${isInternal ? ` ${ask}` : ""}.`,
    command: kubectlPatch(namespace, "service", name, { spec: { [field]: "Cluster" } }),
  });
};
