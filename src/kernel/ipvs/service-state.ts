import { addressOnPath } from "../../address/ip6-handle.ts";
import { Cells, type Journal } from "../session/journal.ts";
import type { CompiledVirtualService } from "./compiled-service.ts";
import { type DestinationTable, NO_SERVER } from "./destination-table.ts";
import { schedulerNamed } from "./scheduler/registry.ts";
import type { Scheduler } from "./scheduler/scheduler.ts";
import { type RealServer, serverKey } from "./virtual-service.ts";

/**
 * One virtual service at work in a session: its servers as the kernel's list stands now, and what its scheduler remembers.
 * It outlives changes of the configuration, which it follows when it is asked next (`follow`).
 */
export class VirtualServiceState {
  /** Its name (`selectorKey`). */
  readonly key: string;
  readonly number: number;
  readonly destinations: DestinationTable;
  /** What the scheduler remembers; each says what its cells hold. */
  readonly cells: Cells;
  /** Servers in the kernel's order. */
  order: Int32Array = new Int32Array(0);
  /** A hash scheduler's table, by server; derived from the order and the weights. */
  table: Int32Array | null = null;
  scheduler: Scheduler | null = null;
  /** The configuration followed last, null before the first and after the service was deleted. */
  config: CompiledVirtualService | null = null;
  /** Is the scheduler's position known? A dump does not tell it of a service that has had connections. */
  positionKnown = true;
  private readonly journal: Journal;
  private readonly known = new Map<string, number>();

  constructor(key: string, number: number, destinations: DestinationTable, journal: Journal) {
    this.key = key;
    this.number = number;
    this.destinations = destinations;
    this.journal = journal;
    this.cells = new Cells(journal, 5);
  }

  /** Make the changes that lead from the configuration followed last to this one, in the order ipvsadm would. */
  follow(next: CompiledVirtualService | null): void {
    const before = this.config;
    if (before === next) return;
    this.put("config", next);
    if (next === null) {
      for (const dest of this.order) this.destinations.remove(dest);
      this.put("order", new Int32Array(0));
      this.put("scheduler", null);
      return;
    }
    const scheduler = schedulerNamed(next.plain.scheduler);
    if (before === null) this.put("positionKnown", positionKnown(next));
    if (this.scheduler !== scheduler && before !== null && before.plain.servers === next.plain.servers) {
      this.put("scheduler", scheduler);
      scheduler?.bind(this);
      return;
    }
    if (this.scheduler !== scheduler) {
      this.put("scheduler", scheduler);
      scheduler?.bind(this);
    }
    this.followServers(next);
  }

  setTable(table: Int32Array | null): void {
    this.put("table", table);
  }

  /** The position is known from now on: a choice was made of it. */
  settlePosition(): void {
    if (!this.positionKnown) this.put("positionKnown", true);
  }

  private followServers(next: CompiledVirtualService): void {
    const servers = next.plain.servers;
    const wanted = next.serverKeys.map((key, i) => this.handle(key, servers[i] as RealServer));
    const staying = kept(this.order, wanted);
    for (const dest of [...this.order]) if (!staying.has(dest)) this.delete(dest);
    for (const [i, dest] of wanted.entries()) {
      if (staying.has(dest)) this.edit(dest, servers[i] as RealServer, next.methods[i] as number);
    }
    for (let i = wanted.length - 1; i >= 0; i--) {
      const dest = wanted[i] as number;
      if (!staying.has(dest)) this.add(dest, servers[i] as RealServer, next.methods[i] as number);
    }
  }

  private handle(key: string, server: RealServer): number {
    let dest = this.known.get(key);
    if (dest === undefined) {
      dest = this.destinations.make(this.number, addressOnPath(server.address), server.port);
      this.known.set(key, dest);
    }
    return dest;
  }

  private delete(dest: number): void {
    const at = this.order.indexOf(dest);
    const previous = at <= 0 ? NO_SERVER : (this.order[at - 1] as number);
    this.put(
      "order",
      this.order.filter((other) => other !== dest),
    );
    this.destinations.remove(dest);
    this.scheduler?.deleted(this, dest, previous);
  }

  private edit(dest: number, server: RealServer, method: number): void {
    const table = this.destinations;
    const { weight, upper, lower } = server;
    table.configure(dest, { weight, upper, lower, method });
    this.scheduler?.updated(this);
  }

  private add(dest: number, server: RealServer, method: number): void {
    const { weight, upper, lower, active, inactive } = server;
    this.destinations.add(dest, { weight, upper, lower, method }, active, inactive);
    const order = new Int32Array(this.order.length + 1);
    order[0] = dest;
    order.set(this.order, 1);
    this.put("order", order);
    this.scheduler?.added(this);
  }

  private put<K extends "config" | "order" | "scheduler" | "table" | "positionKnown">(
    field: K,
    value: this[K],
  ): void {
    const old = this[field];
    this.journal.undo(() => {
      this[field] = old;
    });
    this[field] = value;
  }

  /** The number of a server, as its service names it; for what prints the counts. */
  serverNamed(server: RealServer): number {
    return this.known.get(serverKey(server)) ?? NO_SERVER;
  }
}

/** Servers that stayed where they were: a new one stands first, so who stands before an old one was added again. */
function kept(before: Int32Array, after: readonly number[]): ReadonlySet<number> {
  const stays = new Set<number>();
  let at = before.length - 1;
  for (let i = after.length - 1; i >= 0; i--) {
    const found = before.lastIndexOf(after[i] as number, at);
    if (at < 0 || found < 0) break;
    stays.add(after[i] as number);
    at = found - 1;
  }
  return stays;
}

/** Nothing has been scheduled yet where no connection was counted; and the order must be the kernel's. */
function positionKnown({ plain }: CompiledVirtualService): boolean {
  return plain.ordered && plain.servers.every(({ active, inactive }) => active === 0 && inactive === 0);
}
