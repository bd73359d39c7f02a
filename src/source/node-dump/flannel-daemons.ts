import { formatIpv4, type Ipv4, parseIpv4 } from "../../address/ipv4.ts";
import { contains, formatPrefix4, networkOf, type Prefix4 } from "../../address/prefix.ts";
import { isJsonObject, type Json } from "../../kernel/json-fields.ts";
import type { DumpDraft } from "./dump-draft.ts";

/**
 * flannel's backend `udp` in dumps of several nodes: no tool tells whom flanneld sends to, but each node's `flannel0` bears the
 * first address of its own subnet, and its daemon's socket the address that the others send to. What is made of that is told
 * as an assumption.
 */

/** Where flanneld listens unless it is told otherwise. */
const PORT = 8285;

interface FlannelEnd {
  readonly draft: DumpDraft;
  readonly device: string;
  readonly subnet: Prefix4;
  readonly address: Ipv4;
}

export function assumeFlannelDaemons(drafts: ReadonlyMap<string, DumpDraft>): void {
  const ends = [...drafts.values()].flatMap((draft) => endOf(draft) ?? []);
  for (const end of ends) {
    const peers = ends
      .filter((other) => other !== end)
      .map(({ subnet, address }) => ({ subnet: formatPrefix4(subnet), address: formatIpv4(address) }));
    const { draft, device, address } = end;
    draft.set("tunDaemons", [{ device, address: formatIpv4(address), port: PORT, peers }]);
    const known = peers.map((peer) => `${peer.subnet} at ${peer.address}`);
    draft.assume(
      `flanneld behind ${device} is taken to know ${known.length === 0 ? "no other node: none of them is in the dump" : known.join(", ")}`,
    );
  }
}

function endOf(draft: DumpDraft): FlannelEnd | undefined {
  const { json } = draft;
  if (json["tunDaemons"] !== undefined) return undefined;
  const device = jsons(json["links"]).find(isFlannelTun)?.["ifname"];
  if (typeof device !== "string") return undefined;
  const addresses = jsons(json["addrs"]).flatMap(addressesOf);
  const own = addresses.find(({ dev }) => dev === device);
  if (own === undefined) return undefined;
  const whole = networkOf(own);
  // The pods' bridge is in the subnet that the TUN's address begins.
  const bridge = addresses.find(
    (other) => other.length > own.length && contains(whole, other.address) && other.dev !== device,
  );
  const subnet = networkOf(bridge ?? { address: own.address, length: Math.max(own.length, 24) });
  const address = listeningAt(json["sockets"]) ?? outsideOf(whole, addresses);
  return address === undefined ? undefined : { draft, device, subnet, address };
}

function isFlannelTun({ ifname, linkinfo, link_type: type }: Json): boolean {
  const kind = isJsonObject(linkinfo) ? linkinfo["info_kind"] : undefined;
  return (
    typeof ifname === "string" &&
    /^flannel\d+$/.test(ifname) &&
    (kind === "tun" || (kind === undefined && type === "none"))
  );
}

interface OwnAddress {
  readonly dev: unknown;
  readonly address: Ipv4;
  readonly length: number;
}

function addressesOf({ ifname: dev, addr_info: infos }: Json): OwnAddress[] {
  return jsons(infos).flatMap(({ local, prefixlen }) => {
    const address = typeof local === "string" ? parseIpv4(local) : undefined;
    return address === undefined || typeof prefixlen !== "number"
      ? []
      : [{ dev, address, length: prefixlen }];
  });
}

/** The address of the daemon's socket, as `ss` tells. */
function listeningAt(sockets: unknown): Ipv4 | undefined {
  const found =
    typeof sockets === "string" ? new RegExp(`^udp\\s.*\\s(\\S+):${PORT}\\s`, "m").exec(sockets) : null;
  return found === null ? undefined : parseIpv4(found[1] ?? "");
}

/** The first address that is neither loopback's nor a pod's. */
function outsideOf(pods: Prefix4, addresses: readonly OwnAddress[]): Ipv4 | undefined {
  return addresses.find(({ dev, address }) => dev !== "lo" && !contains(pods, address))?.address;
}

function jsons(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
