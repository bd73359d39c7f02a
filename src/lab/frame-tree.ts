import type { Network } from "../walk/network.ts";
import type { Frame } from "../walk/trace.ts";
import type { Place } from "./excused.ts";
import { packetDifference } from "./packet-difference.ts";
import type { PacketFrames, WholeFrame } from "./packets.ts";
import type { Renaming } from "./renaming.ts";

/**
 * A packet's frames by cause: a frame that comes in was sent by the other end of the cable, one that goes out is what the
 * host made of the one before. A packet copied to several ports branches; the order among branches is excused, so two
 * packets agree when their trees do, branches in any order.
 */
export interface FrameNode<F> {
  readonly frame: F;
  /** Place among the packet's frames, from 1. */
  readonly index: number;
  readonly effects: FrameNode<F>[];
}

/** The frames nothing caused, with what each had for effect. */
export function frameTree<F extends Place>(network: Network, frames: readonly F[]): FrameNode<F>[] {
  const roots: FrameNode<F>[] = [];
  const nodes: FrameNode<F>[] = [];
  /** Frames sent that nobody has received yet. */
  const sent: FrameNode<F>[] = [];
  frames.forEach((frame, i) => {
    const node: FrameNode<F> = { frame, index: i + 1, effects: [] };
    const cause = causeOf(network, node, nodes, sent);
    if (cause === undefined) roots.push(node);
    else cause.effects.push(node);
    nodes.push(node);
    if (frame.direction === "out") sent.push(node);
  });
  return roots;
}

function causeOf<F extends Place>(
  network: Network,
  node: FrameNode<F>,
  before: readonly FrameNode<F>[],
  sent: FrameNode<F>[],
): FrameNode<F> | undefined {
  const { frame } = node;
  const host = network.hostNumber(frame.host);
  const net = network.host(host);
  const device = net?.deviceNamed(frame.device);
  if (device !== undefined && device !== null && frame.direction !== "out") {
    const peer = device.isLoopback ? frame : otherEnd(network, host, device.slot);
    if (peer !== undefined) {
      const at = sent.findIndex(({ frame: f }) => f.host === peer.host && f.device === peer.device);
      return at < 0 ? undefined : sent.splice(at, 1)[0];
    }
  }
  const lower = device === undefined || device === null ? null : network.stacking(host).lowers[device.slot];
  if (lower !== null && lower !== undefined && frame.direction !== "out") {
    // By a device that sits on another: what came in by that one, for each of those that sit there.
    const below = network.host(lower.host)?.name;
    const at = before.findLast(({ frame: f }) => f.host === below && f.device === lower.device.name);
    if (at !== undefined) return at;
  }
  // What the host made of an earlier frame; copies to several ports of one bridge have the same cause.
  const bridge = device?.isBridge && frame.direction !== "out" ? device : (device?.master ?? null);
  for (let i = before.length - 1; i >= 0; i--) {
    const candidate = before[i] as FrameNode<F>;
    if (candidate.frame.host !== frame.host) continue;
    const isCopy =
      bridge !== null &&
      candidate.frame.direction === "out" &&
      net?.deviceNamed(candidate.frame.device)?.master === bridge;
    if (!isCopy) return candidate;
  }
  return undefined;
}

function otherEnd(
  network: Network,
  host: number,
  slot: number,
): { readonly host: string; readonly device: string } | undefined {
  const other = network.host(network.peerHost(host, slot));
  const device = other?.devices[network.peerSlot(host, slot)];
  return other === undefined || device === undefined ? undefined : { host: other.name, device: device.name };
}

/** What a host whose rules copy packets does with a packet and with its copy comes out in the order its queues have them. */
function sameEverywhere(
  recorded: readonly WholeFrame[],
  ours: readonly Frame[],
  renaming: Renaming,
): boolean {
  const left = [...ours];
  for (const theirs of recorded) {
    const at = left.findIndex((mine) => {
      if (placeText(theirs) !== placeText(mine)) return false;
      const trial = renaming.fork();
      if (packetDifference(theirs, mine, trial) !== null) return false;
      renaming.adopt(trial);
      return true;
    });
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return left.length === 0;
}

/** How far two packets' frames agree. */
export interface FramesCompared {
  readonly difference: string | null;
  /** Frames that agreed before the difference. */
  readonly depth: number;
}

/** @param isCopied rules made copies of packets (TEE): those bear the packet's number, and which was first does not count */
export function compareFrames(
  network: Network,
  recorded: PacketFrames<WholeFrame>,
  ours: PacketFrames<Frame>,
  renaming: Renaming,
  isCopied: boolean,
): FramesCompared {
  const trial = renaming.fork();
  const { difference, depth } = compareBranches(
    frameTree(network, recorded.frames),
    frameTree(network, ours.frames),
    trial,
  );
  if (difference !== null && isCopied && sameEverywhere(recorded.frames, ours.frames, renaming))
    return { difference: null, depth };
  renaming.adopt(trial);
  return { difference: difference === null ? null : `packet ${recorded.number}: ${difference}`, depth };
}

function compareBranches(
  recorded: readonly FrameNode<WholeFrame>[],
  ours: readonly FrameNode<Frame>[],
  renaming: Renaming,
): FramesCompared {
  const left = [...ours];
  let depth = 0;
  for (const theirs of recorded) {
    let nearest: FramesCompared | undefined;
    for (const [at, mine] of left.entries()) {
      if (placeText(theirs.frame) !== placeText(mine.frame)) continue;
      const trial = renaming.fork();
      const result = compareNodes(theirs, mine, trial);
      if (nearest === undefined || result.depth > nearest.depth) nearest = result;
      if (result.difference !== null) continue;
      renaming.adopt(trial);
      left.splice(at, 1);
      nearest = result;
      break;
    }
    if (nearest === undefined) {
      const instead = left.length === 0 ? "not modelled" : `${frameText(left[0]?.frame)} modelled`;
      return {
        difference: `frame ${theirs.index}: ${frameText(theirs.frame)} recorded, ${instead}`,
        depth,
      };
    }
    depth += nearest.depth;
    if (nearest.difference !== null) return { difference: nearest.difference, depth };
  }
  const extra = left[0];
  if (extra === undefined) return { difference: null, depth };
  return { difference: `frame ${extra.index}: ${frameText(extra.frame)} modelled, not recorded`, depth };
}

function compareNodes(
  theirs: FrameNode<WholeFrame>,
  mine: FrameNode<Frame>,
  renaming: Renaming,
): FramesCompared {
  const difference = packetDifference(theirs.frame, mine.frame, renaming);
  if (difference !== null) {
    return { difference: `frame ${theirs.index} (${frameText(theirs.frame)}): ${difference}`, depth: 0.5 };
  }
  const { difference: later, depth } = compareBranches(theirs.effects, mine.effects, renaming);
  return { difference: later, depth: depth + 1 };
}

/** Does the packet get copied? */
export function branches<F>(nodes: readonly FrameNode<F>[]): boolean {
  return nodes.length > 1 || nodes.some((node) => branches(node.effects));
}

export function placeText({ host, device, direction }: Place): string {
  return `${host}:${device}:${direction}`;
}

export function frameText(
  frame: (Place & { readonly ip?: { readonly src: string; readonly dst: string } }) | undefined,
): string {
  if (frame === undefined) return "nothing";
  return `${frame.host} ${frame.device} ${frame.direction} ${frame.ip?.src}>${frame.ip?.dst}`;
}
