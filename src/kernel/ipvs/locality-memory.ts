import type { Journal } from "../session/journal.ts";
import { ABSENT, PairMap } from "../session/pair-map.ts";
import { NO_SERVER } from "./destination-table.ts";
import type { Locality, ServerSet } from "./scheduler/scheduler.ts";

/**
 * Which servers a service's destinations were sent to (the tables of ip_vs_lblc.c and ip_vs_lblcr.c). The kernel also
 * forgets some when a table has more than 16,384 entries, and the old ones every half an hour only; this one does neither.
 */
export class LocalityMemory implements Locality {
  private readonly one: PairMap;
  private readonly used: PairMap;
  private readonly sets = new Map<string, ServerSet>();
  private readonly journal: Journal;

  constructor(journal: Journal) {
    this.journal = journal;
    this.one = new PairMap(journal);
    this.used = new PairMap(journal);
  }

  server(service: number, daddr: number, now: number, expirationMs: number): number {
    const dest = this.one.get(service, daddr);
    if (dest === ABSENT || now >= this.used.get(service, daddr) + expirationMs) return NO_SERVER;
    this.used.set(service, daddr, now);
    return dest;
  }

  setServer(service: number, daddr: number, dest: number, now: number): void {
    this.one.set(service, daddr, dest);
    this.used.set(service, daddr, now);
  }

  servers(service: number, daddr: number, now: number, expirationMs: number): ServerSet | null {
    const set = this.known(service, daddr);
    if (set === null) return null;
    if (now >= this.used.get(service, daddr) + expirationMs) {
      this.put(service, daddr, null);
      return null;
    }
    this.used.set(service, daddr, now);
    return set;
  }

  addServer(service: number, daddr: number, dest: number, now: number): void {
    const known = this.known(service, daddr);
    if (known === null) this.used.set(service, daddr, now);
    const servers = known?.servers ?? [];
    if (!servers.includes(dest)) this.put(service, daddr, { servers: [dest, ...servers], modified: now });
  }

  dropServer(service: number, daddr: number, dest: number, now: number): void {
    const servers = this.known(service, daddr)?.servers ?? [];
    this.put(service, daddr, { servers: servers.filter((other) => other !== dest), modified: now });
  }

  private known(service: number, daddr: number): ServerSet | null {
    return this.sets.get(`${service} ${daddr}`) ?? null;
  }

  private put(service: number, daddr: number, set: ServerSet | null): void {
    const key = `${service} ${daddr}`;
    const old = this.sets.get(key);
    this.journal.undo(() => {
      if (old === undefined) this.sets.delete(key);
      else this.sets.set(key, old);
    });
    if (set === null) this.sets.delete(key);
    else this.sets.set(key, set);
  }
}
