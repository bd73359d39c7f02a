import { chainAfter, commentsOf, type NameSource } from "./placed-rule.ts";

/** flanneld's chains, and before it had chains (0.20) its comments. */
export const ofFlannel: NameSource = ({ chain, rule }) => {
  const named = [chain, chainAfter(rule) ?? ""].some((name) => name.startsWith("FLANNEL-"));
  const said = commentsOf(rule).some((comment) => comment.startsWith("flanneld "));
  return named || said ? { kind: "Agent", name: "flannel", inferred: true } : undefined;
};
