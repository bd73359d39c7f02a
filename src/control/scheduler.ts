import type { PodSpec } from "kubernetes-types/core/v1.js";
import {
  controllerOf,
  isObserved,
  keyOf,
  type Node,
  namespaceOf,
  type Pod,
} from "../object/kubernetes-object.ts";
import { CLUSTER_KEY, type Controller } from "./controller.ts";
import { canonicalJson } from "./hash-name.ts";
import { inNaturalOrder } from "./natural-order.ts";
import { reasonNotToFit } from "./node-fit.ts";
import { isActive } from "./pods-of-owner.ts";

/**
 * Puts pods on nodes: of those that fit, the one with the fewest pods of the same owner, then the fewest pods, then the
 * first by name. What a dump shows as waiting stays so. A pod that fits nowhere says why, as the scheduler's event does.
 */
export const scheduler: Controller = {
  name: "scheduler",
  keys: () => [CLUSTER_KEY],
  reconcile(_key, lister, writer) {
    const waiting = lister.list("Pod").filter(isWaiting);
    if (waiting.length === 0) return;
    const nodes = inNaturalOrder(lister.list("Node")).map(
      (node) => new Seat(node, lister.podsOn(node.metadata.name)),
    );
    const board = new Board(nodes);
    const fitting = new Map<string, Fit>();
    for (const pod of waiting) {
      const { nodeSelector, affinity, tolerations } = pod.spec;
      const isPlain = nodeSelector === undefined && affinity?.nodeAffinity === undefined;
      const key =
        isPlain && tolerations === undefined
          ? ""
          : canonicalJson([nodeSelector, affinity?.nodeAffinity, tolerations]);
      const fit = fitting.get(key) ?? fitOf(pod.spec, nodes);
      fitting.set(key, fit);
      const seat = board.best(pod, fit.seats);
      if (seat === undefined) {
        const message = unschedulable(nodes.length, fit, pod);
        if (messageOf(pod) !== message) writer.put(refused(pod, message));
        continue;
      }
      board.seat(pod, seat);
      const { status, ...rest } = pod;
      writer.put({
        ...rest,
        spec: { ...pod.spec, nodeName: seat.name },
        ...(isRefused(pod) ? {} : { status }),
      } as Pod);
    }
  },
};

function isWaiting(pod: Pod): boolean {
  if ((pod.spec.nodeName ?? "") !== "" || !isActive(pod)) return false;
  return !isObserved(pod) || pod.status?.phase === undefined || pod.status.phase === "" || isRefused(pod);
}

/** The reasons by node, and the nodes that there are none against. */
interface Fit {
  readonly seats: readonly Seat[];
  readonly reasons: readonly string[];
}

function fitOf(spec: PodSpec, nodes: readonly Seat[]): Fit {
  const seats: Seat[] = [];
  const reasons: string[] = [];
  for (const seat of nodes) {
    const reason = reasonNotToFit(spec, seat.node);
    if (reason === undefined) seats.push(seat);
    else reasons.push(reason);
  }
  return { seats, reasons };
}

/** So few seats are gone through one by one. */
const FEW_SEATS = 32;

/**
 * All seats, by how many pods are on them. A pod mostly finds one with the fewest pods and none of its owner's, so those are
 * looked at first; which one it gets does not depend on that.
 */
class Board {
  readonly #seats: readonly Seat[];
  readonly #places = new Map<Seat, number>();
  /** By number of pods: places of seats, in order. */
  readonly #levels: number[][] = [];

  constructor(seats: readonly Seat[]) {
    this.#seats = seats;
    for (const [place, seat] of seats.entries()) {
      this.#places.set(seat, place);
      this.#level(seat.pods).push(place);
    }
  }

  best(pod: Pod, fitting: readonly Seat[]): Seat | undefined {
    const owner = ownerKey(pod);
    const ports = hostPortsOf(pod.spec);
    const isFree = (seat: Seat) => !seat.isFull && seat.hasFree(ports);
    if (fitting.length === this.#seats.length && fitting.length > FEW_SEATS) {
      for (const level of this.#levels) {
        for (const place of level ?? []) {
          const seat = this.#seats[place] as Seat;
          if (seat.ofOwner(owner) === 0 && isFree(seat)) return seat;
        }
      }
    }
    let best: Seat | undefined;
    for (const seat of fitting) {
      if (!isFree(seat)) continue;
      if (best === undefined || seat.compare(best, owner) < 0) best = seat;
    }
    return best;
  }

  seat(pod: Pod, seat: Seat): void {
    const place = this.#places.get(seat) as number;
    const from = this.#level(seat.pods);
    from.splice(from.indexOf(place), 1);
    seat.take(pod);
    const to = this.#level(seat.pods);
    let at = to.length;
    while (at > 0 && (to[at - 1] as number) > place) at--;
    to.splice(at, 0, place);
  }

  #level(pods: number): number[] {
    let level = this.#levels[pods];
    if (level === undefined) {
      level = [];
      this.#levels[pods] = level;
    }
    return level;
  }
}

/** A node and what is on it. */
class Seat {
  readonly node: Node;
  readonly name: string;
  readonly #most: number;
  readonly #byOwner = new Map<string, number>();
  readonly #hostPorts = new Set<string>();
  #pods = 0;

  constructor(node: Node, pods: readonly Pod[]) {
    this.node = node;
    this.name = node.metadata.name;
    const { pods: most } = (node.status?.allocatable ?? {}) as Record<string, unknown>;
    this.#most = most === undefined || Number.isNaN(Number(most)) ? Number.POSITIVE_INFINITY : Number(most);
    for (const pod of pods) if (isActive(pod)) this.take(pod);
  }

  get isFull(): boolean {
    return this.#pods >= this.#most;
  }

  get pods(): number {
    return this.#pods;
  }

  ofOwner(owner: string): number {
    return this.#byOwner.get(owner) ?? 0;
  }

  take(pod: Pod): void {
    const owner = ownerKey(pod);
    this.#byOwner.set(owner, (this.#byOwner.get(owner) ?? 0) + 1);
    for (const port of hostPortsOf(pod.spec)) this.#hostPorts.add(port);
    this.#pods++;
  }

  hasFree(ports: readonly string[]): boolean {
    return ports.every((port) => !this.#hostPorts.has(port));
  }

  compare(other: Seat, owner: string): number {
    const own = this.ofOwner(owner) - other.ofOwner(owner);
    return own !== 0 ? own : this.#pods - other.#pods;
  }
}

/** A Deployment's pods are told by their ReplicaSet; a bare pod has none to be spread from. */
function ownerKey(pod: Pod): string {
  const owner = controllerOf(pod);
  return owner === undefined ? keyOf(pod) : `${owner.kind} ${namespaceOf(pod)}/${owner.name}`;
}

function hostPortsOf({ containers = [] }: PodSpec): string[] {
  return containers
    .flatMap(({ ports = [] }) => ports)
    .filter(({ hostPort }) => hostPort !== undefined)
    .map(({ hostPort, protocol = "TCP" }) => `${hostPort}/${protocol}`);
}

const UNSCHEDULABLE = "Unschedulable";

function unschedulable(nodes: number, { reasons, seats }: Fit, pod: Pod): string {
  const counts = new Map<string, number>();
  const add = (reason: string) => counts.set(reason, (counts.get(reason) ?? 0) + 1);
  for (const reason of reasons) add(reason);
  const ports = hostPortsOf(pod.spec);
  for (const seat of seats) {
    add(seat.hasFree(ports) ? "Too many pods" : "node(s) didn't have free ports for the requested pod ports");
  }
  const listed = [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([reason, count]) => `${count} ${reason}`);
  return `0/${nodes} nodes are available${listed.length === 0 ? "" : `: ${listed.join(", ")}`}.`;
}

function refused(pod: Pod, message: string): Pod {
  const conditions = [{ type: "PodScheduled", status: "False", reason: UNSCHEDULABLE, message }];
  return { ...pod, status: { phase: "Pending", conditions } };
}

function messageOf(pod: Pod): string | undefined {
  return pod.status?.conditions?.find(({ reason }) => reason === UNSCHEDULABLE)?.message;
}

function isRefused(pod: Pod): boolean {
  return messageOf(pod) !== undefined;
}
