import { ownerText } from "../../inventory/owner/owner-text.ts";
import type { PacketView } from "../../walk/trace.ts";
import { type Advice, type Diagnosis, fault, selector } from "./fault.ts";

/** The policy of a chain. */
export const droppingPolicy: Diagnosis = ({ decision: { policy, packet }, host }) => {
  if (policy === null) return undefined;
  const { table, chain } = policy;
  const text = `Let these packets pass at the end of chain ${chain} on ${host} (their answers too, unless a rule lets ESTABLISHED pass).`;
  return fault(
    `no rule of ${chain} (${table}) on ${host} lets the packet pass, and the chain's policy is DROP`,
    accepting(text, host, packet, `iptables -t ${table} -A ${chain}`),
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
  const whose = owner === undefined ? "" : `: ${ownerText(owner)}`;
  const headline = `rule ${index} of ${chain} (${table}) on ${host} ${did} it${whose}`;
  if (chain === "KUBE-FIREWALL") {
    return fault(headline, {
      text: `Do not send to 127.0.0.0/8 of ${host} from elsewhere: ask one of its own addresses.`,
      host,
    });
  }
  const text = `Let these packets pass before rule ${index} of chain ${chain} on ${host}, or take the rule out.`;
  return fault(headline, accepting(text, host, packet, `iptables -t ${table} -I ${chain} ${index}`));
};

/** One rule for a flow, or where several go to different pods, one for all of them. */
function accepting(text: string, host: string, packet: PacketView | null, insert: string): Advice {
  if (packet === null) return { text, host };
  return {
    text,
    host,
    command: `${insert} ${selector(packet)} -j ACCEPT`,
    together: {
      key: `${host} ${insert}`,
      item: packet.ip.dst,
      text: () => text,
      command: `${insert} ${selector(packet, true)} -j ACCEPT`,
    },
  };
}
