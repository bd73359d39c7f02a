import type { ConntrackTable } from "../conntrack/table.ts";
import { Cells, type Journal } from "../session/journal.ts";
import type { CompiledIpvs, CompiledVirtualService } from "./compiled-service.ts";
import {
  CONN_INACTIVE,
  CONN_NFCT,
  CONN_NO_OUTPUT,
  CONN_ONE_PACKET,
  CONN_TEMPLATE,
  FORWARD_MASQ,
} from "./connection-flags.ts";
import { ConnectionTable, NEVER, NO_CONNECTION } from "./connection-table.ts";
import { DestinationTable, NO_SERVER } from "./destination-table.ts";
import { LocalityMemory } from "./locality-memory.ts";
import { VirtualServiceState } from "./service-state.ts";
import { TEMPLATE_ASSURED } from "./tcp-state.ts";
import { type RealServer, selectorKey, type VirtualService } from "./virtual-service.ts";

/** `expire_later`: a template that connections still follow is looked at again after this. */
const EXPIRE_LATER_MS = 60_000;

/**
 * What packets leave behind in IPVS on one host (`struct netns_ipvs`): connections, the servers' counts, the schedulers'
 * positions. Everything is known by the names of services and servers, so that it outlives a change of the host.
 */
export class IpvsState {
  readonly connections: ConnectionTable;
  readonly destinations: DestinationTable;
  readonly locality: LocalityMemory;
  private readonly journal: Journal;
  private readonly conntrack: ConntrackTable;
  private readonly services: VirtualServiceState[] = [];
  private readonly byKey = new Map<string, VirtualServiceState>();
  /** cell 0: no connection ends before this instant */
  private readonly soonest: Cells;
  /** The configuration of the host as it is now. */
  private compiled: CompiledIpvs | null = null;
  /** By the place of a service in `compiled`. */
  private resolved: (VirtualServiceState | null)[] = [];
  /** By the number of a service: what `compiled` has of it; undefined: not looked up yet. */
  private wanted: (CompiledVirtualService | null | undefined)[] = [];
  private due: number[] = [];
  /** The configuration whose removed servers' connections were seen to. */
  private flushed: CompiledIpvs | null = null;
  /** Connections begun before the walk under way. */
  private beforeWalk = 0;

  constructor(journal: Journal, conntrack: ConntrackTable) {
    this.journal = journal;
    this.conntrack = conntrack;
    this.connections = new ConnectionTable(journal);
    this.destinations = new DestinationTable(journal);
    this.locality = new LocalityMemory(journal);
    this.soonest = new Cells(journal, 1);
    this.soonest.data[0] = NEVER;
  }

  /** A walk begins: `isOfWalk` tells its connections from the earlier ones. */
  beginWalk(): void {
    this.beforeWalk = this.connections.begun;
  }

  isOfWalk(cp: number): boolean {
    return this.connections.born(cp) >= this.beforeWalk;
  }

  /** `ip_vs_control_assure_ct`: a connection goes on, so the template it follows is one to keep. */
  assure(cp: number): void {
    const template = this.connections.control(cp);
    if (template !== NO_CONNECTION) this.connections.setState(template, TEMPLATE_ASSURED);
  }

  /** Go on under another configuration; each service follows when it is met next. */
  adopt(compiled: CompiledIpvs | null): void {
    if (this.compiled === compiled) return;
    this.compiled = compiled;
    this.resolved = new Array(compiled?.services.length ?? 0).fill(null);
    this.wanted = new Array(this.services.length).fill(undefined);
  }

  /** A service at work, its servers as configured now. */
  service(compiled: CompiledVirtualService): VirtualServiceState {
    let state = this.resolved[compiled.index] ?? null;
    if (state === null) {
      state = this.named(compiled.key);
      this.resolved[compiled.index] = state;
    }
    if (state.config !== compiled) state.follow(compiled);
    return state;
  }

  /** Is a connection's server still one of its service? */
  isAvailable(dest: number): boolean {
    const number = this.destinations.service(dest);
    const state = this.services[number] as VirtualServiceState;
    let wanted = this.wanted[number];
    if (wanted === undefined) {
      wanted = this.compiled?.byKey.get(state.key) ?? null;
      this.wanted[number] = wanted;
    }
    if (state.config !== wanted) state.follow(wanted);
    return this.destinations.isAvailable(dest);
  }

  private named(key: string): VirtualServiceState {
    let state = this.byKey.get(key);
    if (state === undefined) {
      state = new VirtualServiceState(key, this.services.length, this.destinations, this.journal);
      this.byKey.set(key, state);
      this.services.push(state);
      this.wanted.push(undefined);
    }
    return state;
  }

  /** `ip_vs_conn_new` and `ip_vs_bind_dest`. The server's settings are those of now. */
  connect(
    proto: number,
    caddr: number,
    cport: number,
    vaddr: number,
    vport: number,
    dport: number,
    flags: number,
    dest: number,
    keepsConntrack: boolean,
  ): number {
    const { connections, destinations } = this;
    const method = destinations.method(dest);
    const all =
      flags |
      method |
      CONN_INACTIVE |
      (method === FORWARD_MASQ ? 0 : CONN_NO_OUTPUT) |
      (keepsConntrack ? CONN_NFCT : 0);
    const daddr = destinations.address(dest);
    const cp = connections.create(proto, caddr, cport, vaddr, vport, daddr, dport, all, dest);
    destinations.bind(dest, (flags & CONN_TEMPLATE) !== 0);
    if ((flags & CONN_ONE_PACKET) === 0) connections.hash(cp);
    return cp;
  }

  /** `ip_vs_control_add`: a connection follows a template. */
  follow(cp: number, template: number): void {
    this.connections.setControl(cp, template);
    this.connections.setControls(template, this.connections.controls(template) + 1);
  }

  /** `ip_vs_conn_put`: done with for now; its time begins anew, and that of one datagram is over. */
  put(cp: number, now: number): void {
    const { connections } = this;
    if ((connections.flags(cp) & CONN_ONE_PACKET) !== 0) {
      this.release(cp);
      return;
    }
    const at = now + connections.timeout(cp);
    connections.setExpires(cp, at);
    if (at < (this.soonest.data[0] as number)) this.soonest.set(0, at);
  }

  /** `ip_vs_conn_expire` of one that nothing follows: it, and the conntrack entry that was kept with it, are gone. */
  release(cp: number): void {
    const { connections, conntrack } = this;
    const flags = connections.flags(cp);
    const template = connections.control(cp);
    if (template !== NO_CONNECTION) connections.setControls(template, connections.controls(template) - 1);
    if ((flags & CONN_NFCT) !== 0 && (flags & CONN_ONE_PACKET) === 0) {
      const node = conntrack.find(
        connections.caddr(cp),
        connections.vaddr(cp),
        connections.cport(cp),
        connections.vport(cp),
        connections.proto(cp),
        0,
      );
      if (node >= 0) conntrack.remove(node >> 1);
    }
    this.destinations.unbind(
      connections.dest(cp),
      (flags & CONN_TEMPLATE) !== 0,
      (flags & CONN_INACTIVE) !== 0,
    );
    connections.free(cp);
  }

  /** Let the connections whose time is over end, in the order of their times. */
  expire(now: number): void {
    if (this.flushed !== this.compiled) this.flushServerless(now);
    // Apart, so that the callbacks of the rare case cost nothing here.
    if ((this.soonest.data[0] as number) <= now) this.expireDue(now);
  }

  /**
   * `ip_vs_expire_nodest_conn_flush`: where `expire_nodest_conn` says so a removed server's connections end with it, and a
   * template when the last that followed it has.
   */
  private flushServerless(now: number): void {
    const { connections, destinations, compiled } = this;
    const before = this.flushed;
    this.journal.undo(() => {
      this.flushed = before;
    });
    this.flushed = compiled;
    if (compiled?.settings.expireNodestConn !== true) return;
    const removals = destinations.removals;
    const serverless: number[] = [];
    connections.forEach((cp) => {
      if (!this.isAvailable(connections.dest(cp))) serverless.push(cp);
    });
    if (destinations.removals === removals) return;
    this.expire(now);
    // Connections first, then the templates that nothing follows any more.
    for (const templates of [false, true]) {
      for (const cp of serverless) {
        const template = (connections.flags(cp) & CONN_TEMPLATE) !== 0;
        if (template !== templates || !connections.isHashed(cp) || connections.controls(cp) > 0) continue;
        this.release(cp);
      }
    }
  }

  private expireDue(now: number): void {
    const { connections, due } = this;
    while ((this.soonest.data[0] as number) <= now) {
      due.length = 0;
      connections.forEach((cp) => {
        if (connections.expires(cp) <= now) due.push(cp);
      });
      due.sort((a, b) => connections.expires(a) - connections.expires(b));
      for (const cp of due) {
        if (connections.controls(cp) === 0) this.release(cp);
        else {
          connections.setTimeout(cp, EXPIRE_LATER_MS);
          connections.setExpires(cp, connections.expires(cp) + EXPIRE_LATER_MS);
        }
      }
      let soonest = NEVER;
      connections.forEach((cp) => {
        soonest = Math.min(soonest, connections.expires(cp));
      });
      this.soonest.set(0, soonest);
    }
  }

  /** A server's connections now, as `ipvsadm -L` counts them. */
  counts(
    service: VirtualService,
    server: RealServer,
  ): { readonly active: number; readonly inactive: number } {
    const compiled = this.compiled?.byKey.get(selectorKey(service.selector));
    if (compiled === undefined) return server;
    const dest = this.service(compiled).serverNamed(server);
    if (dest === NO_SERVER) return server;
    return { active: this.destinations.active(dest), inactive: this.destinations.inactive(dest) };
  }

  /** `ip_vs_check_template`'s question: may new connections follow this template? */
  templateHolds(template: number): boolean {
    const dest = this.connections.dest(template);
    const quiescent = this.compiled?.settings.expireQuiescentTemplate === true;
    return this.isAvailable(dest) && !(quiescent && this.destinations.weight(dest) === 0);
  }
}
