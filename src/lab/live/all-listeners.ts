import { Listeners, type Served } from "./listeners.ts";
import type { RealWorld } from "./realise.ts";
import { TunDaemons } from "./tun-daemons.ts";

/** What listens on the hosts of a real world, as its model says; a host whose sockets are assumed has none of its own. */
export class AllListeners {
  readonly #listeners: readonly Listeners[];
  readonly #daemons: readonly TunDaemons[];

  /** @throws Error where an address or port cannot be had */
  constructor({ world, netns }: RealWorld) {
    this.#listeners = [...world.hosts.values()].flatMap((host) => {
      const within = netns.get(host.name);
      if (within === undefined || host.sockets.kind !== "listed") return [];
      return [new Listeners(within, host, host.sockets.sockets)];
    });
    this.#daemons = [...world.hosts.values()].flatMap((host) => {
      const within = netns.get(host.name);
      const { sockets } = host;
      const known = sockets.kind === "listed" ? sockets.sockets : (sockets.known ?? []);
      return within === undefined ? [] : [new TunDaemons(within, host, known)];
    });
  }

  serve(): Served[] {
    for (const daemons of this.#daemons) daemons.serve();
    return this.#listeners.flatMap((listeners) => listeners.serve());
  }

  hangUp(): void {
    for (const listeners of this.#listeners) listeners.hangUp();
  }

  close(): void {
    for (const listeners of this.#listeners) listeners.close();
    for (const daemons of this.#daemons) daemons.close();
  }
}
