import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyOperations } from "../../../src/kernel/apply-operation.ts";
import {
  type BridgeVlan,
  defaultVlan,
  formatBridgeVlans,
  parseBridgeVlans,
  withoutVlans,
  withVlan,
} from "../../../src/kernel/device/bridge-vlan.ts";
import { VlanFilter } from "../../../src/kernel/device/vlan-filter.ts";
import { operationText } from "../../../src/kernel/operation-text.ts";
import { BRIDGE, makeHost } from "../../walk/small-world.ts";
import { readGoodJson, readJson } from "../json-of.ts";

const read = (json: object) =>
  readGoodJson(json as never, (fields) => parseBridgeVlans(fields, new Set(["br0"]), 0));

describe("VLANs as bridge -j vlan prints them", () => {
  it.each([
    { ifname: "p0", vlans: [{ vlan: 1, flags: ["PVID", "Egress Untagged"] }] },
    {
      ifname: "p1",
      vlans: [
        { vlan: 1, flags: ["Egress Untagged"] },
        { vlan: 10, vlanEnd: 20 },
      ],
    },
    { ifname: "br0", vlans: [{ vlan: 4094, flags: ["PVID"] }] },
  ])("are given back: $ifname", (json) => {
    const vlans = read(json);
    expect(formatBridgeVlans(vlans)).toEqual([json]);
    expect(vlans.every(({ self }) => self === (json.ifname === "br0"))).toBe(true);
  });

  it.each([
    [{ vlan: 0 }, "vlans[0].vlan: 0 is not a whole number from 1 to 4094"],
    [{ vlan: 4095 }, "vlans[0].vlan: 4095 is not a whole number from 1 to 4094"],
    [{ vlan: 9, vlanEnd: 8 }, "vlans[0].vlanEnd: 8 is not a whole number from 9 to 4094"],
  ])("are refused: %j", (vlan, message) => {
    const told = readJson({ ifname: "p0", vlans: [vlan] }, (fields) =>
      parseBridgeVlans(fields, new Set(), 0),
    );
    expect(told).toEqual([message]);
  });
});

describe("operations", () => {
  const host = makeHost("sw", 1, {
    links: { br0: { detail: { ...BRIDGE, vlanFiltering: true } as never }, p0: { master: "br0" } },
  });
  const vlan = { dev: "p0", from: 10, to: 12, pvid: true, untagged: false, self: false, origin: 0 };

  it("a port begins in VLAN 1, which keeps everything but the PVID", () => {
    const applied = applyOperations(host, [{ kind: "bridge-vlan-add", vlan }]);
    if (applied.kind !== "ok") throw new Error("refused");
    expect(formatBridgeVlans(applied.host.bridgeVlans)).toEqual([
      {
        ifname: "p0",
        vlans: [
          { vlan: 1, flags: ["Egress Untagged"] },
          { vlan: 10, vlanEnd: 12, flags: ["PVID"] },
        ],
      },
    ]);
    expect(host.bridgeVlans).toEqual([]);
  });

  it("of all of them nothing is left but the word for nothing", () => {
    const all = { kind: "bridge-vlan-delete", dev: "p0", self: false, from: 1, to: 4094 } as const;
    const applied = applyOperations(host, [{ kind: "bridge-vlan-add", vlan }, all]);
    if (applied.kind !== "ok") throw new Error("refused");
    expect(formatBridgeVlans(applied.host.bridgeVlans)).toEqual([{ ifname: "p0", vlans: [] }]);
  });

  it("a device that is not there", () => {
    expect(applyOperations(host, [{ kind: "bridge-vlan-add", vlan: { ...vlan, dev: "p9" } }])).toMatchObject({
      kind: "invalid",
    });
  });

  it("as commands", () => {
    expect(operationText({ kind: "bridge-vlan-add", vlan })).toEqual([
      "bridge vlan add dev p0 vid 10-12 pvid",
    ]);
    expect(operationText({ kind: "bridge-vlan-delete", dev: "br0", self: true, from: 1, to: 1 })).toEqual([
      "bridge vlan del dev br0 vid 1 self",
    ]);
  });
});

describe("adding and taking away", () => {
  const id = () => fc.integer({ min: 1, max: 40 });
  const change = () =>
    fc.record({ a: id(), b: id(), pvid: fc.boolean(), untagged: fc.boolean(), adds: fc.boolean() });

  it("is adding and taking away each VLAN alone", () => {
    fc.assert(
      fc.property(fc.array(change(), { maxLength: 12 }), (changes) => {
        let vlans: readonly BridgeVlan[] = [defaultVlan("p0", false, 0)];
        // The definition: one entry a VLAN, and the one VLAN of untagged frames.
        const members = new Map<number, boolean>([[1, true]]);
        let pvid = 1;
        for (const { a, b, pvid: wants, untagged, adds } of changes) {
          const [from, to] = wants && adds ? [a, a] : [Math.min(a, b), Math.max(a, b)];
          for (let vid = from; vid <= to; vid++) {
            if (pvid === vid) pvid = 0;
            if (adds) members.set(vid, untagged);
            else members.delete(vid);
          }
          if (adds && wants) pvid = from;
          vlans = adds
            ? withVlan(vlans, { dev: "p0", from, to, pvid: wants, untagged, self: false, origin: 0 })
            : withoutVlans(vlans, from, to);
        }
        const filter = new VlanFilter(vlans);
        expect(filter.pvid).toBe(pvid);
        for (let vid = 1; vid <= 41; vid++) {
          expect([filter.has(vid), filter.leavesUntagged(vid)]).toEqual([
            members.has(vid),
            members.get(vid) ?? false,
          ]);
        }
      }),
    );
  });
});
