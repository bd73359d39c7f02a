import { type FamilyName, familyOfText } from "../address/family-name.ts";
import type { Service } from "./kubernetes-object.ts";
import type { FieldPath } from "./place.ts";

/** Why an API server would refuse a Service. */
export interface FamilyFault {
  readonly field: FieldPath;
  readonly message: string;
}

/** The families a Service says it is of, by `ipFamilies` or else by the cluster IPs it was given; of a new one none. */
export function familiesSaid({ spec }: Service): readonly FamilyName[] {
  const { ipFamilies = [], clusterIP = "", clusterIPs = [] } = spec;
  if (ipFamilies.length > 0) return ipFamilies as readonly FamilyName[];
  const given = [...new Set([clusterIP, ...clusterIPs])].filter((text) => text !== "" && text !== "None");
  return [...new Set(given.map(familyOfText))];
}

/**
 * The families a Service is of in a cluster that has those of `cluster`, the primary first (`initIPFamilyFields`,
 * pkg/registry/core/service/storage/alloc.go): one unless its policy asks for both, and both for one that has neither an
 * address nor a selector.
 */
export function familiesOf(service: Service, cluster: readonly FamilyName[]): readonly FamilyName[] {
  const { ipFamilyPolicy, clusterIP, selector = {} } = service.spec;
  const said = familiesSaid(service).filter((family) => cluster.includes(family));
  const first = said.length === 0 ? cluster.slice(0, 1) : said;
  const isFree = clusterIP === "None" && Object.keys(selector).length === 0 && ipFamilyPolicy === undefined;
  const wantsBoth = ipFamilyPolicy === "PreferDualStack" || ipFamilyPolicy === "RequireDualStack" || isFree;
  return wantsBoth ? [...first, ...cluster.filter((family) => !first.includes(family))] : first;
}

/** What a cluster of these families would refuse. */
export function familyFault(service: Service, cluster: readonly FamilyName[]): FamilyFault | null {
  const { type, ipFamilyPolicy, ipFamilies = [], clusterIP, selector = {} } = service.spec;
  if (type === "ExternalName") return null;
  const said = familiesSaid(service);
  if (ipFamilyPolicy === "SingleStack" && said.length > 1) {
    const message = `"SingleStack": may be RequireDualStack or PreferDualStack where it has ${said.join(" and ")}`;
    return { field: ["spec", "ipFamilyPolicy"], message };
  }
  // Whoever writes its endpoints by hand may write those of a family that the cluster does not have.
  if (clusterIP === "None" && Object.keys(selector).length === 0) return null;
  const other = ipFamilies.findIndex((family) => !cluster.includes(family as FamilyName));
  if (other >= 0) {
    const message = `${JSON.stringify(ipFamilies[other])} is not configured on this cluster`;
    return { field: ["spec", "ipFamilies", other], message };
  }
  if (ipFamilyPolicy === "RequireDualStack" && cluster.length < 2) {
    const message = '"RequireDualStack": this cluster is not configured for dual-stack services';
    return { field: ["spec", "ipFamilyPolicy"], message };
  }
  return null;
}
