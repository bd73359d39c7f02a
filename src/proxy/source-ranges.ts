import { prefixHolds } from "./canonical-address.ts";
import type { ServicePort } from "./service-ports.ts";

/** A node in the source ranges may talk to a load balancer address it holds itself, and then that is its source. */
export function allowsNode({ sourceRanges }: ServicePort, nodeIp: string): boolean {
  return sourceRanges.some((range) => prefixHolds(range, nodeIp));
}
