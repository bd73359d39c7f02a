import { Listeners, type Served } from "./listeners.ts";
import type { RealWorld } from "./realise.ts";

/** What listens on the hosts of a real world, as its model says; a host whose sockets are assumed has none of its own. */
export class AllListeners {
  readonly #listeners: readonly Listeners[];

  /** @throws Error where an address or port cannot be had */
  constructor({ world, netns }: RealWorld) {
    this.#listeners = [...world.hosts.values()].flatMap((host) => {
      const within = netns.get(host.name);
      if (within === undefined || host.sockets.kind !== "listed") return [];
      return [new Listeners(within, host, host.sockets.sockets)];
    });
  }

  serve(): Served[] {
    return this.#listeners.flatMap((listeners) => listeners.serve());
  }

  hangUp(): void {
    for (const listeners of this.#listeners) listeners.hangUp();
  }

  close(): void {
    for (const listeners of this.#listeners) listeners.close();
  }
}
