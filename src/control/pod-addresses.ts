import { type FamilyName, familyOfText } from "../address/family-name.ts";
import { parseIp } from "../address/ip.ts";
import type { Pod } from "../object/kubernetes-object.ts";

/** The addresses of a pod, at most one a family, as `status.podIP` and `status.podIPs` tell them. */
export function addressesOfPod({ status }: Pod): Partial<Record<FamilyName, string>> {
  const { podIP = "", podIPs = [] } = status ?? {};
  const found: Partial<Record<FamilyName, string>> = {};
  take(podIP, found);
  // The first is podIP again.
  if (podIPs.length > 1 || podIP === "") for (const { ip = "" } of podIPs) take(ip, found);
  return found;
}

function take(text: string, found: Partial<Record<FamilyName, string>>): void {
  if (text === "") return;
  const family = familyOfText(text);
  if (found[family] === undefined && parseIp(text) !== undefined) found[family] = text;
}
