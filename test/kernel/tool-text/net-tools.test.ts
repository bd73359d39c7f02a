import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseBrctlText } from "../../../src/kernel/device/brctl-text.ts";
import { parseIfconfigText } from "../../../src/kernel/device/ifconfig-text.ts";
import type { Json } from "../../../src/kernel/json-fields.ts";
import { parseRouteTableText } from "../../../src/kernel/route/route-table-text.ts";
import { ssOfNetstat } from "../../../src/kernel/socket/netstat-text.ts";
import { parseSs } from "../../../src/kernel/socket/ss.ts";
import { linesOf } from "../../../src/kernel/tool-text.ts";

/** One namespace as net-tools 2.10 and bridge-utils printed it, and, for a second opinion, `ip -j` and `ss`. */
const FILE = new URL("../../../fixtures/node-tools/net-tools.txt", import.meta.url);
const parts = new Map(
  readFileSync(FILE, "utf8")
    .split(/^\$ /m)
    .map((part) => [part.split("\n", 1)[0] ?? "", part.slice(part.indexOf("\n") + 1)] as const),
);
const said = (command: string) => linesOf(parts.get(command) ?? "");
const json = (command: string) => JSON.parse(parts.get(command) ?? "") as Json[];

const picked = (item: Json, names: readonly string[]) =>
  Object.fromEntries(names.flatMap((name) => (Object.hasOwn(item, name) ? [[name, item[name]]] : [])));

describe("ifconfig -a", () => {
  const { items, faults, odd } = parseIfconfigText(said("ifconfig -a"));

  it("is read whole", () => {
    expect([faults, odd]).toEqual([[], []]);
  });

  it("says of devices and addresses what ip says", () => {
    const facts = (item: Json) => {
      const { flags, addr_info: infos, link_type: type } = item;
      const addresses = (infos as Json[]).map((info) =>
        picked(info, ["family", "local", "address", "prefixlen", "broadcast", "scope", "secondary"]),
      );
      return {
        ...picked(item, ["ifname", "mtu"]),
        ...(type === "ether" ? picked(item, ["address"]) : {}),
        type,
        flags: (flags as string[]).filter((flag) => flag !== "M-DOWN").sort(),
        // ifconfig lists a device's aliases behind its addresses of IPv6.
        addresses: addresses.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
      };
    };
    const byName = (a: Json, b: Json) => String(a["ifname"]).localeCompare(String(b["ifname"]));
    expect(items.map(facts).sort(byName)).toEqual(json("ip -j -d addr").map(facts).sort(byName));
  });

  it("is read in the form of net-tools 1.60 and busybox too", () => {
    const old = [
      "eth0      Link encap:Ethernet  HWaddr 02:42:AC:11:00:02  ",
      "          inet addr:172.17.0.2  Bcast:172.17.255.255  Mask:255.255.0.0",
      "          inet6 addr: fe80::42:acff:fe11:2/64 Scope:Link",
      "          UP BROADCAST RUNNING MULTICAST  MTU:1450  Metric:1",
      "          RX packets:8 errors:0 dropped:0 overruns:0 frame:0",
      "          collisions:0 txqueuelen:0 ",
      "          RX bytes:656 (656.0 B)  TX bytes:0 (0.0 B)",
      "",
      "lo        Link encap:Local Loopback  ",
      "          inet addr:127.0.0.1  Mask:255.0.0.0",
      "          UP LOOPBACK RUNNING  MTU:65536  Metric:1",
      "",
      "tun0      Link encap:UNSPEC  HWaddr 00-00-00-00-00-00-00-00-00-00-00-00-00-00-00-00  ",
      "          inet addr:10.8.0.1  P-t-P:10.8.0.2  Mask:255.255.255.255",
      "          UP POINTOPOINT NOARP MULTICAST  MTU:1500  Metric:1",
    ];
    const read = parseIfconfigText(linesOf(old.join("\n")));
    expect([read.faults, read.odd]).toEqual([[], []]);
    expect(read.items).toMatchObject([
      {
        ifname: "eth0",
        address: "02:42:ac:11:00:02",
        mtu: 1450,
        operstate: "UP",
        addr_info: [
          { local: "172.17.0.2", prefixlen: 16, broadcast: "172.17.255.255" },
          { local: "fe80::42:acff:fe11:2", prefixlen: 64, scope: "link" },
        ],
      },
      { ifname: "lo", link_type: "loopback", addr_info: [{ local: "127.0.0.1", scope: "host" }] },
      {
        ifname: "tun0",
        flags: ["NO-CARRIER", "UP", "POINTOPOINT", "NOARP", "MULTICAST"],
        addr_info: [{ local: "10.8.0.1", address: "10.8.0.2", prefixlen: 32 }],
      },
    ]);
  });
});

describe.each(["route -n", "route", "netstat -rn", "route -n -ee"])("%s", (command) => {
  it("says what ip route says, but preferred sources and who made a route", () => {
    const { items, faults, odd } = parseRouteTableText(said(command));
    expect([faults, odd]).toEqual([[], []]);
    const names = ["type", "dst", "gateway", "dev", "scope"];
    // netstat does not show metrics.
    const wanted = command.startsWith("netstat") ? names : [...names, "metric"];
    expect(items.map((item) => picked(item, wanted))).toEqual(
      json("ip -j route").map((item) => picked(item, wanted)),
    );
  });
});

it("tells a line of a routing table that was cut off, or has names, from one that is none", () => {
  const head = "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface";
  const named = "default         gateway         0.0.0.0         UG    0      0        0 eth0";
  const cut = "10.0.0.0        0.0.0.0         255.0.0.0       U     0";
  const { items, faults, odd } = parseRouteTableText(linesOf([head, named, cut, "bash: done"].join("\n")));
  expect(items).toEqual([]);
  expect(faults.map(({ line }) => line)).toEqual([2, 3]);
  expect(odd.map(({ number }) => number)).toEqual([4]);
});

describe.each(["netstat -tulpn", "netstat -tln"])("%s", (command) => {
  it("names the sockets that ss names", () => {
    const places = (text: string) => {
      const parsed = parseSs(text, () => 0);
      if (parsed.kind === "invalid") throw new Error(parsed.errors[0]?.message);
      return parsed.sockets.map(({ proto, families, address, port }) => ({ proto, families, address, port }));
    };
    const own = places(
      ssOfNetstat(said(command))
        .map(({ text }) => `${text}\n`)
        .join(""),
    );
    const all = places(parts.get("ss -tulpn") ?? "");
    const wanted = command.includes("u") ? all : all.filter(({ proto }) => proto === "tcp");
    const byPort = (a: { port: number }, b: { port: number }) => a.port - b.port;
    expect(own.sort(byPort)).toEqual(wanted.sort(byPort));
  });
});

it("brctl show names bridges and their ports", () => {
  const { items, odd } = parseBrctlText(said("brctl show"));
  expect(odd).toEqual([]);
  const masters = json("ip -j -d addr").filter((item) => Object.hasOwn(item, "master"));
  expect(items.slice(1)).toEqual(masters.map((item) => picked(item, ["ifname", "master"])));
  expect(items[0]).toEqual({ ifname: "br0", linkinfo: { info_kind: "bridge", info_data: { stp_state: 0 } } });
});
