import { describe, expect, it } from "vitest";
import type { Flow } from "../../src/policy/verdict/flow.ts";
import { POLICIES } from "./policies.ts";
import type { PolicyWorld } from "./policy-world.ts";
import { disagreements, flowsOf, shopWith } from "./shop.ts";

describe("the table finds out", () => {
  it.each([
    ["no policy", "deny all ingress"],
    ["a range of ports", "a named port of ingress"],
    ["a block with exceptions", "ingress of a namespace"],
    ["priority decides", "an admin policy allows what a NetworkPolicy denies"],
    ["Calico: tiers, pass, log", "Calico: a tier that passes by itself"],
  ])("that one was asked and another programmed: %s, %s", (asked, programmed) => {
    const [said, went] = [asked, programmed].map((name) => shopWith(POLICIES[name] ?? "")) as [
      PolicyWorld,
      PolicyWorld,
    ];
    const found = flowsOf(said).filter(
      (flow, i) => said.says(flow) !== went.passes(flowsOf(went)[i] as Flow),
    );
    expect(found.length).toBeGreaterThan(10);
  });
});

describe("what the objects say is what the rules do", () => {
  it.each(Object.entries(POLICIES))("%s", (_name, text) => {
    const world = shopWith(text);
    const flows = flowsOf(world).filter((_, i) => i % 2 === 0);
    expect(disagreements(world, flows)).toEqual([]);
  });

  // Every seventh flow: each is a walk of its own.
  it.each(Object.entries(POLICIES))("of IPv6: %s", (_name, text) => {
    const world = shopWith(text, 6);
    const flows = flowsOf(world).filter((_, i) => i % 7 === 0);
    expect(disagreements(world, flows)).toEqual([]);
  });
});
