import { describe, expect, it } from "vitest";
import { POLICIES } from "./policies.ts";
import { disagreements, flowsOf, shopWith } from "./shop.ts";

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
