import type { Ipv4 } from "../../address/ipv4.ts";
import type { Json } from "../../kernel/json-fields.ts";
import type { WireEnd, World } from "../world.ts";
import type { DhcpServer } from "./configuration.ts";

/** What a client was given, with the server that gave it. */
export interface GivenLease {
  readonly address: Ipv4;
  readonly server: DhcpServer;
  /** Where the server listens. */
  readonly at: WireEnd;
  /** The server's own address. */
  readonly identifier: Ipv4;
  /** The server host's field `dhcp` as it is afterwards. */
  readonly memory: Json;
}

/** A client that asks by one of its devices, which is up. */
export interface LeaseRequest {
  readonly client: WireEnd;
  readonly id: string;
  /** Seconds of the virtual clock. */
  readonly now: number;
}

export interface HeldLease extends LeaseRequest {
  readonly address: Ipv4;
  /** The server that gave it, by its identifier. */
  readonly identifier: Ipv4;
  /** Of many renewals in a row, all alike, the instant of the last; the first is `now`. */
  readonly last: number;
}

/**
 * The four messages between clients and servers, carried by the network as it is. Who asks for a lease knows no walk: whoever
 * has a walk hands it one of these (`walk/dhcp.ts`).
 */
export interface DhcpNetwork {
  /** DISCOVER to all, OFFER, REQUEST, ACK: of several servers the first that answers. null: nobody does. */
  acquire(world: World, request: LeaseRequest): GivenLease | null;
  /** REQUEST of what the client has, to its own server. null: no answer, or a NAK. */
  renew(world: World, held: HeldLease): GivenLease | null;
  /** RELEASE: where the server heard it, with its memory afterwards. */
  release(world: World, held: HeldLease): { readonly at: WireEnd; readonly memory: Json } | null;
}
