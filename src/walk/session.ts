import { addEntries, type ConntrackEntry } from "../kernel/conntrack/entry.ts";
import type { ConntrackTable } from "../kernel/conntrack/table.ts";
import { forgetWhatWentDown } from "../kernel/device/netdev-down.ts";
import { HostSession } from "../kernel/host-session.ts";
import { setErrorsDue } from "../kernel/icmp/error-rate.ts";
import { failResolving } from "../kernel/neighbour/output.ts";
import { LINUX_PATH } from "../kernel/path/linux-path.ts";
import { setRedirectsDue } from "../kernel/path/redirect-rate.ts";
import { Journal } from "../kernel/session/journal.ts";
import type { Engine } from "../kernel/stack.ts";
import { Stack } from "../kernel/stack.ts";
import { PacketPool } from "../packet/pool.ts";
import { Agenda } from "./agenda.ts";
import { SeededChooser } from "./choosers.ts";
import type { Conversation } from "./conversation.ts";
import type { Network } from "./network.ts";
import { AgendaOutbox } from "./outbox.ts";

/**
 * What packets leave behind, on every host, and the clock. It survives the replacement of the World between packets. A
 * host's part appears on first touch. `mark` opens a layer that `rollback` takes back in O(changes).
 */
export class Session {
  network: Network;
  readonly journal = new Journal();
  readonly agenda = new Agenda();
  readonly pool = new PacketPool();
  readonly outbox: AgendaOutbox;
  readonly engine: Engine;
  /** Virtual milliseconds since it began: nothing reads a real clock while walking. */
  readonly clock = { now: 0 };
  readonly seed: number;
  /** Per-flow choices answered so far: the kernel's hash gives a flow the same way for ever. */
  readonly flowChoices = new Map<string, number>();
  /** Connections that queries left open, by the name they are held under. */
  readonly held = new Map<string, Conversation>();
  private readonly states = new Map<string, HostSession>();
  private stacks: (Stack | null)[];

  constructor(network: Network, seed = 1) {
    this.network = network;
    this.seed = seed;
    this.stacks = new Array(network.size).fill(null);
    this.outbox = new AgendaOutbox(this);
    this.engine = {
      pool: this.pool,
      outbox: this.outbox,
      path: LINUX_PATH,
      chooser: new SeededChooser(seed),
      tape: null,
      clock: this.clock,
      literal: false,
      chosenPort: null,
      givenIcmpId: -1,
      tracesPackets: false,
      drops: 0,
      lastReason: -1,
      rulesEvaluated: 0,
      routeLookups: 0,
      unknownTargets: new Set(),
      stackOf: (host) => this.stack(host),
      unmodelled: new Set(),
    };
  }

  /** A host's kernel at work in this session. */
  stack(host: number): Stack {
    let stack = this.stacks[host];
    if (stack === null || stack === undefined) {
      const net = this.network.host(host);
      if (net === undefined) throw new RangeError(`no host has number ${host}`);
      let state = this.states.get(net.name);
      if (state === undefined) {
        state = new HostSession(this.journal);
        this.states.set(net.name, state);
        if (net.connections.length > 0) this.takeOver(state.conntrack, net.connections);
      }
      stack = new Stack(host, net, state, this.engine, this.network.stacking(host));
      state.conntrack.now = this.clock.now;
      this.stacks[host] = stack;
    }
    return stack;
  }

  /** The connections a host's dump tells of are there from its first touch on. */
  private takeOver(conntrack: ConntrackTable, connections: readonly ConntrackEntry[]): void {
    this.journal.unrecorded(() => {
      addEntries(conntrack, connections);
      conntrack.noteKept();
    });
  }

  /** Remember a per-flow choice; taken back with the layer it was made in. */
  rememberChoice(key: string, taken: number): void {
    this.flowChoices.set(key, taken);
    this.journal.undo(() => this.flowChoices.delete(key));
  }

  /** Forget a per-flow choice, with the layer open now. */
  forgetChoice(key: string): void {
    const taken = this.flowChoices.get(key);
    if (taken === undefined) return;
    this.flowChoices.delete(key);
    this.journal.undo(() => this.flowChoices.set(key, taken));
  }

  /** Every host touched so far. */
  *touched(): IterableIterator<Stack> {
    for (const stack of this.stacks) if (stack !== null) yield stack;
  }

  /** Go on with a changed World: hosts keep what packets left behind on them, but for what went with a device or an address. */
  replaceNetwork(network: Network): void {
    for (const [name, state] of this.states) {
      const before = this.network.host(this.network.hostNumber(name));
      const after = network.host(network.hostNumber(name));
      if (before !== undefined) forgetWhatWentDown(state, before, after ?? null);
    }
    this.network = network;
    this.stacks = new Array(network.size).fill(null);
  }

  /** Let the virtual clock go on to an instant, milliseconds. */
  advanceTo(now: number): void {
    if (now <= this.clock.now) return;
    const before = this.clock.now;
    this.journal.undo(() => this.setClock(before));
    this.setClock(now);
  }

  private setClock(now: number): void {
    this.clock.now = now;
    for (const state of this.states.values()) state.conntrack.now = now;
  }

  /** Let time pass. */
  wait(ms: number): void {
    this.advanceTo(this.clock.now + ms);
  }

  /** Empty conntrack and IPv4's route caches of every host (`conntrack -F`, `ip route flush cache`). */
  flush(): void {
    for (const state of this.states.values()) {
      state.conntrack.flush();
      state.exceptions.flush4();
    }
  }

  /** Every host's redirects, and errors whose number is limited, are due to all whom it has sent any before, or to none of them. */
  setRedirectsDue(due: boolean): void {
    for (const state of this.states.values()) {
      setRedirectsDue(state, due, this.clock.now);
      setErrorsDue(state, due, this.clock.now);
    }
  }

  /** A walk begins. */
  begin(): void {
    this.outbox.begin();
    // What an earlier walk met says nothing of this one.
    this.engine.unknownTargets.clear();
    this.engine.unmodelled.clear();
    for (const state of this.states.values()) state.ipvs.beginWalk();
    this.letAJiffyPass();
  }

  /** Too little time for a clock to show passes. */
  letAJiffyPass(): void {
    for (const { connectionCounts } of this.states.values()) connectionCounts.later();
  }

  /** Does a packet's way take so long that the next one comes in another jiffy, or have all of a walk's the same? */
  setSlow(slow: boolean): void {
    for (const { connectionCounts } of this.states.values()) connectionCounts.slow = slow;
  }

  /** End a walk: what still waits is given up, and what no packet holds any more is freed. */
  settle(): void {
    for (const stack of this.touched()) {
      for (const [key, resolving] of stack.state.resolving) failResolving(stack, key, resolving, false);
      stack.state.reassembly.clear(stack);
    }
    while (!this.agenda.empty) {
      this.pool.release(this.agenda.packet);
      this.agenda.shift();
    }
    this.agenda.timers.clear();
    for (const state of this.states.values()) state.conntrack.sweep();
  }
}
