import { nearestWord } from "../kernel/nearest-word.ts";
import { isTypedKind } from "./kind-fields.ts";
import { groupOf, KINDS, kindNamed } from "./kinds.ts";
import type { ObjectReport } from "./object-report.ts";

/** The versions in which each group's kinds were ever served; a group that is not here is not looked at. */
const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  "": ["v1"],
  apps: ["v1", "v1beta2", "v1beta1"],
  extensions: ["v1beta1"],
  batch: ["v1", "v1beta1", "v2alpha1"],
  "discovery.k8s.io": ["v1", "v1beta1", "v1alpha1"],
  "networking.k8s.io": ["v1", "v1beta1", "v1alpha1"],
  "policy.networking.k8s.io": ["v1alpha1"],
  "projectcalico.org": ["v3"],
  "crd.projectcalico.org": ["v1"],
};

/**
 * Whether an object is of a kind and version that the API has, or of somebody's own: what is neither was mistyped, and
 * would else be passed over in silence. Groups of custom kinds have a dot in them.
 */
export function checkVersion(apiVersion: string, kind: string, report: ObjectReport): void {
  const group = groupOf(apiVersion);
  const isCustom = group.includes(".") && !group.endsWith(".k8s.io");
  const groups = kindNamed(kind)?.groups;
  if (groups === undefined) {
    if (!isCustom) checkKind(kind, group, report);
    return;
  }
  // OpenShift's old API has roles, among others, of a plain v1.
  if (!isTypedKind(kind)) return;
  if (!groups.includes(group)) {
    const near = nearestWord(
      group,
      groups.filter((one) => one !== ""),
    );
    if (!isCustom || near !== undefined) {
      report.error(["apiVersion"], `${apiVersion} has no ${kind}: ${expected(groups)} is expected`);
    }
    return;
  }
  const version = apiVersion.slice(group === "" ? 0 : group.length + 1);
  if (VERSIONS[group]?.includes(version) === false) {
    report.error(["apiVersion"], `${apiVersion} is no version of ${kind}: ${expected(groups)} is expected`);
  }
}

function expected([group = ""]: readonly string[]): string {
  const version = VERSIONS[group]?.[0] ?? "v1";
  return group === "" ? version : `${group}/${version}`;
}

/** A kind of the API's own that is not known here, by its name a mistyped one or a new one. */
function checkKind(kind: string, group: string, report: ObjectReport): void {
  if (VERSIONS[group] === undefined) return;
  const lower = kind.toLowerCase();
  const kinds = KINDS.map((names) => names.kind);
  const near = KINDS.find(
    (names) =>
      names.kind.toLowerCase() === lower || names.plural === lower || names.shortNames.includes(lower),
  );
  const meant = near?.kind ?? nearestWord(kind, kinds);
  if (meant !== undefined)
    report.error(["kind"], `${kind} is no known kind (did you mean ${JSON.stringify(meant)}?)`);
}
