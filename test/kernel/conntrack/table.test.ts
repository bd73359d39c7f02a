import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  IPS_ASSURED,
  IPS_DST_NAT,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
} from "../../../src/kernel/conntrack/status.ts";
import { ConntrackTable } from "../../../src/kernel/conntrack/table.ts";
import { Journal } from "../../../src/kernel/session/journal.ts";
import { layersLaw } from "../session/layers.ts";

/** source, destination, source port, destination port */
type Tuple = readonly [number, number, number, number];

interface Entry {
  orig: Tuple;
  reply: Tuple;
  proto: number;
  zone: number;
  confirmed: boolean;
  dying: boolean;
  expires: number;
  status: number;
  mark: number;
}

/** The table as a plain list: an entry is found by comparing tuples. */
interface Model {
  now: number;
  /** By the entry's number in the real table. */
  entries: Map<number, Entry>;
}

type Change =
  | {
      readonly kind: "create";
      readonly tuple: Tuple;
      readonly proto: number;
      readonly zone: number;
      /** As a packet does that looks for its connection first. */
      readonly sought: boolean;
    }
  | { readonly kind: "ask"; readonly which: number }
  | { readonly kind: "alter"; readonly which: number; readonly tuple: Tuple }
  | { readonly kind: "confirm" | "remove"; readonly which: number }
  | { readonly kind: "refresh"; readonly which: number; readonly timeout: number }
  | { readonly kind: "status"; readonly which: number; readonly bits: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "find"; readonly tuple: Tuple; readonly proto: number }
  | { readonly kind: "sweep" | "flush" };

const tuple = (): fc.Arbitrary<Tuple> => fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2));
const proto = () => fc.constantFrom(6, 17);
const which = () => fc.nat(50);

const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("create" as const),
      tuple: tuple(),
      proto: proto(),
      zone: fc.constantFrom(0, 0, 0, 3),
      sought: fc.boolean(),
    }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("confirm" as const), which: which() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("ask" as const), which: which() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("alter" as const), which: which(), tuple: tuple() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), which: which() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("refresh" as const),
      which: which(),
      timeout: fc.constantFrom(10, 1000, 432_000_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("status" as const),
      which: which(),
      bits: fc.constantFrom(IPS_SEEN_REPLY, IPS_ASSURED, IPS_SRC_NAT, IPS_DST_NAT),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(5, 500, 5000) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("find" as const), tuple: tuple(), proto: proto() }) },
  { weight: 2, arbitrary: fc.constant<Change>({ kind: "sweep" }) },
  { weight: 1, arbitrary: fc.constant<Change>({ kind: "flush" }) },
);

const same = (a: Tuple, b: Tuple): boolean => a.every((part, i) => part === b[i]);

function isHeld(entry: Entry, now: number): boolean {
  return entry.confirmed && !entry.dying && entry.expires > now;
}

function modelFind({ entries, now }: Model, wanted: Tuple, protocol: number, zone: number): number {
  for (const [id, entry] of entries) {
    if (!isHeld(entry, now) || entry.proto !== protocol || entry.zone !== zone) continue;
    if (same(entry.orig, wanted)) return id * 2;
    if (same(entry.reply, wanted)) return id * 2 + 1;
  }
  return -1;
}

/** The n-th entry that a packet may still hold and that fits. */
function pick(model: Model, n: number, fits: (entry: Entry) => boolean): number | undefined {
  const ids = [...model.entries].filter(([, entry]) => fits(entry)).map(([id]) => id);
  return ids.length === 0 ? undefined : ids[n % ids.length];
}

function apply(real: ConntrackTable, model: Model, step: Change): void {
  // What has expired is taken away whenever a look-up meets it: its number may be another's any time.
  const live = (entry: Entry): boolean => !entry.dying && entry.expires > model.now;
  switch (step.kind) {
    case "create": {
      const [src, dst, sport, dport] = step.tuple;
      const isUnseen = step.sought && real.find(...step.tuple, step.proto, step.zone) < 0;
      const id = real.create(src, dst, sport, dport, dport, sport, step.proto, step.zone);
      if (isUnseen) real.noteFresh(id);
      const before = model.entries.get(id);
      expect(before === undefined || before.expires <= model.now, "number of an entry in use").toBe(true);
      model.entries.set(id, {
        orig: step.tuple,
        reply: [dst, src, dport, sport],
        proto: step.proto,
        zone: step.zone,
        confirmed: false,
        dying: false,
        expires: 0x7fffffff,
        status: 0,
        mark: 0,
      });
      return;
    }
    case "ask": {
      const id = pick(model, step.which, (entry) => live(entry) && !entry.confirmed);
      if (id === undefined) return;
      const { reply, proto: protocol, zone } = model.entries.get(id) as Entry;
      expect(real.isReplyTaken(id)).toBe(modelFind(model, reply, protocol, zone) >= 0);
      return;
    }
    case "alter": {
      const id = pick(model, step.which, (entry) => live(entry) && !entry.confirmed);
      if (id === undefined) return;
      real.alterReply(id, ...step.tuple);
      (model.entries.get(id) as Entry).reply = step.tuple;
      return;
    }
    case "confirm": {
      const id = pick(model, step.which, (entry) => live(entry) && !entry.confirmed);
      if (id === undefined) return;
      const entry = model.entries.get(id) as Entry;
      const clash = [entry.orig, entry.reply].some(
        (one) => modelFind(model, one, entry.proto, entry.zone) >= 0,
      );
      expect(real.confirm(id)).toBe(!clash);
      entry.confirmed = !clash;
      return;
    }
    case "remove": {
      const id = pick(model, step.which, live);
      if (id === undefined) return;
      real.remove(id);
      (model.entries.get(id) as Entry).dying = true;
      return;
    }
    case "refresh": {
      const id = pick(model, step.which, live);
      if (id === undefined) return;
      const entry = model.entries.get(id) as Entry;
      real.refresh(id, step.timeout);
      entry.expires = model.now + step.timeout;
      return;
    }
    case "status": {
      const id = pick(model, step.which, live);
      if (id === undefined) return;
      const entry = model.entries.get(id) as Entry;
      real.setStatus(id, step.bits);
      real.setMark(id, entry.mark + step.bits);
      entry.status |= step.bits;
      entry.mark += step.bits;
      return;
    }
    case "wait":
      model.now += step.ms;
      real.now = model.now;
      return;
    case "find": {
      const found = real.find(...step.tuple, step.proto, 0);
      const expected = modelFind(model, step.tuple, step.proto, 0);
      // Where both directions are the same tuple either will do.
      expect(found >> 1).toBe(expected >> 1);
      return;
    }
    case "sweep":
    case "flush":
      if (step.kind === "flush") {
        real.flush();
        for (const entry of model.entries.values()) if (isHeld(entry, model.now)) entry.dying = true;
      } else real.sweep();
      for (const [id, entry] of model.entries) if (entry.dying || !entry.confirmed) model.entries.delete(id);
  }
}

function agree(real: ConntrackTable, model: Model): void {
  const listed: number[] = [];
  real.forEach((ct) => {
    listed.push(ct);
  });
  const held = [...model.entries].filter(([, entry]) => isHeld(entry, model.now)).map(([id]) => id);
  expect(listed).toEqual(held.sort((a, b) => a - b));
  for (const [id, entry] of model.entries) {
    if (entry.expires <= model.now) continue;
    const orig = [real.origSrc(id), real.origDst(id), real.origSport(id), real.origDport(id)];
    const reply = [real.replySrc(id), real.replyDst(id), real.replySport(id), real.replyDport(id)];
    expect([orig, reply, real.mark(id)]).toEqual([entry.orig, entry.reply, entry.mark]);
    expect(real.status(id) & entry.status).toBe(entry.status);
  }
  for (const id of held) {
    const { orig, reply, proto: protocol, zone } = model.entries.get(id) as Entry;
    expect(real.find(...orig, protocol, zone) >> 1).toBe(id);
    expect(real.find(...reply, protocol, zone) >> 1).toBe(id);
  }
}

describe("the connection tracking table", () => {
  it("is what a plain list of entries would be, through confirmation, expiry and rollback", () => {
    layersLaw<ConntrackTable, Model, Change>(
      {
        make: (journal) => new ConntrackTable(journal),
        model: () => ({ now: 0, entries: new Map() }),
        copy: ({ now, entries }) => ({
          now,
          entries: new Map([...entries].map(([id, entry]) => [id, { ...entry }])),
        }),
        change,
        apply: (real, model, step) => {
          // The clock is not the table's to take back: whoever rolls back sets it.
          real.now = model.now;
          apply(real, model, step);
        },
        agree: (real, model) => {
          real.now = model.now;
          agree(real, model);
        },
      },
      { maxLength: 150 },
    );
  });

  it("holds thousands, finds each by both tuples, and gives all back", () => {
    const journal = new Journal();
    const table = new ConntrackTable(journal);
    const add = (n: number): number => {
      const ct = table.create(n, 9, 1000 + (n % 7), 80, 80, 1000 + (n % 7), 6, 0);
      expect(table.confirm(ct)).toBe(true);
      return ct;
    };
    const first = add(-1);
    const mark = journal.mark();
    const all = Array.from({ length: 5000 }, (_, n) => add(n));
    expect(table.size).toBe(5001);
    all.forEach((ct, n) => {
      expect(table.find(n, 9, 1000 + (n % 7), 80, 6, 0)).toBe(ct * 2);
      expect(table.find(9, n, 80, 1000 + (n % 7), 6, 0)).toBe(ct * 2 + 1);
    });
    table.flush();
    expect([table.size, table.find(4, 9, 1004, 80, 6, 0)]).toEqual([0, -1]);
    journal.rollback(mark);
    expect([table.size, table.find(-1, 9, 999, 80, 6, 0)]).toEqual([1, first * 2]);
  });

  it("asks anew whether somebody has an entry's answers once another entry came in, and once they are others", () => {
    const table = new ConntrackTable(new Journal());
    const one = table.create(1, 2, 3, 4, 4, 3, 17, 0);
    expect(table.isReplyTaken(one)).toBe(false);
    const other = table.create(5, 2, 6, 4, 4, 6, 17, 0);
    table.alterReply(other, 2, 1, 4, 3);
    expect(table.confirm(other)).toBe(true);
    expect(table.isReplyTaken(one)).toBe(true);
    table.alterReply(one, 2, 9, 4, 3);
    expect(table.isReplyTaken(one)).toBe(false);
    table.alterReply(one, 2, 1, 4, 3);
    expect([table.isReplyTaken(one), table.confirm(one)]).toEqual([true, false]);
  });

  it("uses the numbers of entries that are gone again: nothing grows with the packets that passed", () => {
    const table = new ConntrackTable(new Journal());
    let highest = 0;
    for (let n = 0; n < 10_000; n++) {
      const ct = table.create(n, 1, 2, 3, 3, 2, 17, 0);
      if (n % 3 !== 0) table.confirm(ct);
      if (n % 3 === 1) table.remove(ct);
      if (n % 50 === 0) table.flush();
      else table.sweep();
      highest = Math.max(highest, ct);
    }
    expect(highest).toBeLessThan(100);
  });
});
