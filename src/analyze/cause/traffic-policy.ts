import { serviceText } from "../../inventory/services.ts";
import { type Case, type Diagnosis, fault, kubectlPatch, listing } from "./fault.ts";
import { serviceWithout } from "./no-endpoints.ts";

/** A Service of the policy Local asked on a node without an endpoint of its own. */
export const noLocalEndpoint: Diagnosis = (at) => {
  const service = serviceWithout("has no local endpoints", at);
  const { rule } = at.decision;
  if (service === undefined || rule === null) return undefined;
  const { namespace, name } = service;
  const isInternal = rule.chain === "KUBE-SERVICES";
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

function nodesWithEndpoint({ names }: Case, namespace: string, name: string): readonly string[] {
  const slices =
    names.objects?.withLabel("EndpointSlice", namespace, "kubernetes.io/service-name", name) ?? [];
  const nodes = slices.flatMap(({ endpoints }) =>
    endpoints.flatMap(({ nodeName, conditions }) =>
      nodeName === undefined || nodeName === null || conditions?.ready === false ? [] : [nodeName],
    ),
  );
  return [...new Set(nodes)].sort();
}
