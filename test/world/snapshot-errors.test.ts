import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatInputError } from "../../src/world/input-error.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { readRecording, readRecordingText } from "../fixtures.ts";

const NAME = "a-bridge-brnf-plain";
const TEXT = readRecordingText(NAME);

function errorsOf(text: string): string[] {
  const snapshot = readSnapshot("rec.json", text);
  return snapshot.kind === "invalid" ? snapshot.errors.map(formatInputError) : [];
}

/** The errors of the recording with one thing changed in it. */
function errorsWith(change: (recording: Loose) => void): string[] {
  const recording = readRecording(NAME) as Loose;
  change(recording);
  return errorsOf(JSON.stringify(recording));
}

// biome-ignore lint/suspicious/noExplicitAny: a recording is broken here in every way
type Loose = any;

describe("a text that is no whole JSON", () => {
  it.each<[string, string, string]>([
    ["nothing", "", "rec.json:1: the file is empty: a whole snapshot is expected"],
    ["blanks", " \n\n", "rec.json:1: the file is empty: a whole snapshot is expected"],
    [
      "half a recording",
      TEXT.slice(0, TEXT.length / 2),
      "rec.json:1: the file ends in the middle of probes[4].trace[4].physout; }]}]} are missing: a whole snapshot ends with }",
    ],
    [
      "all but its end",
      TEXT.trimEnd().slice(0, -1),
      "rec.json:1: the file ends in the middle of probes; } is missing: a whole snapshot ends with }",
    ],
    [
      "cut in a text",
      '{"hosts": {"a": {"iptablesSave": "*filt',
      "rec.json:1: the file ends in the middle of hosts.a.iptablesSave; }}} are missing: a whole snapshot ends with }",
    ],
    [
      "cut in an escape",
      '{"name": "a\\u00',
      "rec.json:1: the file ends in the middle of name; } is missing: a whole snapshot ends with }",
    ],
    [
      "cut in a word",
      '{"hosts": {"a.b": tru',
      'rec.json:1: the file ends in the middle of hosts["a.b"]; }} are missing: a whole snapshot ends with }',
    ],
    [
      "cut before a value",
      '{"hosts":',
      "rec.json:1: the file ends in the middle of hosts; } is missing: a whole snapshot ends with }",
    ],
    ["its second half", TEXT.slice(TEXT.length / 2), 'rec.json:1: column 1: a value is expected, not ","'],
    [
      "a missing comma",
      '{\n "hosts": {}\n "wires": []\n}',
      'rec.json:3: column 2: a comma or } is expected in hosts, not "\\""',
    ],
    [
      "a comma too many",
      '{"wires": [[1, 2],]}',
      'rec.json:1: column 19: a value is expected in wires[1], not "]"',
    ],
    [
      "quotes of another kind",
      "{'hosts': {}}",
      `rec.json:1: column 2: a field's name in double quotes is expected, not "'"`,
    ],
    ["a bare word", '{"a": nul}', 'rec.json:1: column 7: a value is expected in a, not "n"'],
    [
      "a lost quote",
      '{"a": "b\n}',
      "rec.json:1: column 9: a text holds the end of the line, which must be escaped (was its end lost?)",
    ],
    [
      "a strange escape",
      '{"a": "\\q"}',
      "rec.json:1: column 8: a text has the escape \\q, which JSON does not know",
    ],
    ["something behind it", "{} {}", 'rec.json:1: column 4: the end of the file is expected, not "{"'],
    ["a page", "<html></html>", 'rec.json:1: column 1: a value is expected, not "<"'],
    [
      "gzip",
      "\u001f\ufffd\b",
      "rec.json:1: the file is still compressed (gzip): a whole snapshot is expected as text",
    ],
    ["a number with a zero", '{"a": 01}', 'rec.json:1: column 8: a comma or } is expected in a, not "1"'],
  ])("%s", (_, text, line) => {
    expect(errorsOf(text)).toEqual([line]);
  });

  it("wherever it is cut, one line says so", () => {
    const whole = TEXT.trimEnd();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: whole.length - 1 }), (length) => {
        const lines = errorsOf(whole.slice(0, length));
        expect(lines).toHaveLength(1);
        expect(lines[0]).toMatch(/^rec\.json:1: the file ends in the middle of .* ends with }$/);
      }),
      { numRuns: 100 },
    );
  });

  it("with any bytes lost or changed, it is read or refused in lines", () => {
    const short = JSON.stringify({
      hosts: { a: { links: [], sysctl: { x: "1" }, sockets: "" } },
      wires: [["a"]],
    });
    fc.assert(
      fc.property(fc.nat(short.length), fc.nat(8), fc.string({ maxLength: 3 }), (at, lost, put) => {
        const lines = errorsOf(short.slice(0, at) + put + short.slice(at + lost));
        for (const line of lines) expect(line).toMatch(/^rec\.json/);
      }),
    );
  });
});

describe("JSON that is no snapshot", () => {
  it.each<[string, string]>([
    ["[1]", 'rec.json: an object with "hosts" is expected, not a list'],
    ["7", 'rec.json: an object with "hosts" is expected, not 7'],
    ["{}", 'rec.json: holds no "hosts", nor the state of one host ("links", "addrs", "routes", …)'],
    ['{"hosts":[]}', "rec.json: hosts: a list is not an object"],
    ['{"hosts":null}', "rec.json: hosts: null is not an object"],
    ['{"hosts":{}}', "rec.json: hosts: holds no host"],
    ['{"hosts":{"a":3}}', "rec.json: hosts.a: an object with the host's state is expected, not 3"],
    ['{"hosts":{"a":{}}}', 'rec.json: hosts.a.links: is missing: the output of "ip -j -d link" is expected'],
  ])("%s", (text, line) => {
    expect(errorsOf(text)).toEqual([line]);
  });
});

describe("a snapshot with a mistake", () => {
  const KNOWN = "it has lo, eth0, cni0, vethecd19db5, vethe0329f03, veth693b2d90";

  it.each<[string, (recording: Loose) => void, string]>([
    [
      "an address",
      ({ hosts }) => {
        hosts.node1.addrs[1].addr_info[0].local = "10.0.0.300";
      },
      'hosts.node1.addrs[1].addr_info[0].local: "10.0.0.300" has the part 300, which is above 255',
    ],
    [
      "a prefix length",
      ({ hosts }) => {
        hosts.node1.addrs[1].addr_info[0].prefixlen = 33;
      },
      "hosts.node1.addrs[1].addr_info[0].prefixlen: 33 is not a whole number from 0 to 32",
    ],
    [
      "a kind of device",
      ({ hosts }) => {
        hosts.node1.links[1].linkinfo.info_kind = "veht";
      },
      'hosts.node1.links[1].linkinfo.info_kind: "veht" is no kind of device that Linux has: the nearest is "veth"',
    ],
    [
      "a MAC address",
      ({ hosts }) => {
        hosts.node1.links[1].address = "02:xx";
      },
      'hosts.node1.links[1].address: "02:xx" is not a MAC address such as 02:42:ac:11:00:02',
    ],
    [
      "a missing field",
      ({ hosts }) => {
        delete hosts.node1.links[1].mtu;
      },
      "hosts.node1.links[1].mtu: is missing: a whole number from 0 to 2147483647 is expected",
    ],
    [
      "a device without a name",
      ({ hosts }) => {
        delete hosts.node1.links[1].ifname;
      },
      "hosts.node1.links[1].ifname: is missing: a text is expected",
    ],
    [
      "a device twice",
      ({ hosts }) => {
        hosts.node1.links.push(hosts.node1.links[1]);
      },
      'hosts.node1.links[6]: there is a device "eth0" already',
    ],
    [
      "an index twice",
      ({ hosts }) => {
        hosts.node1.links[2].ifindex = 1;
      },
      "hosts.node1.links[2]: cni0 cannot have the index 1: it is that of lo",
    ],
    [
      "a bridge that is not there",
      ({ hosts }) => {
        hosts.node1.links[3].master = "cni1";
      },
      `hosts.node1.links[3]: vethecd19db5 is a port: the host has no device "cni1" (did you mean "cni0"?): ${KNOWN}`,
    ],
    [
      "a route by a device that is not there",
      ({ hosts }) => {
        hosts.node1.routes[0].dev = "eht0";
      },
      `hosts.node1.routes[0]: the route to 0.0.0.0/0: the host has no device "eht0" (did you mean "eth0"?): ${KNOWN}`,
    ],
    [
      "a route's prefix",
      ({ hosts }) => {
        hosts.node1.routes[0].dst = "10.0.0.0/40";
      },
      'hosts.node1.routes[0].dst: "10.0.0.0/40" has the prefix length 40, which is above 32',
    ],
    [
      "routes that are no list",
      ({ hosts }) => {
        hosts.node1.routes = {};
      },
      "hosts.node1.routes: an object is not a list",
    ],
    [
      "a field with a slip",
      ({ hosts }) => {
        hosts.node1.route = [];
      },
      'hosts.node1.route: is no field of a host (did you mean "routes"?)',
    ],
    [
      "an address of IPv6",
      ({ hosts }) => {
        hosts.node1.routes6 = [{ dst: "fe80::1::2/64" }];
      },
      'hosts.node1.routes6[0].dst: "fe80::1::2" has :: more than once',
    ],
    [
      "a setting",
      ({ hosts }) => {
        hosts.node1.sysctl["net.ipv4.ip_forward"] = null;
      },
      'hosts.node1.sysctl["net.ipv4.ip_forward"]: null is not a text: the setting as "sysctl -a" prints it is expected',
    ],
    [
      "an entry's device",
      ({ hosts }) => {
        hosts.node1.fdb[0].ifname = "q";
      },
      `hosts.node1.fdb[0]: the host has no device "q": ${KNOWN}`,
    ],
    [
      "a port's device",
      ({ hosts }) => {
        hosts.node1.bridgeLinks[0].ifname = "zz";
      },
      'hosts.node1.bridgeLinks[0].ifname: there is no device "zz"',
    ],
    [
      "a backend",
      ({ hosts }) => {
        hosts.node1.iptablesBackend = "nftables";
      },
      'hosts.node1.iptablesBackend: "nftables" is not one of legacy, nft',
    ],
    [
      "a rule of iptables",
      ({ hosts }) => {
        hosts.node1.iptablesSave = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 10.0.0.256 -j ACCEPT\nCOMMIT\n";
      },
      'hosts.node1.iptablesSave:3: -s: "10.0.0.256" has the part 256, which is above 255: -A INPUT -s 10.0.0.256 -j ACCEPT',
    ],
    [
      "a listening port",
      ({ hosts }) => {
        hosts.node1.sockets = "tcp LISTEN 0 128 0.0.0.0:99999 0.0.0.0:*\n";
      },
      'hosts.node1.sockets:1: "99999" is no port: a number from 1 to 65535 is expected',
    ],
    [
      "a wire's host",
      ({ wires }) => {
        wires[0][0] = "gatway";
      },
      'wires[0][0]: there is no host "gatway" (did you mean "gateway"?)',
    ],
    [
      "a wire's device",
      ({ wires }) => {
        wires[0][1] = "eth9";
      },
      'wires[0][1]: host gateway has no device "eth9" (did you mean "eth0"?)',
    ],
    [
      "a wire twice",
      ({ wires }) => {
        wires.push(wires[0]);
      },
      "wires[8]: eth0 of gateway has a wire already: a cable has two ends",
    ],
    [
      "half a wire",
      ({ wires }) => {
        wires[0].length = 2;
      },
      "wires[0]: four texts are expected: [host, device, host, device]",
    ],
    [
      "a macvlan of nobody",
      (recording) => {
        recording.macvlans = [["node1", "eth0", "node9", "eth0"]];
      },
      'macvlans[0][2]: there is no host "node9" (did you mean "node1"?)',
    ],
    [
      "a probe's port",
      ({ probes }) => {
        probes[0].query.dport = 99999;
      },
      "probes[0].query.dport: 99999 is not a whole number from 0 to 65535",
    ],
    [
      "a probe's sender",
      ({ probes }) => {
        probes[0].query.from = "lapto";
      },
      'probes[0].query.from: there is no host "lapto" (did you mean "laptop"?)',
    ],
    [
      "a probe's destination",
      ({ probes }) => {
        probes[0].query.dst = "1.2.3";
      },
      'probes[0].query.dst: "1.2.3" has 3 parts: an IPv4 address has exactly four, short forms are not read',
    ],
    [
      "a probe without a query",
      ({ probes }) => {
        delete probes[0].query;
      },
      "probes[0].query: is missing: what was sent is expected",
    ],
  ])("%s", (_, change, line) => {
    expect(errorsWith(change)).toEqual([`rec.json: ${line}`]);
  });

  it("tells all its mistakes, twenty of them in full", () => {
    const lines = errorsWith(({ hosts }) => {
      for (const host of Object.values<Loose>(hosts)) for (const route of host.routes) route.dst = "bad";
    });
    expect(lines).toHaveLength(21);
    expect(lines[0]).toBe(
      'rec.json: hosts.fabric.routes[0].dst: "bad" has a part that is not a decimal number: "bad"',
    );
    expect(lines[20]).toMatch(/^rec\.json: \d+ more mistakes of \d+ in all$/);
  });

  it("says nothing of what refers to devices that could not be read", () => {
    const lines = errorsWith(({ hosts }) => {
      hosts.node1.links = 7;
    });
    expect(lines).toEqual(["rec.json: hosts.node1.links: 7 is not a list"]);
  });
});
