import { describe, expect, it } from "vitest";
import { POLICIES } from "./policies.ts";
import { disagreements, shopWith } from "./shop.ts";

describe("what the objects say is what the rules do", () => {
  it.each(Object.entries(POLICIES))("%s", (_name, text) => {
    const world = shopWith(text);
    expect(disagreements(world)).toEqual([]);
  });
});
