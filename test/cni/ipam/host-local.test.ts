import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CniFailure } from "../../../src/cni/cni-error.ts";
import { formatIp, formatIpNet, parseIp } from "../../../src/cni/ip.ts";
import { allocate } from "../../../src/cni/ipam/allocator.ts";
import { HOST_LOCAL } from "../../../src/cni/ipam/host-local.ts";
import { rangeOf, readRangeSet } from "../../../src/cni/ipam/range.ts";
import { MemoryStore } from "../../../src/cni/ipam/store.ts";

/** `host-local` as a ledger: what is configured, who holds what, what was taken last, and what the next one gets. */

const FOUR = [{ subnet: "10.0.0.0/29" }];
const SIX = [{ subnet: "fd00::/125" }];
const PART = [{ subnet: "10.22.0.0/24", rangeStart: "10.22.0.4", rangeEnd: "10.22.0.7" }];
const TWO = [
  { subnet: "10.32.0.0/29", rangeStart: "10.32.0.3", rangeEnd: "10.32.0.4" },
  { subnet: "10.32.1.0/29", gateway: "10.32.1.3" },
];

function storeOf(taken: readonly string[], last: string | null): MemoryStore {
  const files = taken.map((address, i): [string, string] => [address, `cid-${i}\r\neth0`]);
  return MemoryStore.fromFiles([
    ...files,
    ...(last === null ? [] : [["last_reserved_ip.0", last] as [string, string]]),
  ]);
}

const NEW = { containerId: "new", ifName: "eth0" };

function next(ranges: readonly object[], store: MemoryStore, requested: string | null): string {
  const ip = requested === null ? null : (parseIp(requested) ?? null);
  const set = readRangeSet(ranges as readonly Record<string, unknown>[]);
  try {
    const { address, gateway } = allocate(store, set, 0, NEW, ip);
    return `${formatIpNet(address)} via ${formatIp(gateway)}`;
  } catch (error) {
    if (error instanceof CniFailure) return error.error.msg;
    throw error;
  }
}

describe("the next address", () => {
  it.each([
    [FOUR, [], null, null, "10.0.0.2/29 via 10.0.0.1"],
    [FOUR, ["10.0.0.2"], "10.0.0.2", null, "10.0.0.3/29 via 10.0.0.1"],
    [FOUR, [], "10.0.0.4", null, "10.0.0.5/29 via 10.0.0.1"],
    [FOUR, [], "10.0.0.6", null, "10.0.0.2/29 via 10.0.0.1"],
    [FOUR, ["10.0.0.5", "10.0.0.6"], "10.0.0.4", null, "10.0.0.2/29 via 10.0.0.1"],
    [FOUR, [], "192.0.2.1", null, "10.0.0.2/29 via 10.0.0.1"],
    [FOUR, ["10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6"], "10.0.0.4", null, "10.0.0.4/29 via 10.0.0.1"],
    [
      FOUR,
      ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"],
      "10.0.0.4",
      null,
      "no IP addresses available in range set: 10.0.0.1-10.0.0.6",
    ],
    [SIX, [], null, null, "fd00::2/125 via fd00::1"],
    [SIX, ["fd00::2"], "fd00::6", null, "fd00::7/125 via fd00::1"],
    [SIX, [], "fd00::7", null, "fd00::2/125 via fd00::1"],
    [PART, [], null, null, "10.22.0.4/24 via 10.22.0.1"],
    [PART, ["10.22.0.5"], "10.22.0.5", null, "10.22.0.6/24 via 10.22.0.1"],
    [PART, ["10.22.0.5", "10.22.0.6"], "10.22.0.7", null, "10.22.0.4/24 via 10.22.0.1"],
    [TWO, ["10.32.0.3", "10.32.0.4"], "10.32.0.4", null, "10.32.1.1/29 via 10.32.1.3"],
    [TWO, [], "10.32.1.2", null, "10.32.1.4/29 via 10.32.1.3"],
    [TWO, [], "10.32.1.6", null, "10.32.0.3/29 via 10.32.0.1"],
    [FOUR, [], null, "10.0.0.5", "10.0.0.5/29 via 10.0.0.1"],
    [
      FOUR,
      ["10.0.0.5"],
      null,
      "10.0.0.5",
      "requested IP address 10.0.0.5 is not available in range set 10.0.0.1-10.0.0.6",
    ],
    [FOUR, [], null, "10.0.0.1", "requested ip 10.0.0.1 is subnet's gateway"],
  ])("%j taken %j last %s asked %s: %s", (ranges, taken, last, requested, expected) => {
    expect(next(ranges, storeOf(taken, last), requested)).toBe(expected);
  });
});

describe("a configuration that cannot be", () => {
  it.each([
    [{ type: "host-local" }, "no IP ranges specified"],
    [{ ranges: [[]] }, "invalid range set 0: empty range set"],
    [{ ranges: [[{ subnet: "banana" }]] }, "invalid CIDR address: banana"],
    [
      { ranges: [[{ subnet: "10.1.0.5/24" }]] },
      "invalid range set 0: Network has host bits set. For a subnet mask of length 24 the network address is 10.1.0.0",
    ],
    [
      { ranges: [[{ subnet: "10.1.0.4/31" }]] },
      "invalid range set 0: Network 10.1.0.4/31 too small to allocate from",
    ],
    [
      { ranges: [[{ subnet: "10.1.0.0/24", rangeStart: "10.2.0.1" }]] },
      "invalid range set 0: RangeStart 10.2.0.1 not in network 10.1.0.0/24",
    ],
    [
      { ranges: [[{ subnet: "10.1.0.0/24" }, { subnet: "fd00::/64" }]] },
      "invalid range set 0: mixed address families",
    ],
    [{ ranges: [[{ subnet: "10.1.0.0/24" }], [{ subnet: "10.1.0.0/25" }]] }, "range set 0 overlaps with 1"],
  ])("%j: %s", (ipam, msg) => {
    const add = () =>
      HOST_LOCAL.add({
        ...{
          network: "n",
          containerId: "c",
          ifName: "eth0",
          args: "",
          config: { cniVersion: "1.0.0", ipam },
        },
        store: () => new MemoryStore(),
      });
    expect(add).toThrow(msg);
  });
});

/** What happens to a pool: somebody comes, or the n-th of those who are there goes. */
const EVENTS = fc.array(fc.option(fc.nat(20), { nil: null }), { maxLength: 60 });
const SET = fc.constantFrom(FOUR, SIX, PART, TWO).map((ranges) => readRangeSet(ranges));

describe("laws", () => {
  it("no address is held twice, none is a gateway, and each lies in its range set", () => {
    fc.assert(
      fc.property(SET, EVENTS, (set, events) => {
        const store = new MemoryStore();
        const held = new Map<string, string>();
        for (const [i, leaves] of events.entries()) {
          if (leaves !== null) {
            const leaver = [...held][leaves % Math.max(held.size, 1)];
            if (leaver === undefined) continue;
            store.releaseAll({ containerId: leaver[1], ifName: "eth0" });
            held.delete(leaver[0]);
            continue;
          }
          try {
            const { address } = allocate(store, set, 0, { containerId: `c${i}`, ifName: "eth0" }, null);
            const name = formatIp(address.ip);
            expect(held.has(name)).toBe(false);
            expect(set.some(({ gateway }) => formatIp(gateway) === name)).toBe(false);
            expect(rangeOf(set, address.ip)).toBeDefined();
            held.set(name, `c${i}`);
          } catch (error) {
            if (!(error instanceof CniFailure)) throw error;
            // Exhausted only when every address but the gateways is held.
            const all = set.reduce((sum, { start, end }) => sum + Number(end.value - start.value) + 1, 0);
            const gateways = set.filter(({ gateway }) => rangeOf(set, gateway) !== undefined).length;
            expect(held.size).toBe(all - gateways);
          }
        }
      }),
    );
  });

  it("an address that was given back is the last to be given again", () => {
    fc.assert(
      fc.property(SET, fc.nat(10), (set, before) => {
        const store = new MemoryStore();
        const take = (id: string) => {
          try {
            return formatIp(allocate(store, set, 0, { containerId: id, ifName: "eth0" }, null).address.ip);
          } catch {
            return null;
          }
        };
        const all: string[] = [];
        for (let i = 0; ; i++) {
          const address = take(`first-${i}`);
          if (address === null) break;
          all.push(address);
        }
        for (let i = 0; i < all.length; i++) store.releaseAll({ containerId: `first-${i}`, ifName: "eth0" });
        // The pool is empty again, and the round goes on where it was.
        const turns = before % all.length;
        for (let i = 0; i < turns; i++) {
          expect(take(`second-${i}`)).toBe(all[i]);
          store.releaseAll({ containerId: `second-${i}`, ifName: "eth0" });
        }
        expect(take("third")).toBe(all[turns]);
      }),
    );
  });

  it("files and store are one", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 6 }), (leavers) => {
        const store = new MemoryStore();
        const set = readRangeSet(FOUR);
        for (let i = 0; i < 5; i++) allocate(store, set, 0, { containerId: `c${i}`, ifName: "eth0" }, null);
        for (const leaver of leavers) store.releaseAll({ containerId: `c${leaver}`, ifName: "eth0" });
        expect(MemoryStore.fromFiles(store.toFiles()).toFiles()).toEqual(store.toFiles());
      }),
    );
  });
});
