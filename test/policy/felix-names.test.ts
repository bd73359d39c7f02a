import { describe, expect, it } from "vitest";
import { chainName, ruleHashes, setId, setName } from "../../src/policy/felix/names.ts";
import type { FelixChain } from "../../src/policy/felix/rule-text.ts";
import { FELIX_DEFAULTS, marksOf } from "../../src/policy/felix/settings.ts";
import {
  filterChains,
  mangleChains,
  natChains,
  rawChains,
  type StaticChains,
  type StaticSurroundings,
} from "../../src/policy/felix/static-chains.ts";

/** Hashes as nodes with Calico 3.2x bear them in `iptables-save`: chosen by Felix, so the rules must be Felix's to the letter. */

const settings = { ...FELIX_DEFAULTS, minor: 26 };
const plain: StaticSurroundings = {
  ...{ settings, marks: marksOf(settings), family: 4, tunnels: [], natOutgoing: true },
};
const ipip: StaticSurroundings = {
  ...plain,
  tunnels: [{ kind: "ipip", family: 4, device: "tunl0", port: 0 }],
};

function hashesOf({ chains }: StaticChains, name: string): string[] {
  return ruleHashes(name, chains.find((chain) => chain.name === name)?.rules ?? []);
}

function listHashes(lists: readonly FelixChain[], name: string, seed = name): string[] {
  return ruleHashes(seed, lists.find((chain) => chain.name === name)?.rules ?? []);
}

describe("hashes of rules that every node has", () => {
  const filter = filterChains(plain);
  it.each([
    ["FORWARD", ["wUHhoiAYhphO9Mso"]],
    ["INPUT", ["Cz_u1IQiXIMmKD4c"]],
    ["OUTPUT", ["tVnHkvAo15HuiPy0"]],
  ])("put first in %s", (name, hashes) => {
    expect(listHashes(filter.inserted, name)).toEqual(hashes);
  });

  it("put last in FORWARD", () => {
    expect(listHashes(filter.appended, "FORWARD", "FORWARD*appends*")).toEqual([
      "S93hcgKJrXEqnTfs",
      "mp77cMpurHhyjLrM",
    ]);
  });

  it.each<[string, StaticChains, string, string[]]>([
    [
      "filter",
      filterChains(plain),
      "cali-FORWARD",
      [
        "vjrMJCRpqwy5oRoX",
        "A_sPAO0mcxbT9mOV",
        "8ZoYfO5HKXWbB3pk",
        "jdEuaPBe14V2hutn",
        "12bc6HljsMKsmfr-",
        "NOSxoaGx8OIstr1z",
      ],
    ],
    [
      "filter",
      filterChains(plain),
      "cali-INPUT",
      ["FewJpBykm9iJ-YNH", "hder3ARWznqqv8Va", "xgOu2uJft6H9oDGF", "_-d-qojMfHM6NwBo", "LqmE76MP94lZTGhA"],
    ],
    [
      "filter with IPIP",
      filterChains(ipip),
      "cali-INPUT",
      ["PajejrV4aFdkZojI", "_wjq-Yrma8Ly1Svo", "8TZGxLWh_Eiz66wc"],
    ],
    [
      "filter with IPIP",
      filterChains(ipip),
      "cali-OUTPUT",
      ["Mq1_rAdXXH3YkrzW", "69FkRTJDvD5Vu6Vl", "AnEsmO6bDZbQntWW", "9e9Uf3GU5tX--Lxy", "0f3LDz_VKuHFaA2K"],
    ],
    ["filter", filterChains(plain), "cali-wl-to-host", ["Ee9Sbo10IpVujdIY", "nSZbcOoG1xPONxb8"]],
    [
      "raw",
      rawChains(plain),
      "cali-PREROUTING",
      [
        "XFX5xbM8B9qR10JG",
        "EWMPb0zVROM-woQp",
        "PWuxTAIaFCtsg5Qa",
        "fSSbGND7dgyemWU7",
        "ImU0-4Rl2WoOI9Ou",
        "lV4V2MPoMBf0hl9T",
      ],
    ],
    ["raw", rawChains(plain), "cali-OUTPUT", ["njdnLwYeGqBJyMxW", "rz86uTUcEZAfFsh7", "pN0F5zD0b8yf9W1Z"]],
    [
      "mangle",
      mangleChains(plain),
      "cali-PREROUTING",
      ["6BJqBjBC7crtA-7-", "KX7AGNd6rMcDUai6", "wNH7KsA3ILKJBsY9", "Cg96MgVuoPm7UMRo"],
    ],
    ["nat", natChains(plain), "cali-PREROUTING", ["r6XmIziWUJsdOK6Z"]],
    ["nat", natChains(plain), "cali-OUTPUT", ["GBTAv2p5CwevEyJm"]],
    ["nat", natChains(plain), "cali-nat-outgoing", ["flqWnvo8yq4ULQLa"]],
    [
      "nat with IPIP",
      natChains(ipip),
      "cali-POSTROUTING",
      ["Z-c7XtVd2Bq7s_hA", "nYKhEzDlr11Jccal", "SXWvdsbh4Mw7wOln"],
    ],
  ])("%s: %3$s", (_table, chains, name, hashes) => {
    expect(hashesOf(chains, name).slice(0, hashes.length)).toEqual(hashes);
  });
});

describe("marks", () => {
  it.each([
    [26, { accept: 0x10000, pass: 0x20000, scratch0: 0x40000, scratch1: 0x80000, all: 0xf0000 }],
    [29, { accept: 0x10000, pass: 0x20000, scratch0: 0x80000, scratch1: 0x100000, all: 0x1b0000 }],
  ])("3.%d", (minor, marks) => {
    expect(marksOf({ ...FELIX_DEFAULTS, minor })).toEqual(marks);
  });

  it("are the lowest bits of the mask", () => {
    expect(marksOf({ ...FELIX_DEFAULTS, minor: 26, markMask: 0xff000000 }).scratch1).toBe(0x08000000);
    expect(() => marksOf({ ...FELIX_DEFAULTS, markMask: 0x7 })).toThrow(/too few bits/);
  });
});

describe("names", () => {
  it.each([
    ["cali-pi-", "default/knp.default.a", "cali-pi-_"],
    ["cali-pi-", "default.a", "cali-pi-default.a"],
    ["cali-pri-", "kns.kube-system", "cali-pri-kns.kube-system"],
    // Exactly 28 characters, and one more.
    ["cali-pri-", "kns.123456789012345", "cali-pri-kns.123456789012345"],
    ["cali-pri-", "kns.1234567890123456", "cali-pri-_"],
    ["cali-pri-", "_ns.123456789012345", "cali-pri-_"],
  ])("%s and %s", (prefix, id, begins) => {
    const name = chainName(prefix, id);
    expect(name.startsWith(begins)).toBe(true);
    expect(name.length).toBeLessThanOrEqual(28);
    expect(name.includes("_") && !id.includes("_") ? name.length : 28).toBe(28);
  });

  it("of sets are cut to what the kernel takes", () => {
    const name = setName(setId("s", 'app == "web"'), 4);
    expect(name).toMatch(/^cali40s:[\w-]{23}$/);
    expect(name).toHaveLength(31);
    expect(setName("masq-ipam-pools", 4)).toBe("cali40masq-ipam-pools");
    expect(setName("masq-ipam-pools", 6)).toBe("cali60masq-ipam-pools");
  });
});
