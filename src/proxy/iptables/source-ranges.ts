import { prefixHolds } from "../canonical-address.ts";
import type { PortModel } from "../model.ts";

/** A node in the source ranges may talk to a load balancer address it holds itself, and then that is its source. */
export function allowsNode({ port }: PortModel, nodeIp: string): boolean {
  return port.sourceRanges.some((range) => prefixHolds(range, nodeIp));
}
