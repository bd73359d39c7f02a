import { formatIpv4, type Ipv4 } from "../../address/ipv4.ts";
import type { Mac } from "../../address/mac.ts";
import { contains } from "../../address/prefix.ts";
import type { Host } from "../../kernel/host.ts";
import { isJsonObject, type Json } from "../../kernel/json-fields.ts";
import { DHCP_FIELD, type DhcpLease, type DhcpServer, dhcpOf } from "./configuration.ts";

/** Who asks. */
export interface DhcpClient {
  /** The client identifier, or the link address in words. */
  readonly id: string;
  readonly mac: Mac;
  /** The address it had, or would like (option 50); null: any. */
  readonly wanted: Ipv4 | null;
}

/** Is an address in use on the link by somebody the server does not know of? It asks before it gives one away. */
export type InUse = (address: Ipv4) => boolean;

/** The server's own address: what it was told, or its device's first one of the subnet. null: it cannot answer. */
export function identifierOf(host: Host, { device, identifier, subnet }: DhcpServer): Ipv4 | null {
  if (identifier !== null) return identifier;
  const own = host.addresses.find(({ dev, address }) => dev === device && contains(subnet, address));
  return own?.address ?? null;
}

/**
 * The address for a DISCOVER, in the order of RFC 2131, 4.3.1: what is kept for the client, what it has, what it had, what it
 * would like, then the first of the pool that nobody has. null: there is none, and the server says nothing.
 */
export function addressFor(
  host: Host,
  server: DhcpServer,
  client: DhcpClient,
  now: number,
  inUse: InUse,
): Ipv4 | null {
  const kept = server.reservations.find(({ mac }) => mac === client.mac);
  if (kept !== undefined) return kept.address;
  const own = identifierOf(host, server);
  const promised = new Set(server.reservations.map(({ address }) => address));
  const others = server.leases.filter((lease) => lease.client !== client.id && lease.expires > now);
  const taken = new Set([...promised, ...server.routers, ...others.map(({ address }) => address)]);
  const isFree = (address: Ipv4) => isInPool(server, address) && address !== own && !taken.has(address);
  const current = server.leases.find((lease) => lease.client === client.id);
  if (current !== undefined && isFree(current.address)) {
    if (current.expires > now || !inUse(current.address)) return current.address;
  }
  if (client.wanted !== null && isFree(client.wanted) && !inUse(client.wanted)) return client.wanted;
  // What nobody ever had comes before what somebody had.
  const had = new Set(server.leases.map(({ address }) => address));
  let second: Ipv4 | null = null;
  for (let n = server.start >>> 0; n <= server.end >>> 0; n++) {
    const address = n | 0;
    if (!isFree(address) || inUse(address)) continue;
    if (!had.has(address)) return address;
    second ??= address;
  }
  return second;
}

function isInPool({ start, end }: DhcpServer, address: Ipv4): boolean {
  return address >>> 0 >= start >>> 0 && address >>> 0 <= end >>> 0;
}

/** May a client go on with its address (RFC 2131, 4.3.2)? A server that knows nothing of it, or of another's, says no. */
export function mayRenew(
  { leases, reservations }: DhcpServer,
  client: DhcpClient,
  address: Ipv4,
  now: number,
): boolean {
  if (reservations.some((kept) => kept.mac === client.mac && kept.address === address)) return true;
  return leases.some(
    (lease) => lease.client === client.id && lease.address === address && lease.expires > now,
  );
}

/** The server's memory with a lease of this client made, prolonged, or ended (`expires` now). */
export function withLease(server: DhcpServer, lease: DhcpLease): readonly DhcpLease[] {
  const others = server.leases.filter(
    ({ client, address }) => client !== lease.client && address !== lease.address,
  );
  return [...others, lease];
}

/** The host's field `dhcp` with other leases of one of its servers. */
export function withLeases(host: Host, server: DhcpServer, leases: readonly DhcpLease[]): Json {
  const json = host.unmodelled.get(DHCP_FIELD);
  const place = dhcpOf(host).servers.indexOf(server);
  const written = leases.map(({ client, address, expires }) => ({
    client,
    address: formatIpv4(address),
    expires,
  }));
  const whole = isJsonObject(json) ? json : {};
  const { servers } = whole;
  const all = Array.isArray(servers) ? (servers as readonly Json[]) : [];
  return { ...whole, servers: all.map((one, i) => (i === place ? { ...one, leases: written } : one)) };
}
