import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { bridgeOf, outputsOf } from "./outputs.ts";
import { GROUPS, packetText, type RandomPacket } from "./random-flows.ts";

/**
 * Random tables (`random-flows.ts`) that Open vSwitch 3.1.0 was given, and what it would do with random packets
 * (`ovs-appctl ofproto/trace`, the datapath's actions played on the packet): the same copies, by the same ports, with the same
 * headers. Of a tunnel's end and key its test datapath says nothing.
 */

interface Recorded {
  readonly seed: number;
  readonly flows: readonly string[];
  readonly packets: readonly { readonly packet: RandomPacket; readonly outputs: readonly string[] }[];
}

const file = new URL("../../../fixtures/ovs/traces.json.gz", import.meta.url);
const recorded = JSON.parse(gunzipSync(readFileSync(file)).toString()) as readonly Recorded[];

describe("flows do what Open vSwitch does by them", () => {
  it("there is something to compare", () => {
    const outputs = recorded.flatMap(({ packets }) => packets.map((each) => each.outputs.length));
    expect(outputs.length).toBeGreaterThan(150);
    expect(outputs.filter((count) => count > 0).length).toBeGreaterThan(60);
  });

  it.each(recorded.map((each) => [each.seed, each] as const))(
    "tables of seed %i",
    (_, { flows, packets }) => {
      for (const { packet, outputs } of packets) {
        const ours = outputsOf(bridgeOf(flows, GROUPS), packet);
        // A flood goes into the tunnel, too, with no end to go to.
        const floods = outputs.filter((line) => line.startsWith("5 ")).length === 0;
        const lines = ours.lines
          .filter((line) => !floods || !line.startsWith("5 "))
          .map((line) => (line.startsWith("5 ") ? line.replace(/ tun_\S+| df\b/g, "") : line))
          .sort();
        expect([packetText(packet), ...lines]).toEqual([packetText(packet), ...outputs]);
      }
    },
  );
});
