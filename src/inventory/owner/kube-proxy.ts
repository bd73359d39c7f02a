import { chainAfter, commentsOf, type NameSource } from "./placed-rule.ts";

const KUBELET_CHAINS: ReadonlySet<string> = new Set([
  "KUBE-FIREWALL",
  "KUBE-KUBELET-CANARY",
  "KUBE-MARK-DROP",
  "KUBE-IPTABLES-HINT",
]);

/** What all Services share: the jumps from built-in chains, the masquerading, the kubelet's firewall. */
export const ofKubeAgents: NameSource = ({ chain, rule }) => {
  const kube = [chain, chainAfter(rule) ?? ""].find((name) => name.startsWith("KUBE-"));
  if (kube === undefined) {
    const isOurs = commentsOf(rule).some((comment) => /^kubernetes /.test(comment));
    return isOurs ? { kind: "Agent", name: "kube-proxy", inferred: true } : undefined;
  }
  return { kind: "Agent", name: KUBELET_CHAINS.has(kube) ? "kubelet" : "kube-proxy", inferred: true };
};
