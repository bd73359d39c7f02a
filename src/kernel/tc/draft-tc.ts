import type { Qdisc, TcFilter, TcHook, TrafficControl } from "./traffic-control.ts";

/** A host's traffic control under change. Every method returns null, or one sentence on why the kernel would refuse. */
export class DraftTc {
  private now: TrafficControl;

  constructor(before: TrafficControl) {
    this.now = before;
  }

  get value(): TrafficControl {
    return this.now;
  }

  /** A queue takes the place of the one before. */
  addQdisc(qdisc: Qdisc): null {
    const { qdiscs, filters } = this.now;
    const others = qdiscs.filter(({ dev, place }) => dev !== qdisc.dev || place !== qdisc.place);
    this.now = { qdiscs: [...others, qdisc], filters };
    return null;
  }

  /** With a queue that has the hooks go the filters. */
  deleteQdisc(dev: string, place: string): string | null {
    const { qdiscs, filters } = this.now;
    const gone = qdiscs.find((qdisc) => qdisc.dev === dev && qdisc.place === place);
    if (gone === undefined) return `${dev} has no queue at ${place}`;
    this.now = {
      qdiscs: qdiscs.filter((qdisc) => qdisc !== gone),
      filters: hasHooks(gone) ? filters.filter((filter) => filter.dev !== dev) : filters,
    };
    return null;
  }

  /** Behind those of its hook that are asked before it: by chain, then by preference. */
  addFilter(filter: TcFilter): null {
    const { qdiscs, filters } = this.now;
    const place = placeOf(filter);
    const last = filters.findLastIndex(
      (other) => other.dev === filter.dev && other.hook === filter.hook && comesBefore(placeOf(other), place),
    );
    const first = filters.findIndex(({ dev, hook }) => dev === filter.dev && hook === filter.hook);
    const at = last >= 0 ? last + 1 : first >= 0 ? first : filters.length;
    this.now = { qdiscs, filters: filters.toSpliced(at, 0, filter) };
    return null;
  }

  /** @param head of the one to delete as `tc filter show` prints it; null: all of the hook */
  deleteFilter(dev: string, hook: TcHook, head: string | null): string | null {
    const { qdiscs, filters } = this.now;
    const left = filters.filter(
      (filter) => filter.dev !== dev || filter.hook !== hook || (head !== null && filter.head !== head),
    );
    if (head !== null && left.length === filters.length) return `${dev} has no such filter at its ${hook}`;
    this.now = { qdiscs, filters: left };
    return null;
  }

  deleteDevice(name: string): void {
    const { qdiscs, filters } = this.now;
    if (qdiscs.length === 0) return;
    this.now = {
      qdiscs: qdiscs.filter(({ dev }) => dev !== name),
      filters: filters.filter(({ dev }) => dev !== name),
    };
  }
}

/** Is it a queue in name only, whose filters see what comes in and leaves? */
export function hasHooks({ kind }: Pick<Qdisc, "kind">): boolean {
  return kind === "ingress" || kind === "clsact";
}

interface Place {
  readonly chain: number;
  readonly pref: number;
}

function placeOf({ head }: TcFilter): Place {
  return {
    chain: Number(/\bchain (\d+)/.exec(head)?.[1] ?? 0),
    pref: Number(/\bpref (\d+)/.exec(head)?.[1] ?? 0),
  };
}

function comesBefore(one: Place, other: Place): boolean {
  return one.chain === other.chain ? one.pref <= other.pref : one.chain < other.chain;
}
