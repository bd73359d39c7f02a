import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatMac,
  internMac,
  internMacNumber,
  isGroupMac,
  MAC_BROADCAST,
  MAC_ZERO,
  macNumber,
  parseMac,
  readMac,
  writeMac,
} from "../../src/address/mac.ts";

const bytes = () => fc.uint8Array({ minLength: 6, maxLength: 6 });

describe("the two MAC addresses with a fixed handle", () => {
  it.each([
    ["00:00:00:00:00:00", MAC_ZERO],
    ["ff:ff:ff:ff:ff:ff", MAC_BROADCAST],
    ["FF:ff:FF:ff:FF:ff", MAC_BROADCAST],
  ])("%s", (text, mac) => {
    expect(internMac(text)).toBe(mac);
    expect(formatMac(mac)).toBe(text.toLowerCase());
  });
});

describe("isGroupMac", () => {
  it.each([
    ["00:00:00:00:00:00", false],
    ["02:42:ac:11:00:02", false],
    ["fe:ff:ff:ff:ff:ff", false],
    ["01:00:5e:00:00:01", true],
    ["33:33:00:00:00:01", true],
    ["01:80:c2:00:00:00", true],
    ["ff:ff:ff:ff:ff:ff", true],
  ])("%s: %s", (text, group) => {
    expect(isGroupMac(internMac(text))).toBe(group);
  });
});

describe("what is no MAC address is refused", () => {
  it.each([
    "",
    "02:42:ac:11:00",
    "02:42:ac:11:00:02:03",
    "2:42:ac:11:0:2",
    "02-42-ac-11-00-02",
    "0242.ac11.0002",
    "0242ac110002",
    "02:42:ac:11:00:0g",
    " 02:42:ac:11:00:02",
    "02:42:ac:11:00:02\n",
  ])("%j", (text) => {
    expect(parseMac(text)).toBeUndefined();
    expect(() => internMac(text)).toThrow(RangeError);
  });

  it.each([-1, 2 ** 48, 1.5, Number.NaN])("the number %s", (bits) => {
    expect(() => internMacNumber(bits)).toThrow(RangeError);
  });
});

describe("laws", () => {
  it("reading, writing, parsing and printing agree, and equal bytes have one handle", () => {
    fc.assert(
      fc.property(bytes(), (six) => {
        const text = [...six].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
        const mac = readMac(six, 0);
        expect(internMac(text)).toBe(mac);
        expect(internMacNumber(macNumber(mac))).toBe(mac);
        expect(formatMac(mac)).toBe(text);
        expect(isGroupMac(mac)).toBe(((six[0] ?? 0) & 1) === 1);
        const out = new Uint8Array(8).fill(0xaa);
        writeMac(mac, out, 1);
        expect([...out]).toEqual([0xaa, ...six, 0xaa]);
      }),
      { numRuns: 500 },
    );
  });
});
