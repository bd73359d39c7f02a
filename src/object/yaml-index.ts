import { EVENT_ID, type Event, getScalarValue } from "js-yaml";
import type { FieldPath } from "./place.ts";

interface Child {
  /** The event the value begins with. */
  readonly value: number;
  /** Where its line is: at its key, or at itself in a list. */
  readonly offset: number;
}

/**
 * Where the fields of one YAML document stand in its text: made from the parser's events, on demand, because only
 * documents with faults are asked.
 */
export class YamlIndex {
  readonly #source: string;
  readonly #events: readonly Event[];
  readonly #lineStarts: readonly number[];
  /** The children of the nodes that were asked for, so that a long list is gone through once. */
  readonly #children = new Map<number, ReadonlyMap<string | number, Child>>();

  /** `events` are those of the whole source. */
  constructor(source: string, events: readonly Event[]) {
    this.#source = source;
    this.#events = events;
    const starts = [0];
    for (let i = source.indexOf("\n"); i !== -1; i = source.indexOf("\n", i + 1)) starts.push(i + 1);
    this.#lineStarts = starts;
  }

  /** Line, from 1, of a field, or of the nearest one around it that the text has. */
  lineOf(root: number, path: FieldPath): number | null {
    let node = root;
    let offset = this.#offsetOf(node);
    for (const step of path) {
      const found = this.#child(node, step);
      if (found === undefined) break;
      node = found.value;
      offset = found.offset;
    }
    return offset === null ? null : this.#lineAt(offset);
  }

  /** The event after each DOCUMENT: where the documents' contents begin. */
  roots(): number[] {
    const roots: number[] = [];
    for (const [i, event] of this.#events.entries()) if (event.type === EVENT_ID.DOCUMENT) roots.push(i + 1);
    return roots;
  }

  /** The keys that a mapping has twice, with the lines of the later ones. */
  duplicates(): { readonly key: string; readonly line: number; readonly first: number }[] {
    const found: { key: string; line: number; first: number }[] = [];
    for (const [i, event] of this.#events.entries()) {
      if (event.type !== EVENT_ID.MAPPING) continue;
      const seen = new Map<string, number>();
      for (const { key, offset } of this.#entries(i)) {
        if (key === undefined || key === "<<") continue;
        const first = seen.get(key);
        if (first === undefined) seen.set(key, offset);
        else found.push({ key, line: this.#lineAt(offset), first: this.#lineAt(first) });
      }
    }
    return found.sort((a, b) => a.line - b.line);
  }

  #child(node: number, step: string | number): Child | undefined {
    const children = this.#children.get(node) ?? this.#childrenOf(node);
    this.#children.set(node, children);
    return children.get(this.#events[node]?.type === EVENT_ID.MAPPING ? String(step) : step);
  }

  #childrenOf(node: number): ReadonlyMap<string | number, Child> {
    const children = new Map<string | number, Child>();
    const event = this.#events[node];
    if (event?.type === EVENT_ID.MAPPING) {
      // The last of equal keys is the one that was taken.
      for (const { key, value, offset } of this.#entries(node)) {
        if (key !== undefined) children.set(key, { value, offset });
      }
    } else if (event?.type === EVENT_ID.SEQUENCE) {
      let at = node + 1;
      for (let i = 0; this.#events[at] !== undefined && this.#events[at]?.type !== EVENT_ID.POP; i++) {
        children.set(i, { value: at, offset: this.#offsetOf(at) ?? event.start });
        at = this.#after(at);
      }
    }
    return children;
  }

  *#entries(mapping: number): Generator<{ key: string | undefined; value: number; offset: number }> {
    let at = mapping + 1;
    for (;;) {
      const event = this.#events[at];
      if (event === undefined || event.type === EVENT_ID.POP) return;
      const value = this.#after(at);
      const key = event.type === EVENT_ID.SCALAR ? getScalarValue(this.#source, event) : undefined;
      yield { key, value, offset: this.#offsetOf(at) ?? 0 };
      at = this.#after(value);
    }
  }

  /** The event behind a node and all that it holds. */
  #after(node: number): number {
    let depth = 0;
    let at = node;
    do {
      const type = this.#events[at]?.type;
      if (type === EVENT_ID.MAPPING || type === EVENT_ID.SEQUENCE) depth++;
      else if (type === EVENT_ID.POP) depth--;
      at++;
    } while (depth > 0 && at < this.#events.length);
    return at;
  }

  #offsetOf(node: number): number | null {
    const event = this.#events[node];
    switch (event?.type) {
      case EVENT_ID.MAPPING:
      case EVENT_ID.SEQUENCE:
        return event.start;
      case EVENT_ID.SCALAR:
        return event.valueStart;
      case EVENT_ID.ALIAS:
        return event.anchorStart;
      default:
        return null;
    }
  }

  #lineAt(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }
}
