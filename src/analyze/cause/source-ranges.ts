import { serviceText } from "../../inventory/services.ts";
import { type Diagnosis, fault, kubectlPatch } from "./fault.ts";

/** `spec.loadBalancerSourceRanges` leaves the client out. */
export const outsideSourceRanges: Diagnosis = ({ decision: { rule, packet } }) => {
  const isFirewall =
    rule !== null && (rule.chain === "KUBE-PROXY-FIREWALL" || rule.chain.startsWith("KUBE-FW-"));
  const [, namespace, name] = /--comment "([^"/]+)\/([^": ]+)/.exec(rule?.text ?? "") ?? [];
  if (!isFirewall || namespace === undefined || name === undefined) return undefined;
  const client = packet === null ? null : packet.ip.src;
  const service = serviceText({ namespace, name });
  const headline = `${client ?? "the client"} is in none of the loadBalancerSourceRanges of ${service}`;
  if (client === null)
    return fault(headline, { text: `Add the client to spec.loadBalancerSourceRanges of ${service}.` });
  const patch = [{ op: "add", path: "/spec/loadBalancerSourceRanges/-", value: `${client}/32` }];
  return fault(headline, {
    text: `Add ${client}/32 to spec.loadBalancerSourceRanges of ${service}.`,
    command: kubectlPatch(namespace, "service", name, patch, "json"),
  });
};
