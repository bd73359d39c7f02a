import { Cells, type Journal } from "../session/journal.ts";

/**
 * What IPVS knows of each real server while packets come (`struct ip_vs_dest`): its connections by count, its weight and
 * thresholds as last configured. A server is known by the names of its service and its own, for as long as the session
 * lives: connections keep pointing at one that was removed, and find it again when it is added anew (`ip_vs_trash_get_dest`).
 */

const STRIDE = 11;
const ACTIVE = 0;
const INACTIVE = 1;
const PERSISTENT = 2;
const WEIGHT = 3;
const LAST_WEIGHT = 4;
const UPPER = 5;
const LOWER = 6;
const FLAGS = 7;
const ADDRESS = 8;
const PORT = 9;
const METHOD = 10;

const AVAILABLE = 1;
const OVERLOAD = 2;

export const NO_SERVER = -1;

export class DestinationTable {
  private readonly cells: Cells;
  /** Number of the service each belongs to. */
  private readonly services: number[] = [];
  /** How many servers were removed so far. */
  removals = 0;

  constructor(journal: Journal) {
    this.cells = new Cells(journal, STRIDE * 8);
  }

  /** A server never seen before. Numbers are never given back. */
  make(service: number, address: number, port: number): number {
    const dest = this.services.length;
    this.services.push(service);
    this.cells.grow((dest + 1) * STRIDE);
    this.cells.data[dest * STRIDE + ADDRESS] = address;
    this.cells.data[dest * STRIDE + PORT] = port;
    return dest;
  }

  service(dest: number): number {
    return this.services[dest] as number;
  }
  address(dest: number): number {
    return this.cells.data[dest * STRIDE + ADDRESS] as number;
  }
  port(dest: number): number {
    return this.cells.data[dest * STRIDE + PORT] as number;
  }
  method(dest: number): number {
    return this.cells.data[dest * STRIDE + METHOD] as number;
  }
  active(dest: number): number {
    return this.cells.data[dest * STRIDE + ACTIVE] as number;
  }
  inactive(dest: number): number {
    return this.cells.data[dest * STRIDE + INACTIVE] as number;
  }
  weight(dest: number): number {
    return this.cells.data[dest * STRIDE + WEIGHT] as number;
  }
  /** The weight it had when it last had one: a drained server keeps its place in Maglev's table. */
  lastWeight(dest: number): number {
    return this.cells.data[dest * STRIDE + LAST_WEIGHT] as number;
  }
  isAvailable(dest: number): boolean {
    return ((this.cells.data[dest * STRIDE + FLAGS] as number) & AVAILABLE) !== 0;
  }
  isOverloaded(dest: number): boolean {
    return ((this.cells.data[dest * STRIDE + FLAGS] as number) & OVERLOAD) !== 0;
  }
  /** May a scheduler pick it? */
  isEligible(dest: number): boolean {
    return this.weight(dest) > 0 && !this.isOverloaded(dest);
  }
  /** `ip_vs_dest_conn_overhead`. */
  overhead(dest: number): number {
    return this.active(dest) * 256 + this.inactive(dest);
  }

  /** `ip_vs_add_dest`: the counts a dump has of a server new to the session are where it begins. */
  add(dest: number, settings: ServerSettings, active: number, inactive: number): void {
    if (this.total(dest) === 0) {
      this.put(dest, FLAGS, 0);
      this.put(dest, UPPER, 0);
      this.put(dest, LOWER, 0);
      this.put(dest, ACTIVE, active);
      this.put(dest, INACTIVE, inactive);
    }
    this.put(dest, LAST_WEIGHT, settings.weight);
    this.configure(dest, settings);
  }

  /** `__ip_vs_update_dest`. */
  configure(dest: number, settings: ServerSettings): void {
    const { weight, upper, lower, method } = settings;
    const flags = this.cells.data[dest * STRIDE + FLAGS] as number;
    this.put(dest, FLAGS, flags | AVAILABLE);
    this.put(dest, WEIGHT, weight);
    if (weight !== 0) this.put(dest, LAST_WEIGHT, weight);
    this.put(dest, METHOD, method);
    if (this.upper(dest) === upper && this.cells.data[dest * STRIDE + LOWER] === lower) return;
    this.put(dest, UPPER, upper);
    this.put(dest, LOWER, lower);
    this.updateOverload(dest, upper, this.relief(dest));
  }

  /** `__ip_vs_unlink_dest`. */
  remove(dest: number): void {
    this.removals++;
    this.put(dest, FLAGS, (this.cells.data[dest * STRIDE + FLAGS] as number) & ~AVAILABLE);
  }

  /** `ip_vs_bind_dest`: one connection, or template, more. */
  bind(dest: number, template: boolean): void {
    this.change(dest, template ? PERSISTENT : INACTIVE, 1);
    if (template || this.total(dest) !== this.upper(dest)) return;
    const relief = this.relief(dest);
    this.updateOverload(dest, relief, relief);
  }

  /** `ip_vs_unbind_dest`: one less; below the lower threshold it takes connections again. */
  unbind(dest: number, template: boolean, inactive: boolean): void {
    const before = this.total(dest);
    this.change(dest, template ? PERSISTENT : inactive ? INACTIVE : ACTIVE, -1);
    if (template || before !== this.relief(dest)) return;
    const upper = this.upper(dest);
    this.updateOverload(dest, upper, upper);
  }

  /** A connection's state says that it is active now, or no longer. */
  activate(dest: number, active: boolean): void {
    this.change(dest, ACTIVE, active ? 1 : -1);
    this.change(dest, INACTIVE, active ? -1 : 1);
  }

  private total(dest: number): number {
    return this.active(dest) + this.inactive(dest);
  }

  private upper(dest: number): number {
    return this.cells.data[dest * STRIDE + UPPER] as number;
  }

  /** `l_threshold_val`: with fewer connections than this a full server takes some again; three quarters if nothing is said. */
  private relief(dest: number): number {
    const upper = this.upper(dest);
    return (this.cells.data[dest * STRIDE + LOWER] as number) || upper - (upper >> 2);
  }

  /**
   * `__ip_vs_dest_update_overload`: full from so many connections on, no longer so below so many, as it was between.
   *
   * @param full its mode says which threshold counts: of a new connection the lower one …
   * @param free … and of one that ended the upper one
   */
  private updateOverload(dest: number, full: number, free: number): void {
    const flags = this.cells.data[dest * STRIDE + FLAGS] as number;
    const total = this.total(dest);
    if (this.upper(dest) !== 0 && total >= full) this.put(dest, FLAGS, flags | OVERLOAD);
    else if (this.upper(dest) === 0 || total < free) this.put(dest, FLAGS, flags & ~OVERLOAD);
  }

  private change(dest: number, field: number, by: number): void {
    const at = dest * STRIDE + field;
    this.cells.set(at, (this.cells.data[at] as number) + by);
  }

  private put(dest: number, field: number, value: number): void {
    const at = dest * STRIDE + field;
    if (this.cells.data[at] !== value) this.cells.set(at, value);
  }
}

export interface ServerSettings {
  readonly weight: number;
  readonly upper: number;
  readonly lower: number;
  readonly method: number;
}
