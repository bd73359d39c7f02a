import type { Host } from "../kernel/host.ts";

/**
 * The configuration of everything: hosts and the cables between them. Immutable; a change makes a new one that shares
 * what did not change.
 */
export interface World {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly wires: readonly Wire[];
  readonly origins: Origins;
}

/** A cable, or a veth pair: two devices that hand each other frames. */
export interface Wire {
  readonly a: WireEnd;
  readonly b: WireEnd;
}

export interface WireEnd {
  readonly host: string;
  readonly device: string;
}

/** Where an origin number leads: a file with the path of the field, or the line of a text in it. */
export interface Source {
  readonly file: string;
  /** Path inside a JSON document, such as `hosts.node1.iptablesSave`; null for a plain text. */
  readonly field: string | null;
  /** Line of the text, from 1. */
  readonly line: number | null;
  /** Whose wish the state carries out, where that is known: state derived from a declaration, not only read from a dump. */
  readonly owner?: Owner;
}

/** A declaration that state was derived from: its names mean nothing to this room. */
export interface Owner {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  /** Path of the field within it, such as `spec.ports[0]`. */
  readonly field?: string;
  /** Read off names and comments of the state, not followed from the declaration to the state. */
  readonly inferred?: true;
}

/** The World's table of origins. Number 0 is "none". */
export interface Origins {
  readonly sources: readonly Source[];
}
