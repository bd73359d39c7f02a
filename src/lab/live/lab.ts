import { spawnSync } from "node:child_process";
import { proxiesHandshakes } from "../../kernel/netfilter/needs-conntrack.ts";
import { nftProxiesHandshakes } from "../../kernel/nft/needs-conntrack.ts";
import { walkedNft } from "../../kernel/nft/walked.ts";
import type { World } from "../../world/world.ts";
import type { RecordedRuleHit } from "../recorded.ts";
import { AllListeners } from "./all-listeners.ts";
import { Capture, type CapturedFrame } from "./capture.ts";
import { finish } from "./carrier.ts";
import type { Served } from "./listeners.ts";
import { flush } from "./real-conntrack.ts";
import { deleteNetns, type RealNetns } from "./real-netns.ts";
import { type RealWorld, realising } from "./realise.ts";
import { type Counters, readCounters, risen } from "./rule-counters.ts";

/** Servers at work, wherever they run. */
export interface Serving {
  /** Who has been served since the last call. */
  serve(): Served[];
  /** Ends what is open, leaving nothing behind. */
  hangUp(): void;
  /** Listens no more. A socket left open keeps its namespace alive, deleted or not, with all neighbours in it. */
  close(): void;
}

/** A World for real, with its servers at work and a capture on every device. */
export class Lab {
  readonly real: RealWorld;
  /** UDP ports that carry VXLAN here. */
  readonly vxlanPorts: readonly number[];
  /** And those of daemons with a TUN. */
  readonly tunPorts: readonly number[];
  /** Does a host shake hands in a server's place (SYNPROXY), and move the sequence numbers of what follows? */
  readonly movesSequences: boolean;
  readonly #captures: readonly Capture[];
  readonly #serving: Serving;
  /** Counters of rules as last read. */
  readonly #counters = new Map<string, Counters>();

  /** @throws Error where the kernel refuses a capture */
  constructor(real: RealWorld, serving: Serving) {
    this.real = real;
    this.#serving = serving;
    const hosts = [...real.world.hosts.values()];
    this.#captures = hosts.map((host) => new Capture(this.netns(host.name), host));
    this.movesSequences = hosts.some(
      (host) =>
        [host.iptables, host.ip6tables].some((rules) => rules !== null && proxiesHandshakes(rules)) ||
        ([4, 6] as const).some((family) => nftProxiesHandshakes(walkedNft(host), family)),
    );
    this.vxlanPorts = hosts.flatMap(({ devices }) =>
      devices.flatMap(({ detail }) => (detail.kind === "vxlan" ? [detail.port] : [])),
    );
    this.tunPorts = hosts.flatMap(({ sockets }) =>
      (sockets.kind === "listed" ? sockets.sockets : (sockets.known ?? [])).flatMap(({ app, port }) =>
        app.kind === "tun" ? [port] : [],
      ),
    );
  }

  /**
   * Builds a World, opens its servers and captures.
   *
   * @param nameOf the namespace of a host
   * @throws Error with what could not be built; then nothing is left of it
   */
  static build(world: World, nameOf: (host: string) => string): Lab {
    return finish(Lab.building(world, nameOf));
  }

  /** The same, yielding while it waits for the kernel. */
  static *building(world: World, nameOf: (host: string) => string): Generator<void, Lab> {
    const real = yield* realising(world, nameOf);
    try {
      return new Lab(real, new AllListeners(real));
    } catch (error) {
      deleteNetns([...real.netns.values()].map(({ name }) => name));
      throw error;
    }
  }

  netns(host: string): RealNetns {
    const found = this.real.netns.get(host);
    if (found === undefined) throw new Error(`the lab has no host ${host}`);
    return found;
  }

  serve(): Served[] {
    return this.#serving.serve();
  }

  captured(): CapturedFrame[][] {
    return this.#captures.map((capture) => capture.read());
  }

  /** Did every frame since the last call find its place in a capture? */
  sawAll(): boolean {
    return this.#captures.reduce((sum, capture) => sum + capture.lost(), 0) === 0;
  }

  /**
   * Forgets what was captured, and what of earlier probes is still on its way.
   *
   * @returns how many frames it was
   */
  discard(): number {
    const frames = this.captured().flat();
    for (const { host } of frames) this.#counters.delete(host);
    return frames.length;
  }

  /** What routes and connection tracking learned, in every host. */
  flush(): void {
    for (const within of this.real.netns.values()) flush(within);
  }

  /** What hosts learned of their neighbours of IPv6, whose questions rules count; what was configured stays. */
  forgetNeighbours(): void {
    for (const { name, addresses6 } of this.real.world.hosts.values()) {
      if (addresses6.length === 0) continue;
      this.netns(name).inside(() => spawnSync("ip", ["-6", "neigh", "flush", "all"]));
    }
  }

  /** The rules' counters of every host that has rules, read again where frames have passed since. */
  counters(): ReadonlyMap<string, Counters> {
    for (const { name } of this.real.world.hosts.values()) this.#countersOf(name);
    return new Map(this.#counters);
  }

  /** What these hosts say from now on may be counted and dropped before a capture shows it. */
  forgetCounters(hosts: Iterable<string>): void {
    for (const host of hosts) this.#counters.delete(host);
  }

  /** @param touched hosts that sent or saw anything since: no other's counters can have risen */
  risenSince(before: ReadonlyMap<string, Counters>, touched: ReadonlySet<string>): RecordedRuleHit[] {
    for (const host of touched) this.#counters.delete(host);
    return [...touched].flatMap((host) => {
      const after = this.#countersOf(host);
      return after === undefined ? [] : risen(host, before.get(host) ?? new Map(), after);
    });
  }

  #countersOf(name: string): Counters | undefined {
    const host = this.real.world.hosts.get(name);
    const known =
      this.#counters.get(name) ?? (host === undefined ? undefined : readCounters(this.netns(name), host));
    if (known !== undefined) this.#counters.set(name, known);
    return known;
  }

  hangUp(): void {
    this.#serving.hangUp();
  }

  /** Lets go of what was opened; the hosts stay. */
  detach(): void {
    this.#serving.close();
    for (const capture of this.#captures) capture.close();
    for (const within of this.real.netns.values()) within.close();
  }

  /** Takes everything down. */
  close(): void {
    this.detach();
    deleteNetns([...this.real.netns.values()].map(({ name }) => name));
  }
}
