import { expect, it } from "vitest";
import { internInterfaceName } from "../../../../src/kernel/device/interface-name.ts";
import { InterfaceNamePattern } from "../../../../src/kernel/netfilter/match/interface-name-pattern.ts";

it.each([
  ["eth0", "eth0", true],
  ["eth0", "eth01", false],
  ["eth+", "eth0", true],
  ["eth+", "eth", true],
  ["eth+", "veth0", false],
  ["+", "anything", true],
  ["e+h", "e+h", true],
  ["e+h", "eth", false],
])("%s on %s: %s, asked twice", (pattern, name, expected) => {
  const compiled = new InterfaceNamePattern(pattern);
  const id = internInterfaceName(name);
  expect(compiled.matches(id)).toBe(expected);
  expect(compiled.matches(id)).toBe(expected);
});

it.each([
  ["eth0", false],
  ["eth+", false],
  ["+", true],
])("%s where there is no interface: %s", (pattern, expected) => {
  expect(new InterfaceNamePattern(pattern).matches(-1)).toBe(expected);
});
