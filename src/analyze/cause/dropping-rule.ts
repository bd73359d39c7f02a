import { ownerText } from "../../inventory/owner/owner-text.ts";
import { type Diagnosis, fault, selector } from "./fault.ts";

/** The policy of a chain. */
export const droppingPolicy: Diagnosis = ({ decision: { policy, packet }, host }) => {
  if (policy === null) return undefined;
  const { table, chain } = policy;
  const narrow = {
    text: `Let these packets pass at the end of chain ${chain} on ${host} (their answers too, unless a rule lets ESTABLISHED pass).`,
    host,
  };
  return fault(
    `no rule of ${chain} (${table}) on ${host} lets the packet pass, and the chain's policy is DROP`,
    packet === null
      ? narrow
      : { ...narrow, command: `iptables -t ${table} -A ${chain} ${selector(packet)} -j ACCEPT` },
    {
      text: "Or let the chain pass what no rule takes.",
      command: `iptables -t ${table} -P ${chain} ACCEPT`,
      host,
    },
  );
};

/** A rule, whoever wrote it. */
export const droppingRule: Diagnosis = ({ decision: { rule, packet }, host }) => {
  if (rule === null) return undefined;
  const { table, chain, index, owner } = rule;
  const did = / -j REJECT\b/.test(rule.text) ? "rejects" : "drops";
  const headline = `rule ${index} of ${chain} (${table}) on ${host} ${did} it${owner === undefined ? "" : `: ${ownerText(owner)}`}`;
  if (chain === "KUBE-FIREWALL") {
    return fault(headline, {
      text: `Do not send to 127.0.0.0/8 of ${host} from elsewhere: ask one of its own addresses.`,
      host,
    });
  }
  const remedy = {
    text: `Let these packets pass before rule ${index} of chain ${chain} on ${host}, or take the rule out.`,
    host,
  };
  return fault(
    headline,
    packet === null
      ? remedy
      : { ...remedy, command: `iptables -t ${table} -I ${chain} ${index} ${selector(packet)} -j ACCEPT` },
  );
};
