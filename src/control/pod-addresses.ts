import { type FamilyName, familyOfText } from "../address/family-name.ts";
import { parseIp } from "../address/ip.ts";
import type { Pod } from "../object/kubernetes-object.ts";

/** The addresses of a pod, at most one a family, as `status.podIP` and `status.podIPs` tell them. */
export function addressesOfPod({ status }: Pod): Partial<Record<FamilyName, string>> {
  const { podIP = "", podIPs = [] } = status ?? {};
  const found: Partial<Record<FamilyName, string>> = {};
  for (const text of [podIP, ...podIPs.map(({ ip = "" }) => ip)]) {
    const family = familyOfText(text);
    if (found[family] === undefined && parseIp(text) !== undefined) found[family] = text;
  }
  return found;
}
