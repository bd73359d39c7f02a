import type { CalicoPolicySpec, PolicyDirection } from "../object/policy-types.ts";

/** `types`, or what the rules are of; a policy without any is of ingress. */
export function directionsOf({
  types = [],
  ingress = [],
  egress = [],
}: CalicoPolicySpec): readonly PolicyDirection[] {
  if (types.length > 0) return types;
  if (egress.length === 0) return ["Ingress"];
  return ingress.length === 0 ? ["Egress"] : ["Ingress", "Egress"];
}
