import { serviceText } from "../../inventory/services.ts";
import type { RuleHit } from "../../walk/trace.ts";
import { alone, type Diagnosis, fault, kubectlPatch } from "./fault.ts";

/** `spec.loadBalancerSourceRanges` leaves the client out. */
export const outsideSourceRanges: Diagnosis = ({ decision: { rule, packet }, port }) => {
  if (rule === null || !isFirewall(rule)) return undefined;
  const [, namespace = port?.service.namespace, name = port?.service.name] =
    /--comment "([^"/]+)\/([^": ]+)/.exec(isOfService(rule) ? rule.text : "") ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  const client = packet === null ? null : packet.ip.src;
  const service = serviceText({ namespace, name });
  const headline = `${client ?? "the client"} is in none of the loadBalancerSourceRanges of ${service}`;
  if (client === null)
    return fault(headline, { text: `Add the client to spec.loadBalancerSourceRanges of ${service}.` });
  const patch = [{ op: "add", path: "/spec/loadBalancerSourceRanges/-", value: alone(client) }];
  return fault(headline, {
    text: `Add ${alone(client)} to spec.loadBalancerSourceRanges of ${service}.`,
    command: kubectlPatch(namespace, "service", name, patch, "json"),
  });
};

/** Of any of kube-proxy's modes. */
function isFirewall({ backend, chain }: RuleHit): boolean {
  return backend === "nft"
    ? /^firewall-(?!check$)/.test(chain)
    : isOfServiceChain(chain) || chain === "KUBE-SOURCE-RANGES-FIREWALL" || chain === "KUBE-IPVS-OUT-FILTER";
}

/** In IPVS mode all Services have the same rules, whose comments name none. */
function isOfService({ backend, chain }: RuleHit): boolean {
  return backend === "iptables" && isOfServiceChain(chain);
}

function isOfServiceChain(chain: string): boolean {
  return chain === "KUBE-PROXY-FIREWALL" || chain.startsWith("KUBE-FW-");
}
