import type { Packet } from "../../../packet/packet.ts";
import type { Chooser } from "../../chooser.ts";
import type { IpvsSettings } from "../compiled-service.ts";
import type { ConnectionTable } from "../connection-table.ts";
import type { VirtualServiceState } from "../service-state.ts";

/**
 * A way to pick the real server of a new connection (`struct ip_vs_scheduler`). It keeps nothing itself: what it remembers
 * of a service is in the service's cells and table.
 */
export interface Scheduler {
  readonly name: string;
  /** `init_service`: a service takes up this scheduler. */
  bind(service: VirtualServiceState): void;
  /** `add_dest`: a server was put first. */
  added(service: VirtualServiceState): void;
  /** `del_dest`: a server is out of the list; before it stood `previous`, or none (-1). */
  deleted(service: VirtualServiceState, dest: number, previous: number): void;
  /** `upd_dest`: a server has other settings now. */
  updated(service: VirtualServiceState): void;
  /** `schedule`: a server's number, or `NO_SERVER`. Runs per connection. */
  schedule(service: VirtualServiceState, packet: Packet, situation: Situation): number;
}

/** What a scheduler may ask beside the service and the packet. */
export interface Situation {
  readonly chooser: Chooser;
  /** Virtual time, milliseconds. */
  readonly now: number;
  readonly locality: Locality;
  readonly ipvsSettings: Pick<IpvsSettings, "lblcExpirationMs" | "lblcrExpirationMs">;
  readonly ipvsConnections: Pick<ConnectionTable, "begun">;
}

/** Which servers a destination was sent to, for the schedulers that keep to them (lblc, lblcr). */
export interface Locality {
  /** The server of a destination, or `NO_SERVER`; touches it. */
  server(service: number, daddr: number, now: number, expirationMs: number): number;
  setServer(service: number, daddr: number, dest: number, now: number): void;
  /** The servers of a destination, the last first; null for none yet. Touches it. */
  servers(service: number, daddr: number, now: number, expirationMs: number): ServerSet | null;
  addServer(service: number, daddr: number, dest: number, now: number): void;
  dropServer(service: number, daddr: number, dest: number, now: number): void;
}

export interface ServerSet {
  readonly servers: readonly number[];
  /** When a server was last added or dropped, milliseconds. */
  readonly modified: number;
}

const ignored = (): void => {};

/** A scheduler that remembers nothing. */
export const FORGETFUL: Pick<Scheduler, "bind" | "added" | "deleted" | "updated"> = {
  bind: ignored,
  added: ignored,
  deleted: ignored,
  updated: ignored,
};

const forget = (service: VirtualServiceState): void => service.setTable(null);

/** A scheduler that derives a table from the servers when it is first asked after a change. */
export const TABLED: Pick<Scheduler, "bind" | "added" | "deleted" | "updated"> = {
  bind: forget,
  added: forget,
  deleted: forget,
  updated: forget,
};
