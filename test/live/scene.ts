import type { Dice } from "./dice.ts";
import type { DraftHost } from "./draft.ts";
import type { Aim } from "./random-queries.ts";
import type { Ground } from "./topology.ts";

/** A node and those about it: who sends what past which of its hooks. */
export interface Scene {
  readonly node: DraftHost;
  /** The node's address towards its pods. */
  readonly gateway: string;
  /** The port that one of its pods hangs on, the pod, and that one's address. */
  readonly port: string;
  readonly pod: DraftHost;
  readonly podAddress: string;
  /** Those of the other pods on the node. */
  readonly siblings: readonly string[];
  /** Who is reached by the node's card: the router, and a host behind it. */
  readonly away: readonly string[];
}

export function sceneOf(dice: Dice, { draft: { hosts, wires }, plan }: Ground): Scene {
  const addressOn = (host: DraftHost, device: string): string | undefined =>
    host.addresses.find(
      ({ dev, address }) =>
        dev === device && address.includes(":") === (plan.family === 6) && !address.startsWith("fe80:"),
    )?.address;
  const scenes = wires.flatMap(([nodeName, port, podName]): Scene[] => {
    const [node, pod] = [hosts.get(nodeName), hosts.get(podName)];
    if (node === undefined || pod?.kind !== "pod") return [];
    const [gateway, podAddress] = [addressOn(node, "cni0"), addressOn(pod, "eth0")];
    if (gateway === undefined || podAddress === undefined) return [];
    const siblings = wires.flatMap(([other, , beside]) => {
      const sibling = other === nodeName && beside !== podName ? hosts.get(beside) : undefined;
      return sibling?.kind === "pod" ? (addressOn(sibling, "eth0") ?? []) : [];
    });
    return [
      { node, gateway, port, siblings, pod, podAddress, away: [plan.fabricHost(254), plan.outsideHost(10)] },
    ];
  });
  return dice.pick(scenes);
}

/** Packets that the node sends itself. */
export function sent({ node, gateway, podAddress, away }: Scene, made: Partial<Aim>): Aim[] {
  return [podAddress, gateway, ...away].map((dst) => ({ from: node.name, dst, ...made }));
}

/** Packets that the node is sent by its pod. */
export function received({ pod, gateway }: Scene, made: Partial<Aim>): Aim[] {
  return [{ from: pod.name, dst: gateway, ...made }];
}

/** Packets that the node forwards for its pod. */
export function forwarded({ pod, away }: Scene, made: Partial<Aim>): Aim[] {
  return away.map((dst) => ({ from: pod.name, dst, ...made }));
}

/** A datagram to a port that no other rule names. */
export function datagram(dport: number, more: Partial<Aim> = {}): Partial<Aim> {
  return { proto: "udp", dport, size: 16, ...more };
}
