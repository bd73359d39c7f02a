import { describe, expect, it } from "vitest";
import { nearestWord, suggestion } from "../../src/kernel/nearest-word.ts";

const KNOWN = ["eth0", "eth1", "cni0", "flannel.1", "lo"];

describe("the nearest known word", () => {
  it.each<[string, string | undefined]>([
    ["eht0", "eth0"],
    ["eth2", "eth0"],
    ["flanel.1", "flannel.1"],
    ["flannel1", "flannel.1"],
    ["loo", "lo"],
    ["wlan0", undefined],
    ["", undefined],
  ])("of %j is %j", (word, nearest) => {
    expect(nearestWord(word, KNOWN)).toBe(nearest);
  });

  it("is put behind a message only where there is one", () => {
    expect(suggestion("cin0", KNOWN)).toBe(' (did you mean "cni0"?)');
    expect(suggestion("wlan0", KNOWN)).toBe("");
  });
});
