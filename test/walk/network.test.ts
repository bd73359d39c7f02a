import { expect, it } from "vitest";
import { Network } from "../../src/walk/network.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { readRecordingText } from "../fixtures.ts";

it("the graph of a World has its hosts, and an edge for every cable", () => {
  const snapshot = readSnapshot("c-vxlan-two", readRecordingText("c-vxlan-two"));
  if (snapshot.kind === "invalid") throw new Error("the recording is damaged");
  const { graph } = new Network(snapshot.world);
  expect(graph.nodes().sort()).toEqual([...snapshot.world.hosts.keys()].sort());
  expect(graph.size).toBe(snapshot.world.wires.length);
  expect(graph.neighbors("web-0")).toEqual(["node1"]);
});
