import { socketAddressText } from "../address/socket-address.ts";
import type { Outcome } from "../walk/trace.ts";
import type { RecordedProbe } from "./recorded.ts";

/**
 * Compare a probe recorded without frames with one outcome: what the client heard, which real server answered (by address
 * and port), and who saw the request where that is told.
 */
export function compareBrief(recorded: RecordedProbe, outcome: Outcome): string | null {
  const { outcome: theirs } = recorded;
  const { client, servers } = outcome;
  const told = (name: string, recordedValue: unknown, ours: unknown): string | null =>
    recordedValue === ours
      ? null
      : `${name}: ${String(recordedValue ?? "none")} recorded, ${String(ours ?? "none")} modelled`;
  const last = client.answeredBy === undefined ? undefined : servers.at(-1);
  const answeredBy = last === undefined ? undefined : socketAddressText(last.address, last.port ?? 0);
  const saw = servers.map(
    ({ host, address, port = 0, peer }) =>
      `${host} ${socketAddressText(address, port)} from ${socketAddressText(peer.address, peer.port ?? 0)}`,
  );
  const recordedSaw = theirs.serverSaw?.map(({ host, local, peer }) => `${host} ${local} from ${peer}`);
  return (
    told("result", theirs.result, client.result) ??
    told("errno", theirs.errno, client.errno) ??
    told("answered by", theirs.answeredBy, answeredBy) ??
    (recordedSaw === undefined ? null : told("server", recordedSaw.join(", "), saw.join(", ")))
  );
}
