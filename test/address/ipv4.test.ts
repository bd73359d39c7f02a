import fc from "fast-check";
import { IPv4 } from "ip-num";
import { ip2long, long2ip } from "netmask";
import { describe, expect, it } from "vitest";
import { explainIpv4, formatIpv4, parseIpv4 } from "../../src/address/ipv4.ts";
import { ipv4 } from "./arbitraries.ts";

describe("parseIpv4", () => {
  it.each([
    ["0.0.0.0", 0],
    ["0.0.0.1", 1],
    ["10.0.0.1", 0x0a000001],
    ["127.255.255.255", 0x7fffffff],
    ["128.0.0.0", -0x80000000],
    ["192.168.1.20", 0xc0a80114 | 0],
    ["255.255.255.255", -1],
  ])("%s", (text, bits) => {
    expect(parseIpv4(text)).toBe(bits);
    expect(formatIpv4(bits)).toBe(text);
  });
});

describe("what is no IPv4 address is refused, with the reason", () => {
  it.each([
    ["", "is empty"],
    ["   ", "is blank"],
    ["010.0.0.1", 'leading zero in "010": some programs would read it as octal, so write 10'],
    ["10.0.0.01", 'leading zero in "01"'],
    ["00.0.0.0", 'leading zero in "00"'],
    ["1.2.3.0000000000000000000000000000000001", "leading zero"],
    ["0x7f.1", 'hexadecimal part "0x7f"'],
    ["0x7f000001", "hexadecimal part"],
    ["1.2.3", "has 3 parts"],
    ["10.1", "has 2 parts"],
    ["2130706433", "has 1 part:"],
    ["1.2.3.4.5", "has 5 parts"],
    [" 1.2.3.4", "blanks around it"],
    ["1.2.3.4 ", "blanks around it"],
    ["1.2.3.4\n", "blanks around it"],
    ["1. 2.3.4", 'not a decimal number: " 2"'],
    ["256.0.0.1", "256, which is above 255"],
    ["1.2.3.999999999999", "above 255"],
    ["1.2.3.", "ends with a dot"],
    [".1.2.3", "begins with a dot"],
    ["1..2.3", "two dots in a row"],
    ["1.2.3.4.", "ends with a dot"],
    ["-1.2.3.4", 'not a decimal number: "-1"'],
    ["+1.2.3.4", 'not a decimal number: "+1"'],
    ["1.2.3.4e0", 'not a decimal number: "4e0"'],
    ["1.2.3.٤", "not a decimal number"],
    ["1.2.3.4/24", "has a prefix length"],
    ["1.2.3.4:80", "contains a colon"],
    ["::1", "contains a colon"],
    ["::ffff:1.2.3.4", "contains a colon"],
    ["localhost", "not a decimal number"],
    ["1.2.3.4%eth0", "not a decimal number"],
  ])("%j", (text, reason) => {
    expect(parseIpv4(text)).toBeUndefined();
    expect(explainIpv4(text)).toContain(reason);
    expect(explainIpv4(text)).toContain(JSON.stringify(text));
  });

  it("an address that is one is said to be one", () => {
    expect(explainIpv4("10.0.0.1")).toBe('"10.0.0.1" is an IPv4 address');
  });
});

describe("laws", () => {
  it("parse ∘ format is the identity", () => {
    fc.assert(fc.property(ipv4(), (bits) => parseIpv4(formatIpv4(bits)) === bits));
  });

  it("format ∘ parse is the identity on every address fast-check writes", () => {
    fc.assert(fc.property(fc.ipV4(), (text) => formatIpv4(parseIpv4(text) ?? 0) === text));
  });

  it("ip-num and netmask read and print the same bits", () => {
    fc.assert(
      fc.property(ipv4(), (bits) => {
        const text = formatIpv4(bits);
        expect(long2ip(bits >>> 0)).toBe(text);
        expect(ip2long(text)).toBe(bits >>> 0);
        expect(IPv4.fromString(text).getValue()).toBe(BigInt(bits >>> 0));
      }),
    );
  });

  it("whatever is not refused is canonical, and ip-num reads it too", () => {
    const nearly = fc
      .array(fc.constantFrom("0", "1", "9", "25", "255", "256", ".", ".", ".", " ", "x", "-"), {
        maxLength: 9,
      })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(nearly, (text) => {
        const bits = parseIpv4(text);
        if (bits === undefined) expect(explainIpv4(text)).not.toContain("is an IPv4 address");
        else {
          expect(formatIpv4(bits)).toBe(text);
          expect(IPv4.fromString(text).getValue()).toBe(BigInt(bits >>> 0));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
