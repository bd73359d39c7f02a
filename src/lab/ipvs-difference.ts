import type { IpvsConnectionView } from "../walk/trace.ts";
import type { RecordedIpvsConnection } from "./recorded.ts";
import type { Renaming } from "./renaming.ts";

/** Seconds by which the recorder may have read late. */
const LATE_S = 2;

/** The first difference between the IPVS connections that a probe began, as sets, in words; null where they agree. */
export function ipvsDifference(
  recorded: readonly RecordedIpvsConnection[],
  ours: readonly IpvsConnectionView[],
  renaming: Renaming,
): string | null {
  const left = [...ours];
  for (const theirs of recorded) {
    const at = left.findIndex((view) => {
      const trial = renaming.fork();
      if (!agrees(theirs, view, trial)) return false;
      renaming.adopt(trial);
      return true;
    });
    const found = left[at];
    if (found === undefined) {
      const near = left.find((view) => view.host === theirs.ns && view.virtual === theirs.virtual);
      const instead = near === undefined ? "not modelled" : `${textOf(near, near.host)} modelled`;
      return `IPVS connection: ${textOf(theirs, theirs.ns)} recorded, ${instead}`;
    }
    if (theirs.expires > found.expires || theirs.expires < found.expires - LATE_S)
      return `IPVS connection: ${textOf(theirs, theirs.ns)}: ${theirs.expires} s left recorded, ${found.expires} modelled`;
    left.splice(at, 1);
  }
  const [extra] = left;
  return extra === undefined ? null : `IPVS connection: ${textOf(extra, extra.host)} modelled, not recorded`;
}

function agrees(theirs: RecordedIpvsConnection, ours: IpvsConnectionView, renaming: Renaming): boolean {
  const [address, port] = endOf(theirs.client);
  const [ownAddress, ownPort] = endOf(ours.client);
  return (
    theirs.ns === ours.host &&
    theirs.proto === ours.proto &&
    theirs.virtual === ours.virtual &&
    theirs.server === ours.server &&
    theirs.state === ours.state &&
    address === ownAddress &&
    renaming.accepts(ownPort, port)
  );
}

function endOf(text: string): [address: string, port: number] {
  const at = text.lastIndexOf(":");
  return [text.slice(0, at), Number(text.slice(at + 1))];
}

function textOf(view: Omit<RecordedIpvsConnection, "ns" | "expires">, host: string): string {
  const { proto, client, virtual, server, state } = view;
  return `${host} ${proto} ${client} ${virtual} ${server} ${state}`;
}
