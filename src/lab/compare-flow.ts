import { socketAddressText } from "../address/socket-address.ts";
import type { Network } from "../walk/network.ts";
import type { Outcome } from "../walk/trace.ts";
import { withoutBridgeExtra } from "./excused.ts";
import { placeText } from "./frame-tree.ts";
import { hostsOf } from "./packets.ts";
import type { RecordedFlow } from "./recorded.ts";

/** Compare one of several flows: its result, who saw it, and the first packet's path. */
export function compareFlow(network: Network, flow: RecordedFlow, outcome: Outcome): string | null {
  if (flow.result !== outcome.client.result)
    return `result ${flow.result} recorded, ${outcome.client.result} modelled`;
  const seen = (flow.serverSaw ?? []).map((server) => `${server.host} ${server.local}`).sort();
  const ours = outcome.servers
    .filter((server) => server.proto !== "icmp")
    .map((server) => `${server.host} ${socketAddressText(server.address, server.port ?? 0)}`)
    .sort();
  if (seen.join() !== ours.join()) return `server ${seen.join(", ")} recorded, ${ours.join(", ")} modelled`;
  const place = (text: string): { host: string; device: string; direction: string } => {
    const [host = "", device = "", direction = ""] = text.split(":");
    return { host, device, direction };
  };
  const path = withoutBridgeExtra((flow.path ?? []).map(place), hostsOf(network))
    .map(placeText)
    .join(" ");
  const modelled = firstPath(network, outcome);
  return path === modelled ? null : `path ${path} recorded, ${modelled} modelled`;
}

/** What one of several flows is known by: its result, who saw it, its first packet's path. */
export function flowSignature(network: Network, outcome: Outcome): string {
  const servers = outcome.servers.map((server) => `${server.host} ${server.address}`).join(",");
  return `${outcome.client.result} ${servers} ${firstPath(network, outcome)}`;
}

function firstPath(network: Network, outcome: Outcome): string {
  const first = outcome.frames.filter((frame) => frame.packet === 1);
  return withoutBridgeExtra(first, hostsOf(network)).map(placeText).join(" ");
}
