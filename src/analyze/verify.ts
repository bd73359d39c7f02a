import type { Family } from "../address/ip.ts";
import type { ClusterMembers } from "./cluster-members.ts";
import { pairsOf } from "./pairs.ts";
import { assignedAddress } from "./principle/assigned-address.ts";
import { containerToContainer } from "./principle/container-to-container.ts";
import { meetOnLocalhost } from "./principle/meet-on-localhost.ts";
import { nodeBridgePod } from "./principle/node-bridge-pod.ts";
import { nodeToContainer } from "./principle/node-to-container.ts";
import { outsideToPod } from "./principle/outside-to-pod.ts";
import { ownAddress } from "./principle/own-address.ts";
import { ownView } from "./principle/own-view.ts";
import { samePort } from "./principle/same-port.ts";
import type { Finding, Inspected, Principle } from "./principle.ts";
import { Walker } from "./walker.ts";

/** The network model's four basics, three requirements, and what it says of architecture and of addresses. */
export const PRINCIPLES: readonly Principle[] = [
  ownAddress,
  assignedAddress,
  samePort,
  meetOnLocalhost,
  containerToContainer,
  nodeToContainer,
  ownView,
  nodeBridgePod,
  outsideToPod,
];

/** What came of one principle. */
export interface Verified {
  readonly principle: Principle;
  /** The family it was checked in. */
  readonly family: Family;
  readonly finding: Finding;
}

export interface VerifyOptions {
  /** Walk every pair, however many there are. */
  readonly all?: boolean;
  /** Routes from outside to pods and cluster IPs are meant to be there, as where a fabric knows the pods. */
  readonly routed?: boolean;
  readonly principles?: readonly Principle[];
  /** Told of each question walked, with the number of the principle it is asked for. */
  readonly onWalk?: (principle: number, walks: number) => void;
}

export function verify(members: ClusterMembers, options: VerifyOptions = {}): Verified[] {
  const { all = false, routed = false, principles = PRINCIPLES, onWalk = () => {} } = options;
  let current = 0;
  const walker: Walker = new Walker(members.world, () => onWalk(current, walker.walks));
  const cluster: Inspected = { members, walker, pairs: pairsOf(members, all), routed };
  return principles.map((principle) => {
    current = principle.number;
    return { principle, family: members.family, finding: principle.check(cluster) };
  });
}
