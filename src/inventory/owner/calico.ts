import type { Owner } from "../../world/world.ts";
import { chainAfter, commentsOf, type NameSource } from "./placed-rule.ts";

/**
 * Calico's chains. Policies stand in comments (`Policy shop/knp.default.web ingress`, Felix 3.x), profiles and workloads in
 * chain names: `cali-pri-kns.shop` is a namespace's profile, `cali-tw-cali…` what goes to the workload behind a device.
 */
export const ofCalico: NameSource = ({ chain, rule }) => {
  const next = chainAfter(rule) ?? "";
  if (!chain.startsWith("cali-") && !next.startsWith("cali-")) return undefined;
  return inComments(commentsOf(rule)) ?? ofChain(chain) ?? ofChain(next) ?? AGENT;
};

const AGENT: Owner = { kind: "Agent", name: "calico", inferred: true };

function inComments(comments: readonly string[]): Owner | undefined {
  for (const comment of comments) {
    const [, namespace, name] = /^Policy (?:([^/\s]+)\/)?(\S+)(?: (?:in|e)gress)?$/.exec(comment) ?? [];
    if (name !== undefined) return policy(namespace, name);
    const [, profile] = /^Profile (\S+)(?: (?:in|e)gress)?$/.exec(comment) ?? [];
    if (profile !== undefined) return ofProfile(profile);
  }
  return undefined;
}

/** `knp.default.NAME` is a NetworkPolicy of Kubernetes, `default.NAME` one of Calico's own tier. */
function policy(namespace: string | undefined, name: string): Owner {
  const kubernetes = /^knp\.default\.(.+)$/.exec(name)?.[1];
  if (namespace === undefined) return { kind: "GlobalNetworkPolicy", name, inferred: true };
  return { kind: "NetworkPolicy", namespace, name: kubernetes ?? name, inferred: true };
}

function ofProfile(name: string): Owner | undefined {
  const [, namespace] = /^kns\.(.+)$/.exec(name) ?? [];
  if (namespace !== undefined) return { kind: "Namespace", name: namespace, inferred: true };
  const [, of, account] = /^ksa\.([^.]+)\.(.+)$/.exec(name) ?? [];
  return of === undefined || account === undefined
    ? undefined
    : { kind: "ServiceAccount", namespace: of, name: account, inferred: true };
}

/** A name too long for a chain is hashed (`cali-pri-_…`) and tells nothing. */
function ofChain(chain: string): Owner | undefined {
  const profile = /^cali-pr[io]-(k.*)$/.exec(chain)?.[1];
  if (profile !== undefined) return ofProfile(profile);
  const [, device] = /^cali-[tf]w-(cali.*)$/.exec(chain) ?? [];
  return device === undefined ? undefined : { kind: "WorkloadEndpoint", name: device, inferred: true };
}
