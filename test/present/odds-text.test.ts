import { describe, expect, it } from "vitest";
import { oddsText, sumOdds } from "../../src/present/odds-text.ts";

describe("odds for people", () => {
  it.each([
    [1, 1, "always"],
    [0, 1, "0"],
    [1, 3, "1/3"],
    [99, 100, "99/100"],
    [1, 1000, "0.1 %"],
    [224, 1000, "22.4 %"],
    ["715827883", "2147483648", "33.3 %"],
    [1, "18446744073709551616", "< 0.0001 %"],
    ["18446744073709551615", "18446744073709551616", "> 99.99 %"],
  ])("%s of %s: %s", (num, den, text) => {
    expect(oddsText({ num, den })).toBe(text);
  });

  it.each([
    [[], "0/1"],
    [
      [
        { num: 1, den: 3 },
        { num: 1, den: 6 },
      ],
      "1/2",
    ],
    [
      [
        { num: 1, den: "18446744073709551616" },
        { num: "18446744073709551615", den: "18446744073709551616" },
      ],
      "1/1",
    ],
  ])("%j sum to %s", (parts, sum) => {
    const { num, den } = sumOdds(parts);
    expect(`${num}/${den}`).toBe(sum);
  });
});
