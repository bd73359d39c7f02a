import fc from "fast-check";
import { expect, it } from "vitest";
import { CONN_TEMPLATE, FORWARD_GATE, FORWARD_MASQ } from "../../../src/kernel/ipvs/connection-flags.ts";
import { ConnectionTable, NO_CONNECTION } from "../../../src/kernel/ipvs/connection-table.ts";
import { layersLaw } from "../session/layers.ts";

interface Entry {
  readonly caddr: number;
  readonly cport: number;
  readonly vaddr: number;
  readonly daddr: number;
  readonly flags: number;
  hashed: boolean;
  expires: number;
}

type Change =
  | {
      readonly kind: "create";
      readonly ends: readonly [number, number, number, number];
      readonly flags: number;
    }
  | { readonly kind: "free" | "unhash" | "hash"; readonly which: number }
  | { readonly kind: "expires"; readonly which: number; readonly at: number }
  | { readonly kind: "find"; readonly ends: readonly [number, number, number, number] };

const PORT = 80;
const ends = fc.tuple(fc.nat(3), fc.nat(40), fc.nat(2), fc.nat(2));

/** The newest of those that match: a new entry stands first. */
function newest(model: Model, match: (entry: Entry) => boolean): number {
  const found = [...model.entries].filter(([, entry]) => entry.hashed && match(entry));
  return found.length === 0 ? NO_CONNECTION : Math.max(...found.map(([, { born }]) => born));
}

interface Model {
  entries: Map<number, Entry & { born: number }>;
  born: number;
}

/** What a number in the real table was born as. */
const bornAs = (model: Model, cp: number): number =>
  cp === NO_CONNECTION ? NO_CONNECTION : (model.entries.get(cp)?.born ?? Number.NaN);

it("finds what a plain list finds, under layers of undo", () => {
  layersLaw<ConnectionTable, Model, Change>({
    make: (journal) => new ConnectionTable(journal),
    model: () => ({ entries: new Map(), born: 0 }),
    copy: ({ entries, born }) => ({
      entries: new Map([...entries].map(([cp, entry]) => [cp, { ...entry }])),
      born,
    }),
    change: fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant("create" as const),
          ends,
          flags: fc.constantFrom(FORWARD_MASQ, FORWARD_GATE, CONN_TEMPLATE),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constantFrom("free" as const, "unhash" as const),
          which: fc.nat(30),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("expires" as const), which: fc.nat(30), at: fc.nat(9) }),
      },
      { weight: 8, arbitrary: fc.record({ kind: fc.constant("find" as const), ends }) },
    ),
    apply(real, model, change) {
      const [caddr = 0, cport = 0, vaddr = 0, daddr = 0] = "ends" in change ? change.ends : [];
      switch (change.kind) {
        case "create": {
          const { flags } = change;
          const cp = real.create(6, caddr, cport, vaddr, PORT, daddr, PORT, flags, 0);
          real.hash(cp);
          model.entries.set(cp, {
            caddr,
            cport,
            vaddr,
            daddr,
            flags,
            hashed: true,
            expires: 0,
            born: model.born++,
          });
          return;
        }
        case "find": {
          const template = (flags: number): boolean => (flags & CONN_TEMPLATE) !== 0;
          for (const wanted of [false, true]) {
            expect(bornAs(model, real.findIn(6, caddr, cport, vaddr, PORT, wanted))).toBe(
              newest(
                model,
                (e) =>
                  e.caddr === caddr &&
                  e.cport === cport &&
                  e.vaddr === vaddr &&
                  template(e.flags) === wanted &&
                  // __ip_vs_conn_in_get: port 0 is that of a connection whose client's port is not known.
                  (wanted || cport !== 0),
              ),
            );
          }
          expect(bornAs(model, real.findOut(6, caddr, cport, daddr, PORT))).toBe(
            newest(
              model,
              (e) =>
                e.caddr === caddr &&
                e.cport === cport &&
                ((e.flags & 7) === FORWARD_MASQ ? e.daddr : e.vaddr) === daddr,
            ),
          );
          return;
        }
        default: {
          const cp = [...model.entries.keys()].sort((a, b) => a - b)[
            change.which % Math.max(model.entries.size, 1)
          ];
          const entry = cp === undefined ? undefined : model.entries.get(cp);
          if (cp === undefined || entry === undefined) return;
          if (change.kind === "free") {
            real.free(cp);
            model.entries.delete(cp);
          } else if (change.kind === "unhash") {
            real.unhash(cp);
            entry.hashed = false;
          } else if (change.kind === "expires") {
            real.setExpires(cp, change.at);
            entry.expires = change.at;
          }
        }
      }
    },
    agree(real, model) {
      const seen: number[] = [];
      real.forEach((cp) => {
        seen.push(cp);
        expect(real.expires(cp) > 9 ? 0 : real.expires(cp)).toBe(model.entries.get(cp)?.expires);
      });
      const hashed = [...model.entries].filter(([, entry]) => entry.hashed).map(([cp]) => cp);
      expect(seen.sort((a, b) => a - b)).toEqual(hashed.sort((a, b) => a - b));
      expect(real.size).toBe(model.entries.size);
    },
  });
});
