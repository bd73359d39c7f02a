/**
 * The rooms of `src/` from top to bottom. A file may import its own room and any room on a line above it.
 * Rooms on one line are peers and may not import one another.
 */
export const ROOM_ORDER: readonly (readonly string[])[] = [
  ["address"],
  ["packet"],
  ["clock"],
  ["kernel"],
  ["world"],
  ["walk"],
  ["object"],
  ["cni", "proxy", "policy", "balance", "discovery"],
  ["control"],
  ["cluster"],
  ["source"],
  ["inventory"],
  ["analyze"],
  ["present"],
  ["store"],
  ["lab"],
  ["serve"],
  ["web"],
  ["cli"],
];

/** The last room that must also run in a browser. */
const LAST_BROWSER_SAFE = "present";

export const ROOMS: readonly string[] = ROOM_ORDER.flat();

export const BROWSER_SAFE_ROOMS: readonly string[] = ROOMS.slice(0, ROOMS.indexOf(LAST_BROWSER_SAFE) + 1);

/** Rooms that know kernels and wires only, and no word of Kubernetes. */
export const KERNEL_ONLY_ROOMS: readonly string[] = ["kernel", "world", "walk"];

/** Position in the order: a smaller number is a higher room. Undefined for a folder that is no room. */
export function levelOf(room: string): number | undefined {
  const level = ROOM_ORDER.findIndex((peers) => peers.includes(room));
  return level === -1 ? undefined : level;
}
