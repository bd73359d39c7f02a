import { chainAfter, type NameSource } from "./placed-rule.ts";

/** The chains that istio-init or istio-cni writes into a pod. */
export const ofIstio: NameSource = ({ chain, rule }) =>
  [chain, chainAfter(rule) ?? ""].some((name) => name.startsWith("ISTIO_"))
    ? { kind: "Agent", name: "istio", inferred: true }
    : undefined;
