import { describe, expect, it } from "vitest";
import { formatFdbEntry, parseFdbEntry } from "../../../src/kernel/device/bridge-fdb.ts";
import type { Device } from "../../../src/kernel/device/device.ts";
import { formatAddress, isIpv6Address, parseAddress } from "../../../src/kernel/device/ip-addr.ts";
import { formatNeighbour, isIpv6Neighbour, parseNeighbour } from "../../../src/kernel/device/ip-neigh.ts";
import type { Json, JsonFields } from "../../../src/kernel/json-fields.ts";
import { readGoodJson, readJson } from "../json-of.ts";

describe("addresses as ip -j addr prints them", () => {
  const read = (json: Json) => readJson(json, (fields) => parseAddress(fields, "eth0", 0));

  it.each<[string, Json]>([
    ["plain", { family: "inet", local: "10.0.0.1", prefixlen: 24, scope: "global", label: "eth0" }],
    [
      "with a broadcast address",
      {
        family: "inet",
        local: "10.0.0.1",
        prefixlen: 24,
        broadcast: "10.0.0.255",
        scope: "global",
        label: "eth0",
      },
    ],
    [
      "secondary, of a link",
      {
        family: "inet",
        local: "169.254.0.1",
        prefixlen: 16,
        scope: "link",
        secondary: true,
        label: "eth0:1",
      },
    ],
    [
      "with a peer",
      { family: "inet", local: "10.0.0.1", address: "10.0.0.2", prefixlen: 32, scope: "global" },
    ],
  ])("is given back: %s", (_, json) => {
    expect(formatAddress(readGoodJson(json, (fields) => parseAddress(fields, "eth0", 0)))).toEqual(json);
  });

  it.each<[Json, string]>([
    [{ local: "10.0.0.300", prefixlen: 24 }, 'local: "10.0.0.300" has the part 300, which is above 255'],
    [
      { local: "10.0.0.010", prefixlen: 24 },
      'local: "10.0.0.010" has a leading zero in "010": some programs would read it as octal, so write 10',
    ],
    [{ local: "10.0.0.1", prefixlen: 33 }, "prefixlen: 33 is not a whole number from 0 to 32"],
    [{ local: "10.0.0.1" }, "prefixlen: is missing: a whole number from 0 to 32 is expected"],
    [{ prefixlen: 24 }, "local: is missing: an IPv4 address is expected"],
    [{ local: 7, prefixlen: 24 }, "local: 7 is not an IPv4 address"],
    [{ local: "10.0.0.1", prefixlen: 24, secondary: "yes" }, 'secondary: "yes" is not true or false'],
  ])("%j is refused", (json, message) => {
    expect(read(json)).toEqual([message]);
  });

  it("knows its family", () => {
    expect(readGoodJson({ family: "inet6", local: "fe80::1" }, isIpv6Address)).toBe(true);
    expect(readGoodJson({ family: "inet" }, isIpv6Address)).toBe(false);
    expect(readJson({ family: "inet5" }, isIpv6Address)).toEqual([
      'family: "inet5" is not one of inet, inet6 (did you mean "inet"?)',
    ]);
  });
});

describe("neighbours as ip -j neigh prints them", () => {
  it.each<Json>([
    { dst: "10.0.0.2", dev: "eth0", lladdr: "02:00:00:00:00:02", state: ["REACHABLE"] },
    { dst: "10.0.0.2", dev: "eth0", lladdr: "02:00:00:00:00:02", state: ["PERMANENT"] },
    { dst: "10.0.0.3", dev: "eth0", state: ["FAILED"] },
    { dst: "10.0.0.4", dev: "eth0", proxy: null },
  ])("is given back: %j", (json) => {
    expect(formatNeighbour(readGoodJson(json, (fields) => parseNeighbour(fields, 0)))).toEqual(json);
  });

  it.each<[Json, readonly string[]]>([
    [
      { dst: "10.0.0.2", dev: "eth0", lladdr: "02:00", state: ["STALE"] },
      ['lladdr: "02:00" is not a MAC address such as 02:42:ac:11:00:02'],
    ],
    [
      { dst: "10.0.0.2", dev: "eth0", state: ["STAEL"] },
      ['state: "STAEL" is no state of a neighbour (did you mean "STALE"?)'],
    ],
    [
      { dst: "10.0.0.2" },
      ["dev: is missing: a text is expected", 'state: is missing: a list such as ["REACHABLE"] is expected'],
    ],
  ])("%j is refused", (json, messages) => {
    expect(readJson(json, (fields) => parseNeighbour(fields, 0))).toEqual(messages);
  });

  it("knows its family", () => {
    expect(readGoodJson({ dst: "fe80::1" }, isIpv6Neighbour)).toBe(true);
    expect(readGoodJson({ dst: "10.0.0.1" }, isIpv6Neighbour)).toBe(false);
  });
});

describe("forwarding entries as bridge -j fdb prints them", () => {
  const TUNNEL = {
    name: "vx",
    detail: { kind: "vxlan", port: 4789, vni: 5, link: "eth0" },
  } as unknown as Device;
  const read = (json: Json, device?: Device) => readJson(json, (fields) => parseFdbEntry(fields, device, 0));

  it.each<Json>([
    { mac: "01:00:5e:00:00:01", ifname: "eth0", flags: ["self"], state: "permanent" },
    { mac: "02:00:00:00:00:01", ifname: "p0", flags: [], master: "br0", state: "" },
    { mac: "02:00:00:00:00:02", ifname: "p0", vlan: 1, flags: [], master: "br0", state: "static" },
    { mac: "02:00:00:00:00:03", ifname: "vx", dst: "1.2.3.4", flags: ["self"], state: "permanent" },
  ])("is given back: %j", (json) => {
    expect(formatFdbEntry(readGoodJson(json, (fields) => parseFdbEntry(fields, undefined, 0)))).toEqual(json);
  });

  it("takes a tunnel's own settings said again, and refuses others", () => {
    const entry = { mac: "02:00:00:00:00:03", ifname: "vx", dst: "1.2.3.4", state: "permanent" };
    expect(read({ ...entry, viaIf: "eth0", port: 4789 }, TUNNEL)).toMatchObject({ dev: "vx" });
    expect(read({ ...entry, port: 55 }, TUNNEL)).toEqual([
      "port: an entry with its own port (55) is not modelled: all of a device use the device's",
    ]);
  });

  it.each<[Json, string]>([
    [{ mac: "zz", ifname: "p0", state: "" }, 'mac: "zz" is not a MAC address such as 02:42:ac:11:00:02'],
    [
      { mac: "02:00:00:00:00:01", ifname: "p0", state: "old" },
      'state: "old" is not one of permanent, static, stale, ""',
    ],
    [
      { mac: "02:00:00:00:00:01", ifname: "p0", state: "", vlan: 5000 },
      "vlan: 5000 is not a whole number from 0 to 4095",
    ],
    [
      { mac: "02:00:00:00:00:01", ifname: "p0", state: "", dst: "1.2.3.400" },
      'dst: "1.2.3.400" has the part 400, which is above 255',
    ],
  ])("%j is refused", (json, message) => {
    expect(read(json)).toEqual([message]);
  });

  it("knows a tunnel over IPv6", () => {
    const entry = {
      mac: "02:00:00:00:00:01",
      ifname: "vx",
      dst: "fd00::1",
      flags: ["self"],
      state: "permanent",
    };
    const readEntry = (fields: JsonFields) => parseFdbEntry(fields, undefined, 0);
    expect(formatFdbEntry(readGoodJson(entry, readEntry))).toEqual(entry);
    expect(readGoodJson(entry, readEntry).dst).toEqual([0xfd00_0000, 0, 0, 1]);
  });
});
