import {
  ALL,
  type CalicoSelector,
  joined,
  replaced,
  withKeyPrefix,
  writtenSelector,
} from "../object/calico-selector.ts";
import type { CalicoEntity, CalicoGlobalPolicySpec } from "../object/policy-types.ts";
import { NAMESPACE, NAMESPACE_PREFIX, SERVICE_ACCOUNT, SERVICE_ACCOUNT_PREFIX } from "./calico-labels.ts";

/** What the selectors of Calico's policies and rules come to as one: its text is hashed for names (libcalico-go, `updateprocessors`). */

const HAS_NAMESPACE: CalicoSelector = { kind: "has", key: NAMESPACE };
const HAS_ACCOUNT: CalicoSelector = { kind: "has", key: SERVICE_ACCOUNT };

export function inNamespace(namespace: string): CalicoSelector {
  return { kind: "==", key: NAMESPACE, value: namespace };
}

/** Endpoints that a policy is for. `all()` beside another selector is everything that can have what that one asks of. */
export function subjectSelector(spec: CalicoGlobalPolicySpec, namespace: string | null): CalicoSelector {
  const own = writtenSelector(spec.selector);
  const accounts = ofAccounts(spec.serviceAccountSelector);
  if (namespace !== null) return joined(joined(own, inNamespace(namespace)), accounts) ?? ALL;
  const namespaces = ofNamespaces(spec.namespaceSelector);
  const near = namespaces === null ? own : replaced(joined(own, namespaces) ?? ALL, { all: HAS_NAMESPACE });
  return accounts === null ? (near ?? ALL) : replaced(joined(near, accounts) ?? ALL, { all: HAS_ACCOUNT });
}

/**
 * Whom a rule means, and whom it does not. null: nobody in particular. In a policy of a namespace, its own is meant unless
 * the rule names others, as soon as any selector stands there; and whoever must not be chosen is left out of the chosen.
 */
export function entitySelectors(
  { selector, notSelector, namespaceSelector, serviceAccounts }: CalicoEntity,
  namespace: string | null,
): { readonly chosen: CalicoSelector | null; readonly excluded: CalicoSelector | null } {
  const excluded = writtenSelector(notSelector);
  const others = ofNamespaces(namespaceSelector);
  const ends = joined(accountsSelector(serviceAccounts), writtenSelector(selector));
  const where = others ?? (namespace === null ? null : inNamespace(namespace));
  const isNear = ends !== null || excluded !== null || others !== null;
  const chosen = isNear ? joined(where, ends) : null;
  if (chosen === null || excluded === null) return { chosen, excluded };
  return { chosen: joined(chosen, { kind: "!", of: excluded }), excluded: null };
}

function accountsSelector(accounts: CalicoEntity["serviceAccounts"]): CalicoSelector | null {
  const { names = [], selector } = accounts ?? {};
  const named: CalicoSelector | null =
    names.length === 0 ? null : { kind: "in", key: SERVICE_ACCOUNT, values: names };
  return joined(ofAccounts(selector), named);
}

/** `all()` is every namespace, so that what lives in none is not meant; `global()` is what lives in none. */
function ofNamespaces(text: string | undefined): CalicoSelector | null {
  const written = writtenSelector(text);
  if (written === null) return null;
  return replaced(withKeyPrefix(written, NAMESPACE_PREFIX), {
    all: HAS_NAMESPACE,
    global: { kind: "!", of: HAS_NAMESPACE },
  });
}

function ofAccounts(text: string | undefined): CalicoSelector | null {
  const written = writtenSelector(text);
  return written === null ? null : withKeyPrefix(written, SERVICE_ACCOUNT_PREFIX);
}
