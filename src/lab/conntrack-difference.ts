import type { ConntrackView } from "../walk/trace.ts";
import type { RecordedConntrack, RecordedTuple } from "./recorded.ts";
import type { Renaming } from "./renaming.ts";

/** The first difference between two hosts' entries as sets, in words; null where they agree. */
export function conntrackDifference(
  recorded: readonly RecordedConntrack[],
  ours: readonly ConntrackView[],
  renaming: Renaming,
): string | null {
  const left = [...ours];
  const unmatched: RecordedConntrack[] = [];
  for (const entry of recorded) {
    const at = left.findIndex((candidate) => {
      const trial = renaming.fork();
      if (!agrees(entry, candidate, trial)) return false;
      renaming.adopt(trial);
      return true;
    });
    if (at < 0) unmatched.push(entry);
    else left.splice(at, 1);
  }
  const [missing] = unmatched;
  if (missing !== undefined) {
    const near = left.find((entry) => entry.host === missing.ns && entry.proto === missing.proto);
    const instead = near === undefined ? "not modelled" : `${entryText({ ...near, ns: near.host })} modelled`;
    return `conntrack: ${missing.ns} ${entryText(missing)} recorded, ${instead}`;
  }
  const [extra] = left;
  if (extra === undefined) return null;
  return `conntrack: ${extra.host} ${entryText({ ...extra, ns: extra.host })} modelled, not recorded`;
}

function agrees(recorded: RecordedConntrack, ours: ConntrackView, renaming: Renaming): boolean {
  return (
    recorded.ns === ours.host &&
    recorded.proto === ours.proto &&
    recorded.state === ours.state &&
    [...recorded.flags].sort().join() === [...ours.flags].sort().join() &&
    (recorded.mark ?? 0) === (ours.mark ?? 0) &&
    tupleAgrees(recorded.orig, ours.orig, renaming) &&
    tupleAgrees(recorded.reply, ours.reply, renaming)
  );
}

function tupleAgrees(a: RecordedTuple, b: ConntrackView["orig"], renaming: Renaming): boolean {
  if (a.src !== b.src || a.dst !== b.dst || a.type !== b.type || a.code !== b.code) return false;
  return (["id", "sport", "dport"] as const).every((key) => {
    const theirs = a[key];
    const mine = b[key];
    return theirs === undefined || mine === undefined ? theirs === mine : renaming.accepts(mine, theirs);
  });
}

function entryText(entry: RecordedConntrack): string {
  const side = (t: RecordedTuple): string =>
    t.sport === undefined
      ? `${t.src}>${t.dst} ${t.type ?? ""}/${t.code ?? ""} id ${t.id ?? ""}`
      : `${t.src}:${t.sport}>${t.dst}:${t.dport}`;
  const mark = entry.mark ? ` mark ${entry.mark}` : "";
  return `${entry.proto} ${entry.state ?? ""} ${side(entry.orig)} / ${side(entry.reply)} [${entry.flags.join(" ")}]${mark}`;
}
