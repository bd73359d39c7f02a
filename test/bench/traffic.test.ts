import { describe, expect, it } from "vitest";
import { Random } from "../../bench/random.ts";
import { makeServices } from "../../bench/services.ts";
import { packetsTo, packetsToEndpoints, TRAFFIC_KINDS, targetsOf } from "../../bench/traffic.ts";

const services = makeServices(60, 4, "mixed");

describe("packets", () => {
  it.each(TRAFFIC_KINDS)("each begin a flow: %s", (kind) => {
    const packets = packetsTo(services, kind, targetsOf(services, kind, "uniform"), 200_000, new Random(1));
    const flows = new Set<number>();
    for (let i = 0; i < packets.count; i++) {
      flows.add((packets.src[i] as number) * 65_536 + (packets.sport[i] as number));
    }
    expect(flows.size).toBe(packets.count);
  });

  it("are written in network byte order", () => {
    const packets = packetsToEndpoints(services, 3, new Random(1));
    const view = new DataView(packets.toBytes().buffer);
    expect(view.byteLength).toBe(36);
    expect(view.getInt32(12)).toBe(packets.src[1]);
    expect(view.getInt32(16)).toBe(packets.dst[1]);
    expect([view.getUint16(20), view.getUint16(22)]).toEqual([packets.sport[1], packets.dport[1]]);
  });

  it("ask the first and the last service of a kind in the order of the rules", () => {
    const all = targetsOf(services, "affinity", "uniform");
    expect(targetsOf(services, "affinity", "first")).toEqual(all.slice(0, 1));
    expect(targetsOf(services, "affinity", "last")).toEqual(all.slice(-1));
  });
});
