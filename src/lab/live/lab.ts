import type { World } from "../../world/world.ts";
import type { RecordedRuleHit } from "../recorded.ts";
import { Capture, type CapturedFrame } from "./capture.ts";
import { Listeners, type Served } from "./listeners.ts";
import { flush } from "./real-conntrack.ts";
import { deleteNetns, type RealNetns } from "./real-netns.ts";
import { type RealWorld, realise } from "./realise.ts";
import { type Counters, readCounters, risen } from "./rule-counters.ts";

/** A World for real, with its servers at work and a capture on every device. */
export class Lab {
  readonly real: RealWorld;
  /** UDP ports that carry VXLAN here. */
  readonly vxlanPorts: readonly number[];
  readonly #captures: readonly Capture[];
  readonly #listeners: readonly Listeners[];

  /**
   * @param nameOf the namespace of a host
   * @throws Error with what could not be built; then nothing is left of it
   */
  constructor(world: World, nameOf: (host: string) => string) {
    this.real = realise(world, nameOf);
    const hosts = [...world.hosts.values()];
    try {
      this.#captures = hosts.map((host) => new Capture(this.netns(host.name), host));
      this.#listeners = hosts.map((host) => {
        const sockets = host.sockets.kind === "listed" ? host.sockets.sockets : [];
        return new Listeners(this.netns(host.name), host, sockets);
      });
    } catch (error) {
      deleteNetns(hosts.map((host) => nameOf(host.name)));
      throw error;
    }
    this.vxlanPorts = hosts.flatMap(({ devices }) =>
      devices.flatMap(({ detail }) => (detail.kind === "vxlan" ? [detail.port] : [])),
    );
  }

  netns(host: string): RealNetns {
    const found = this.real.netns.get(host);
    if (found === undefined) throw new Error(`the lab has no host ${host}`);
    return found;
  }

  serve(): Served[] {
    return this.#listeners.flatMap((listeners) => listeners.serve());
  }

  captured(): CapturedFrame[][] {
    return this.#captures.map((capture) => capture.read());
  }

  /** Forgets what was captured, and what of earlier probes is still on its way. */
  discard(): void {
    this.captured();
  }

  /** What routes and connection tracking learned, in every host. */
  flush(): void {
    for (const within of this.real.netns.values()) flush(within);
  }

  counters(): ReadonlyMap<string, Counters> {
    const all = new Map<string, Counters>();
    for (const { name, iptables } of this.real.world.hosts.values()) {
      if (iptables === null || iptables.tables.size === 0) continue;
      all.set(name, readCounters(this.netns(name), iptables.backend));
    }
    return all;
  }

  risenSince(before: ReadonlyMap<string, Counters>): RecordedRuleHit[] {
    return [...this.counters()].flatMap(([host, after]) => risen(host, before.get(host) ?? new Map(), after));
  }

  hangUp(): void {
    for (const listeners of this.#listeners) listeners.hangUp();
  }

  /** Takes everything down. */
  close(): void {
    for (const listeners of this.#listeners) listeners.close();
    for (const capture of this.#captures) capture.close();
    for (const within of this.real.netns.values()) within.close();
    deleteNetns([...this.real.netns.values()].map(({ name }) => name));
  }
}
