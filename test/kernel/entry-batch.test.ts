import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { internMac } from "../../src/address/mac.ts";
import { applyOperations } from "../../src/kernel/apply-operation.ts";
import type { Device } from "../../src/kernel/device/device.ts";
import { EntryBatch, type EntryGroup } from "../../src/kernel/entry-batch.ts";
import { emptyHost, type Host } from "../../src/kernel/host.ts";
import type { Operation } from "../../src/kernel/operation.ts";
import { operationText } from "../../src/kernel/operation-text.ts";
import type { Route } from "../../src/kernel/route/route.ts";

const MAC = internMac("02:00:00:00:00:01");

function device(name: string, ifindex: number): Device {
  return {
    ...{ ifindex, name, mac: MAC, mtu: 1500, up: true, carrier: true, noArp: false },
    ...{ master: null, detail: { kind: "veth" }, port: null, origin: 0 },
  };
}

function route(address: number, length: number, dev: string, gateway: number | null): Route {
  return {
    ...{ type: "unicast", dst: { address, length }, table: "main", protocol: null, scope: "global" },
    ...{ prefsrc: null, metric: 0, tos: 0, mtu: 0, origin: 0 },
    nextHops: [{ dev, gateway, weight: 1, onlink: true, dead: false }],
  };
}

/** What leads to the network 10.N.0.0/16. */
function group(n: number, dev = "t0"): EntryGroup {
  const dst = 0x0a00_0000 + n * 0x1_0000;
  return {
    neighbours: [{ dst, dev, lladdr: MAC, state: "permanent", proxy: false, origin: n }],
    fdb: [{ mac: MAC, dev, master: null, state: "permanent", dst, vlan: null, origin: n }],
    routes: [route(dst, 16, dev, dst)],
  };
}

const HOST: Host = { ...emptyHost("box", "node"), devices: [device("eth0", 2), device("t0", 3)] };

function oneByOne(groups: readonly EntryGroup[]): Operation[] {
  return groups.flatMap(({ neighbours, fdb, routes }): Operation[] => [
    ...neighbours.map((neighbour): Operation => ({ kind: "neighbour-replace", neighbour })),
    ...fdb.map((entry): Operation => ({ kind: "fdb-append", entry })),
    ...routes.map((one): Operation => ({ kind: "route-add", route: one })),
  ]);
}

describe("a batch of entries", () => {
  it("does what its operations do one by one, on a host that has some already, or is refused as they are", () => {
    const numbers = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 });
    let refused = 0;
    fc.assert(
      fc.property(numbers, numbers, fc.option(fc.nat({ max: 5 })), (before, batch, without) => {
        const start = applyOperations(HOST, oneByOne([...new Set(before)].map((n) => group(n))));
        if (start.kind === "invalid") throw new Error(start.errors[0]?.message);
        // FDB entries and neighbours alone may be there twice as neighbours are replaced; routes and FDB entries may not.
        const groups = batch.map((n) => group(n));
        const at = without !== null && without < groups.length ? without : null;
        const whole = applyOperations(start.host, [
          { kind: "batch-add", batch: new EntryBatch(groups), without: at },
        ]);
        const single = applyOperations(start.host, oneByOne(groups.filter((_, i) => i !== at)));
        expect(whole.kind).toBe(single.kind);
        if (whole.kind === "ok" && single.kind === "ok") expect(whole.host).toEqual(single.host);
        else refused++;
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(50);
  });

  it("is one value for all hosts: they hold the very same entries", () => {
    const batch = new EntryBatch([group(1), group(2), group(3)]);
    const hosts = [0, 1].map((without) => {
      const made = applyOperations(HOST, [{ kind: "batch-add", batch, without }]);
      if (made.kind === "invalid") throw new Error(made.errors[0]?.message);
      return made.host;
    });
    expect(hosts[0]?.routes[1]).toBe(hosts[1]?.routes[1]);
    expect(hosts.map(({ routes }) => routes.map(({ dst }) => (dst.address >>> 16) & 255))).toEqual([
      [2, 3],
      [1, 3],
    ]);
  });

  it("names a device that is not there, and leaves the host as it was", () => {
    const made = applyOperations(HOST, [
      { kind: "batch-add", batch: new EntryBatch([group(1, "t1")]), without: null },
    ]);
    expect(made).toMatchObject({
      kind: "invalid",
      errors: [{ message: expect.stringContaining('no device "t1"') }],
    });
  });

  it("is printed as the commands it stands for, but those left out", () => {
    const batch = new EntryBatch([group(1), group(2)]);
    expect(operationText({ kind: "batch-add", batch, without: 0 })).toEqual([
      "ip neigh replace 10.2.0.0 lladdr 02:00:00:00:00:01 dev t0 nud permanent",
      "bridge fdb append 02:00:00:00:00:01 dev t0 dst 10.2.0.0 self permanent",
      "ip route add 10.2.0.0/16 via 10.2.0.0 dev t0 onlink scope global",
    ]);
  });
});

describe("a device changes in place", () => {
  it("keeps its place, its addresses and its routes", () => {
    const start = applyOperations(HOST, oneByOne([group(1)]));
    if (start.kind === "invalid") throw new Error(start.errors[0]?.message);
    const made = applyOperations(start.host, [
      { kind: "link-change", name: "t0", change: { mtu: 1400, carrier: false } },
    ]);
    if (made.kind === "invalid") throw new Error(made.errors[0]?.message);
    expect(made.host.devices).toEqual([device("eth0", 2), { ...device("t0", 3), mtu: 1400, carrier: false }]);
    expect(made.host.routes).toBe(start.host.routes);
  });

  it.each<[Extract<Operation, { kind: "link-change" }>["change"], readonly string[]]>([
    [{ mtu: 1400 }, ["ip link set t0 mtu 1400"]],
    [{ mac: MAC, up: true }, ["ip link set t0 address 02:00:00:00:00:01", "ip link set t0 up"]],
    [{ noArp: true }, ["ip link set t0 arp off"]],
    [{ carrier: true }, []],
  ])("%j as commands", (change, lines) => {
    expect(operationText({ kind: "link-change", name: "t0", change })).toEqual(lines);
  });
});
