import type { NdpFrame } from "../walk/trace.ts";
import type { RecordedNdp } from "./recorded.ts";

/**
 * The first frame of neighbour discovery that one side has and the other lacks, in words; null where both have the same.
 * For recordings of a world whose neighbours do not age while it is probed: elsewhere it is not predictable who is asked for.
 */
export function discoveryDifference(
  recorded: readonly RecordedNdp[],
  ours: readonly NdpFrame[],
): string | null {
  const left = new Map<string, number>();
  for (const frame of ours) {
    // What a tunnel carries is excused (`carriesDiscovery`).
    if (frame.nd.type === 0) continue;
    const text = ourText(frame);
    left.set(text, (left.get(text) ?? 0) + 1);
  }
  for (const frame of recorded) {
    const text = recordedText(frame);
    const count = left.get(text) ?? 0;
    if (count === 0) return `neighbour discovery: ${text}: recorded, not modelled`;
    left.set(text, count - 1);
  }
  for (const [text, count] of left) {
    if (count > 0) return `neighbour discovery: ${text}: modelled, not recorded`;
  }
  return null;
}

function recordedText({ ns, if: dev, dir, eth, ip6, ndp }: RecordedNdp): string {
  return textOf([ns, dev, dir], eth, { ...ip6, ttl: ip6?.hlim }, ndp);
}

function ourText({ host, device, direction, eth, ip, nd }: NdpFrame): string {
  return textOf([host, device, direction], eth, ip, nd);
}

function textOf(
  place: readonly string[],
  eth: RecordedNdp["eth"],
  ip: { readonly src?: string; readonly dst?: string; readonly ttl?: number | undefined },
  said: RecordedNdp["ndp"],
): string {
  const { type, target, dst, sll, tll, flags } = said ?? { type: 0 };
  const words = { target, to: dst, sll, tll, flags };
  const told = Object.entries(words).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [`${name} ${value}`],
  );
  return [
    ...place,
    `${eth?.src}>${eth?.dst}`,
    `${ip.src}>${ip.dst}`,
    `hlim ${ip.ttl}`,
    `type ${type}`,
    ...told,
  ].join(" ");
}
