import { describe, expect, it } from "vitest";
import { outcome, sessionOf } from "../../walk/asking.ts";
import type { HostSpec } from "../../walk/small-world.ts";
import { twoNetworks } from "../path/two-networks.ts";

/** A helper reads what is said in a connection, of which nobody here knows: the packet goes its way, and the helper is named. */

const raw = (rule: string): HostSpec => ({
  iptables: `*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING ${rule}\nCOMMIT\n`,
});
const nft = (object: string, rule: string): HostSpec => ({
  nft: `table ip t {\nct helper h {\n${object}\n}\nchain c {\ntype filter hook prerouting priority 0; policy accept;\n${rule} ct helper set "h"\n}\n}\n`,
});

const named = (helper: string) => [
  `the helper ${helper} of connection tracking, which lets later connections be RELATED by what it reads`,
];

describe("a connection's helper", () => {
  it.each<readonly [string, HostSpec, string, readonly string[]]>([
    ["CT --helper", raw("-p udp --dport 53 -j CT --helper tftp"), "udp 10.1.0.2:53", named("tftp")],
    ["CT --helper of others", raw("-p udp --dport 69 -j CT --helper tftp"), "udp 10.1.0.2:53", []],
    ["CT --zone", raw("-p udp --dport 53 -j CT --zone 3"), "udp 10.1.0.2:53", []],
    ["ct helper set", nft('type "ftp" protocol tcp', "tcp dport 80"), "tcp 10.1.0.2:80", named("ftp")],
    [
      "ct helper set, of the other family",
      nft('type "ftp" protocol tcp\nl3proto ip6', "tcp dport 80"),
      "tcp 10.1.0.2:80",
      [],
    ],
    [
      "ct helper set, of the other protocol",
      nft('type "ftp" protocol tcp', "udp dport 53"),
      "udp 10.1.0.2:53",
      [],
    ],
  ])("%s", (_, r, query, expected) => {
    const { verdict } = outcome(sessionOf(twoNetworks(r)), "a", query);
    expect(verdict.reason).toBe("answered");
    expect(verdict.unknown ?? []).toEqual(expected);
  });
});
