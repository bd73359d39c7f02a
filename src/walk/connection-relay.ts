import type { Relay } from "../kernel/socket/relay.ts";
import type { Conversation } from "./conversation.ts";
import { nextTarget } from "./relay-targets.ts";
import type { TcpEnd } from "./tcp-end.ts";
import type { TcpEnds } from "./tcp-ends.ts";

/** `EndpointDialTimeouts` (pkg/proxy/userspace/proxysocket.go): how long a target has to answer, one try after the other. */
const DIAL_MS = [250, 500, 1000, 2000];

/** TCP through relays: for a connection that was taken one is opened to a target, and where that does not answer to the next. */
export class ConnectionRelay {
  readonly #ends: TcpEnds;
  readonly #owner: Conversation;
  #relay: Relay | null = null;
  #tries = 0;
  #stopWaiting: () => void = () => {};

  constructor(ends: TcpEnds, owner: Conversation) {
    this.#ends = ends;
    this.#owner = owner;
  }

  /** @param taken the end that the relay took */
  begin(taken: TcpEnd, relay: Relay, cause: number): void {
    this.#relay = relay;
    this.#tries = 0;
    if (relay.targets === null) {
      // Whether it answers nobody has said: it took the connection.
      taken.stack.engine.unmodelled.add(`whom ${relay.name} passes connections on to`);
      return;
    }
    this.#open(taken, cause);
  }

  #open(taken: TcpEnd, cause: number): void {
    const relay = this.#relay as Relay;
    const wait = DIAL_MS[this.#tries];
    const target = wait === undefined ? null : nextTarget(taken.stack, relay, taken.peer, this.#tries > 0);
    if (target === null) {
      this.#owner.notPassedOn();
      this.#ends.finish(taken, cause);
      taken.state = "closed";
      return;
    }
    this.#tries++;
    const end = this.#ends.open(taken, target, cause);
    if (end === null) {
      this.#open(taken, cause);
      return;
    }
    this.#stopWaiting = taken.stack.outbox.after(wait ?? 0, () => {
      if (end.state !== "syn-sent") return;
      end.state = "closed";
      this.#open(taken, cause);
    });
  }

  connected(): void {
    this.#stopWaiting();
  }

  /** The connection opened for `taken` is no more: another one is tried, unless it had begun. */
  lost(taken: TcpEnd, cause: number, wasOpen: boolean): void {
    this.#stopWaiting();
    if (taken.state !== "established") return;
    if (wasOpen) this.#ends.finish(taken, cause);
    else this.#open(taken, cause);
  }
}
