import { ownerText } from "../../inventory/owner/owner-text.ts";
import type { PacketView, RuleHit } from "../../walk/trace.ts";
import {
  type Advice,
  type Case,
  type Diagnosis,
  familyOf,
  fault,
  iptablesOf,
  nftSelector,
  selector,
} from "./fault.ts";

/** The policy of a chain. */
export const droppingPolicy: Diagnosis = (at) => {
  const {
    decision: { policy, packet },
    host,
  } = at;
  if (policy === null) return undefined;
  const { table, chain, backend } = policy;
  const tool = ruleTool(backend, table, at);
  const passAll = tool.passAll(chain);
  const text = `Let these packets pass at the end of chain ${chain} on ${host} (their answers too, unless a rule lets ESTABLISHED pass).`;
  return fault(
    `no rule of ${chain} (${table}) on ${host} lets the packet pass, and the chain's policy is DROP`,
    accepting(text, host, packet, tool, tool.append(chain)),
    ...(passAll === null
      ? []
      : [{ text: "Or let the chain pass what no rule takes.", command: passAll, host }]),
  );
};

/** A rule, whoever wrote it. */
export const droppingRule: Diagnosis = (at) => {
  const {
    decision: { rule, packet },
    host,
  } = at;
  if (rule === null) return undefined;
  const { table, chain, index, owner, backend } = rule;
  const did = /(?: -j REJECT|\breject)\b/.test(rule.text) ? "rejects" : "drops";
  const whose = owner === undefined ? "" : `: ${ownerText(owner)}`;
  const headline = `rule ${index} of ${chain} (${table}) on ${host} ${did} it${whose}`;
  if (chain === "KUBE-FIREWALL") {
    return fault(headline, {
      text: `Do not send to 127.0.0.0/8 of ${host} from elsewhere: ask one of its own addresses.`,
      host,
    });
  }
  const tool = ruleTool(backend, table, at);
  const text = `Let these packets pass before rule ${index} of chain ${chain} on ${host}, or take the rule out.`;
  return fault(headline, accepting(text, host, packet, tool, tool.insert(chain, index)));
};

/** How rules are put into a table, in the words of the tool that it is one of. */
interface RuleTool {
  append(chain: string): string;
  insert(chain: string, index: number): string;
  /** null: a rule must do. */
  passAll(chain: string): string | null;
  readonly accept: string;
  readonly selector: typeof selector;
}

/** @param table of nftables with its family, `ip6 kube-proxy` */
function ruleTool(backend: RuleHit["backend"], table: string, at: Case): RuleTool {
  if (backend === "nft")
    return {
      append: (chain) => `nft add rule ${table} ${chain}`,
      insert: (chain, index) => `nft insert rule ${table} ${chain} index ${index - 1}`,
      passAll: () => null,
      accept: "accept",
      selector: nftSelector,
    };
  const iptables = `${iptablesOf(familyOf(at))} -t ${table}`;
  return {
    append: (chain) => `${iptables} -A ${chain}`,
    insert: (chain, index) => `${iptables} -I ${chain} ${index}`,
    passAll: (chain) => `${iptables} -P ${chain} ACCEPT`,
    accept: "-j ACCEPT",
    selector,
  };
}

/** One rule for a flow, or where several go to different pods, one for all of them. */
function accepting(
  text: string,
  host: string,
  packet: PacketView | null,
  { selector: select, accept }: RuleTool,
  insert: string,
): Advice {
  if (packet === null) return { text, host };
  return {
    text,
    host,
    command: `${insert} ${select(packet)} ${accept}`,
    together: {
      key: `${host} ${insert}`,
      item: packet.ip.dst,
      text: () => text,
      command: `${insert} ${select(packet, true)} ${accept}`,
    },
  };
}
