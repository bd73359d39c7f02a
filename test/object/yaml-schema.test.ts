import { describe, expect, it } from "vitest";
import { readYaml } from "../../src/object/yaml.ts";

function readScalar(scalar: string): unknown {
  const { documents, errors } = readYaml("a.yaml", `key: ${scalar}\n`);
  if (errors.length > 0) return errors[0]?.message;
  const { key } = (documents[0]?.value ?? {}) as { key?: unknown };
  return key;
}

describe("scalars as kubectl reads them", () => {
  it.each<[string, unknown]>([
    ["n", false],
    ["off", false],
    ["No", false],
    ["FALSE", false],
    ["y", true],
    ["yes", true],
    ["on", true],
    ["TRUE", true],
    ["True", true],
    ["nO", "nO"],
    ["~", null],
    ["null", null],
    ["Null", null],
    ["", null],
    ["012", 10],
    ["0644", 420],
    ["0o14", 12],
    ["0x1F", 31],
    ["0b1", 1],
    ["-0b11", -3],
    ["1_000", 1000],
    ["1__0", 10],
    ["_1", "_1"],
    ["1e3", 1000],
    ["1.5", 1.5],
    ["1.", 1],
    [".5", 0.5],
    ["-.5", -0.5],
    ["+3", 3],
    ["-012", -10],
    ["08", 8],
    ["0", 0],
    ["-0", 0],
    ["12:30", "12:30"],
    ["22:22", "22:22"],
    ["2001-01-01", "2001-01-01"],
    ["2001-12-14T21:59:43Z", "2001-12-14T21:59:43Z"],
    ["10.0.0.1", "10.0.0.1"],
    ["1e999", "1e999"],
    ["0x", "0x"],
    ["'012'", "012"],
    ['"yes"', "yes"],
    ["!!str 012", "012"],
    ["!!int 012", 10],
    ["!!float 3", 3],
    ["v1.2", "v1.2"],
  ])("%s is %j", (scalar, value) => {
    expect(readScalar(scalar)).toBe(value);
  });

  it.each([".inf", "-.INF", ".nan"])("%s is an error: JSON has no such number", (scalar) => {
    expect(readScalar(scalar)).toContain("has no JSON form");
  });
});
