import type { IpAddress } from "../../address/ip.ts";

/**
 * What a proxy in user space does behind a socket: for each connection that it takes, and for each client's datagrams, it opens
 * one of its own from its host to one of its targets, and passes on what is said.
 */
export interface Relay {
  /** Whom it speaks for, in words; for messages. */
  readonly name: string;
  /** In the order of turns. null: nobody has said whom it passes on to. */
  readonly targets: readonly RelayTarget[] | null;
  /** Seconds that a client stays with its target after it was last seen; null: each connection goes to the next. */
  readonly stickyS: number | null;
}

export interface RelayTarget {
  readonly address: IpAddress;
  readonly port: number;
}
