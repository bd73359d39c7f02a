import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIpsetSave, parseIpsetSave } from "../../../src/kernel/ipset/save.ts";
import { readRecording, recordingNames } from "../../fixtures.ts";

interface Recorded {
  readonly hosts: Readonly<Record<string, { readonly ipsetSave?: string }>>;
}

function roundTrip(text: string): string {
  const parsed = parseIpsetSave(text);
  return parsed.kind === "ok" ? formatIpsetSave(parsed.sets) : JSON.stringify(parsed.errors);
}

function faultOf(...lines: string[]): string {
  const parsed = parseIpsetSave(lines.join("\n"));
  return parsed.kind === "invalid"
    ? parsed.errors.map(({ line, message }) => `${line}: ${message}`).join("; ")
    : "";
}

describe("what ipset save prints is read and given back byte for byte", () => {
  it("in every recording", () => {
    const texts = recordingNames().flatMap((name) =>
      Object.values((readRecording(name) as Recorded).hosts).map(({ ipsetSave = "" }) => ipsetSave),
    );
    expect(texts.filter((text) => text !== "").length).toBeGreaterThan(80);
    expect(texts.filter((text) => roundTrip(text) !== text)).toEqual([]);
  });

  // Printed by ipset 7.17 on Linux 6.18, but hash:net,net, hash:mac, hash:ip,mac and hash:ip,mark.
  it.each([
    `create a hash:ip family inet hashsize 64 maxelem 10 netmask 24 timeout 100 counters comment skbinfo bucketsize 8 initval 0x00000012
add a 10.1.2.0 timeout 49 packets 5 bytes 700 comment "x y" skbmark 0x10/0xff skbprio 1:2 skbqueue 3
add a 10.2.2.0 timeout 0 packets 0 bytes 0
`,
    `create a hash:net family inet hashsize 1024 maxelem 65536 timeout 0 counters comment skbinfo bucketsize 12 initval 0xcab3e354
add a 10.0.0.0/8 timeout 0 nomatch packets 0 bytes 0 comment "no" skbmark 0x10
`,
    `create a hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xc997d516
add a 10.0.0.1,gre:0
add a 10.0.0.1,sctp:3
add a 10.0.0.1,253:0
add a 10.0.0.1,udplite:3
add a 10.0.0.1,icmp:3/200
add a 10.0.0.1,icmp:echo-request
`,
    `create a hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x89169329 netmask 24
add a 10.0.0.0,tcp:80
`,
    `create a hash:net,iface family inet hashsize 1024 maxelem 65536 timeout 5 counters comment bucketsize 12 initval 0xc77614b5
add a 1.2.3.0/24,physdev:eth timeout 4 nomatch wildcard packets 0 bytes 0 comment "q"
add a 0.0.0.0/0,eth0 timeout 4 nomatch packets 0 bytes 0
`,
    "create a hash:ip family inet hashsize 1024 maxelem 65536 bitmask 255.0.255.0 bucketsize 12 initval 0xa7389b40\n",
    `create a bitmap:ip range 10.0.0.0-10.0.0.255 netmask 30 timeout 5 counters comment skbinfo
add a 10.0.0.8 timeout 4 packets 0 bytes 0
`,
    "create a bitmap:ip,mac range 10.0.0.0-10.0.0.255\nadd a 10.0.0.3\nadd a 10.0.0.4,AA:BB:CC:00:00:01\n",
    "create a bitmap:port range 0-1024 timeout 10\nadd a 80 timeout 9\n",
    `create a hash:ip,port family inet6 hashsize 1024 maxelem 65536 bucketsize 12 initval 0xf5e2037c
add a fd00::1,ipv6-icmp:echo-request
add a fd00::1,ipv6-icmp:130/9
`,
    `create a hash:net family inet6 hashsize 1024 maxelem 65536 bucketsize 12 initval 0x59925394
add a ::ffff:1.2.3.4
add a fd00::/64
add a fd00::/80 nomatch
`,
    `create a hash:net,net family inet hashsize 1024 maxelem 65536
add a 0.0.0.0/0,10.0.0.0/8
add a 1.1.1.1,2.2.2.2 nomatch
`,
    "create a hash:net,port,net family inet hashsize 1024 maxelem 65536\nadd a 10.0.0.0/8,tcp:80,1.0.0.0/8\n",
    "create a hash:mac hashsize 1024 maxelem 65536\nadd a AA:BB:CC:00:00:01\n",
    "create a hash:ip,mac family inet hashsize 1024 maxelem 65536\nadd a 1.2.3.4,AA:BB:CC:00:00:01\n",
    `create a hash:ip,mark family inet markmask 0x0000ff00 hashsize 1024 maxelem 65536
add a 1.2.3.4,0x00001200
`,
    `create a hash:ip family inet hashsize 1024 maxelem 65536
create l list:set size 4 timeout 10 counters comment
add l a timeout 9 packets 0 bytes 0 comment "q"
`,
  ])("%s", (text) => {
    expect(roundTrip(text)).toBe(text);
  });
});

describe("what a person writes is read as the kernel would store it", () => {
  it.each([
    ["create a hash:net", "add a 10.1.2.3/8", "add a 10.0.0.0/8"],
    ["create a hash:net", "add a 10.1.2.3/32", "add a 10.1.2.3"],
    ["create a hash:ip netmask 16", "add a 10.1.2.3", "add a 10.1.0.0"],
    ["create a hash:ip,port", "add a 10.0.0.1,80", "add a 10.0.0.1,tcp:80"],
    ["create a hash:ip,port", "add a 10.0.0.1,icmp:ping", "add a 10.0.0.1,icmp:echo-request"],
    ["create a bitmap:port range 0-99", "add a tcp:80", "add a 80"],
    ["create a hash:ip,mark markmask 0xff", "add a 10.0.0.1,0x1234", "add a 10.0.0.1,0x00000034"],
  ])("%s: %s", (create, add, stored) => {
    expect(roundTrip(`${create}\n${add}\n`).split("\n")[1]).toBe(stored);
  });
});

describe("what no set can be is told by line", () => {
  it.each([
    [["create a hash:up"], '1: "hash:up" is no type of set (did you mean "hash:ip"?)'],
    [["create a hash:ip", "create a hash:ip"], '2: there is a set "a" already'],
    [["create nets hash:ip", "add net 10.0.0.1"], '2: there is no set "net" above (did you mean "nets"?)'],
    [["create a hash:ip", "add a 10.0.0.1", "add a 10.0.0.1"], "3: 10.0.0.1 is in the set a already"],
    [["create a hash:ip", "add a 10.0.0.0/8"], "one by one"],
    [["create a hash:ip", "add a 10.0.0.01"], "one by one"],
    [["create a hash:ip", "add a 10.0.0.1 nomatch"], "nomatch cannot be used"],
    [["create a hash:ip", "add a 10.0.0.1 timeout 5"], "the set was created without timeout"],
    [["create a hash:ip comment", 'add a 10.0.0.1 comment "x'], "the quote of the comment is not closed"],
    [["create a hash:ip,port", "add a 10.0.0.1,tcp:65536"], "has no port from 0 to 65535"],
    [["create a hash:ip,port", "add a 10.0.0.1,gre:7"], "which its protocol does not know"],
    [["create a hash:ip,port", "add a 10.0.0.1"], "has 1 parts: an element of hash:ip,port has 2"],
    [["create a bitmap:port range 0-10", "add a 11"], "is outside the set's range 0-10"],
    [["create a bitmap:ip range 10.0.0.9-10.0.0.1"], "is no range of addresses"],
    [["create a hash:ip timeout 2147484"], "is no number up to 2147483"],
    [["create a hash:ip famly inet"], 'is no option of create (did you mean "family"?)'],
    [["del a 10.0.0.1"], '"del" is no line of "ipset save": create and add are'],
  ])("%j", (lines, fault) => {
    expect(faultOf(...lines)).toContain(fault);
  });
});

it("any text is read or refused, and what is read is given back the same", () => {
  const word = fc.constantFrom(
    ..."create add a b hash:ip hash:net,port list:set bitmap:port range 0-9 family inet inet6 timeout 3 10.0.0.1".split(
      " ",
    ),
    ...'10.0.0.0/8 10.0.0.1,tcp:80 fd00::1 nomatch comment "x" " counters packets skbmark 0x1/2 , : # -1'.split(
      " ",
    ),
  );
  const line = fc.array(fc.oneof({ weight: 9, arbitrary: word }, fc.string()), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
      const parsed = parseIpsetSave(lines.map((words) => words.join(" ")).join("\n"));
      if (parsed.kind === "invalid") return;
      const text = formatIpsetSave(parsed.sets);
      expect(roundTrip(text)).toBe(text);
    }),
    { numRuns: 2000 },
  );
});
