import type { Owner } from "../../world/world.ts";

/** `Service shop/db spec.ports[0]`, `flannel`; what was read off names says so. */
export function ownerText({ kind, namespace, name, field, inferred }: Owner): string {
  const whose = kind === "Agent" ? name : `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
  return `${whose}${field === undefined ? "" : ` ${field}`}${inferred === true ? " (inferred)" : ""}`;
}
