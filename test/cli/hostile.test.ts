import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readRecordingText } from "../fixtures.ts";
import { hopscope, onRecorded, words } from "./cli.ts";

/** Wrong questions and wrong inputs: one clear line on stderr, nothing on stdout, exit code 2. */

describe("a wrong question", () => {
  it.each([
    ["trace", "FROM and TO are missing, such as: trace host/web-0 10.96.0.10:53/udp"],
    ["trace web-0", "TO is missing: an address or host/NAME, with :PORT and /PROTO"],
    ["trace web-9 10.0.0.1:80", 'from "web-9": there is no host "web-9" (did you mean "web-0"?)'],
    ["trace host/wbe-0 10.0.0.1:80", 'from "host/wbe-0": there is no host "wbe-0" (did you mean "web-0"?)'],
    [
      "trace host/zzzzzzzz 10.0.0.1:80",
      'from "host/zzzzzzzz": there is no host "zzzzzzzz": the hosts are fabric, gateway, isp, internet, laptop, node1 and 6 more',
    ],
    ["trace pod/a/b/web-0 10.0.0.1:80", 'from "pod/a/b/web-0": has too many parts: write pod/NAME'],
    [
      "trace hots/web-0 10.0.0.1:80",
      'from "hots/web-0": "hots" is no kind of place (did you mean "host"?): write host/NAME or an address',
    ],
    [
      "trace deploy/web 10.0.0.1:80",
      'from "deploy/web": deploy/…: the source holds no Kubernetes objects: name a host of the snapshot, host/NAME',
    ],
    [
      "trace 203.0.113.99 10.0.0.1:80",
      'from "203.0.113.99": no host has the address 203.0.113.99: say where its packet arrives with --at host/NAME[:DEVICE]',
    ],
    [
      "trace 10.0.0 10.0.0.1:80",
      'from "10.0.0": "10.0.0" has 3 parts: an IPv4 address has exactly four, short forms are not read',
    ],
    [
      "trace external/1.2.3.4 10.0.0.1",
      'from "external/1.2.3.4": no host of the kind external has the address 1.2.3.4',
    ],
    [
      "trace fd00::1 10.0.0.1:80",
      'from "fd00::1": no host has the address fd00::1: say where its packet arrives with --at host/NAME[:DEVICE]',
    ],
    ["trace web-0 10.0.0.1:99999", 'to "10.0.0.1:99999": port 99999 is not between 1 and 65535'],
    ["trace web-0 10.0.0.1:0", 'to "10.0.0.1:0": port 0 is not between 1 and 65535'],
    ["trace web-0 10.0.0.1:http", 'to "10.0.0.1:http": port "http" is not a whole number'],
    ["trace web-0 10.0.0.1:080", 'to "10.0.0.1:080": port 080 has a leading zero: write 80'],
    ["trace web-0 10.0.0.1:", 'to "10.0.0.1:": port is empty: a whole number from 1 to 65535 is expected'],
    ["trace web-0 10.0.0.256:80", 'to "10.0.0.256:80": "10.0.0.256" has the part 256, which is above 255'],
    [
      "trace web-0 10.0.0.1/24",
      'to "10.0.0.1/24": "10.0.0.1/24" has a prefix length: an address is expected here, not a prefix',
    ],
    ["trace web-0 [fd00::5]:80", "host web-0 has no IPv6 address, and fd00::5 is one of IPv6"],
    ["trace web-0 fd00::5", "host web-0 has no IPv6 address, and fd00::5 is one of IPv6"],
    [
      "trace web-0 fd00::5:80:",
      'to "fd00::5:80:": "fd00::5:80:" has a single colon at its begin or end, or three in a row',
    ],
    ["trace web-0 [fd00::5", 'to "[fd00::5": "[fd00::5" is in brackets: write the address alone'],
    ["trace web-0 fe80::5%", 'to "fe80::5%": "fe80::5%" ends before its scope: %DEVICE is expected'],
    [
      "trace web-0 fd00::5 --src 10.0.0.1",
      "the source 10.0.0.1 and the destination fd00::5 are of different families",
    ],
    [
      "trace fd00::1:80: 10.0.0.1",
      'from "fd00::1:80:": is no address ("fd00::1:80:" has a single colon at its begin or end, or three in a row); FROM has no port: use --sport',
    ],
    ["trace web-0 10.0.0.1/sctp", 'to "10.0.0.1/sctp": sctp needs a port: write :PORT behind the address'],
    [
      "trace web-0 10.0.0.1:80/tpc",
      'to "10.0.0.1:80/tpc": "tpc" is no protocol (did you mean "tcp"?): tcp, udp, sctp or icmp stands behind the slash',
    ],
    [
      "trace web-0 10.0.0.1 --proto epsilon",
      'to "10.0.0.1": "epsilon" is no protocol: tcp, udp, sctp, icmp, another name of /etc/protocols or a number is expected',
    ],
    [
      "trace web-0 10.0.0.1:80 --proto esp",
      'to "10.0.0.1:80": a bare packet of esp has no ports: leave the port out',
    ],
    [
      "trace web-0 10.0.0.1 --proto 256",
      'to "10.0.0.1": "256" is no protocol: tcp, udp, sctp, icmp, another name of /etc/protocols or a number is expected',
    ],
    ["trace web-0 10.0.0.1 --proto 6", 'to "10.0.0.1": --proto 6: write tcp'],
    ["trace web-0 10.0.0.1/tcp", 'to "10.0.0.1/tcp": tcp needs a port: write :PORT behind the address'],
    ["trace web-0 10.0.0.1:80/icmp", 'to "10.0.0.1:80/icmp": icmp has no ports: leave the port out'],
    [
      "trace web-0 10.0.0.1:80/udp --proto tcp",
      'to "10.0.0.1:80/udp": says /udp, but --proto says tcp: give one of them',
    ],
    [
      "trace web-0 db.shop:5432",
      'to "db.shop:5432": db.shop: resolving DNS names of a snapshot is not built yet: give the address',
    ],
    [
      "trace web-0 https://shop.example/cart",
      'to "https://shop.example/cart": asking for a URL is not built yet',
    ],
    [
      "trace web-0 svc/shop/db:5432",
      'to "svc/shop/db:5432": the source holds no Kubernetes objects: give the Service\'s address',
    ],
    [
      "trace web-0 host/fabric",
      'to "host/fabric": host fabric has no address that others can reach, only 127.0.0.1',
    ],
    [
      "trace web-0 10.0.0.1 --at host/node1",
      'from "web-0": with --at FROM is a bare address: the packet\'s source',
    ],
    [
      "trace 1.2.3.4 10.0.0.1 --at host/node9",
      'from "1.2.3.4": --at host/node9: there is no host "node9" (did you mean "node1"?)',
    ],
    [
      "trace 1.2.3.4 10.0.0.1 --at host/web-0:eth1",
      'from "1.2.3.4": --at host/web-0:eth1: host web-0 has no device "eth1" (did you mean "eth0"?): it has lo, eth0',
    ],
    [
      "trace web-0 10.0.0.1 --src 10.0.0",
      'from "web-0": --src: "10.0.0" has 3 parts: an IPv4 address has exactly four, short forms are not read',
    ],
    ["trace web-0 10.0.0.1:80 --sport 70000", "--sport 70000 is not between 1 and 65535"],
    ["trace web-0 10.0.0.1 --ttl 0", "--ttl 0 is not between 1 and 255"],
    ["trace web-0 10.0.0.1 --ttl ten", '--ttl "ten" is not a whole number'],
    ["trace web-0 10.0.0.1 --size 70000", "--size 70000 is not between 0 and 65507"],
    ["trace web-0 10.0.0.1 --mark 0xZZ", "--mark 0xZZ is not a hexadecimal number of at most 32 bits"],
    ["trace web-0 10.0.0.1 --outcomes 0", "--outcomes 0 is not between 1 and 1000000"],
    ["trace web-0 10.0.0.1 --seed -1", '--seed "-1" is not a whole number'],
    [
      "trace web-0 10.0.0.1:80 --tcp-flags SX",
      'TCP flags: "X" is no TCP flag: give letters of F S R P A U E C',
    ],
    ["trace web-0 10.0.0.1:80 --tcp-flags SS", "TCP flags: has S twice"],
    ["trace web-0 10.0.0.1:80/udp --tcp-flags S", "TCP flags: a udp packet has no TCP flags"],
    [
      "trace web-0 10.0.0.1:80 --dev eth7",
      'dev: host web-0 has no device "eth7" (did you mean "eth0"?): it has lo, eth0',
    ],
    ["trace web-0 10.0.0.1 -q -v", "--quiet and --verbose contradict each other"],
    ["trace a b --queries -", "--queries has the questions: leave FROM and TO out"],
    ["trace --queries - --ttl 3", "--queries: give --ttl in the lines, each for its own"],
    ["trace --queries - -f -", "-: stdin can be read only once"],
    ["trace web-0 10.0.0.1 -f nowhere.json", "nowhere.json: there is no such file or folder"],
    ["trace web-0 10.0.0.1 -f -", "-: stdin is a terminal: pipe a snapshot into it, or name a file"],
    [
      "trace web-0 10.0.0.1 -f src/clock",
      "src/clock: nothing in it is a manifest, snapshot or output of a node's tools: 1 file of a kind not known here (timers.ts)",
    ],
    ["export --node web-9 --format ip", '--node: there is no host "web-9" (did you mean "web-0"?)'],
    [
      "export --node web-0 --format ipp",
      '--format: "ipp" is none of iptables-save, ip6tables-save, ipset, nft, ip, ipvsadm, snapshot (did you mean "ip"?)',
    ],
    [
      "export --node web-0 --format ip --out /nowhere/x",
      "--out /nowhere/x: there is no such folder to write it into",
    ],
  ])("%s: %s", async (line, message) => {
    expect(await onRecorded(words(line))).toEqual({ out: "", err: `error: ${message}\n`, code: 2 });
  });

  it("tells all that is wrong at once", async () => {
    const { err, code } = await onRecorded(words("trace web-9 10.0.0.1:0 --tcp-flags X"));
    expect(err.trimEnd().split("\n")).toHaveLength(3);
    expect(code).toBe(2);
  });
});

describe("what is not built yet is one line naming it", () => {
  it.each([
    ["check assertions.yaml", "check is not built yet"],
    ["check --help", "check is not built yet"],
    ["diff a b", "diff is not built yet"],
    ["matrix -o svg", "matrix is not built yet"],
    ["address 10.0.0.1", "address is not built yet"],
    ["serve --port 8080", "serve is not built yet"],
    ["generate --nodes 5", "generate is not built yet"],
    ["replay", "replay is not built yet"],
    ["trace web-0 10.0.0.1 --context prod", "--context is not built yet"],
    ["trace web-0 10.0.0.1 --kubeconfig x", "--kubeconfig is not built yet"],
    [
      "trace web-0 10.0.0.1 --cni antrea",
      '--cni: "antrea" is none of flannel, calico, canal, weave, bridge, docker0',
    ],
    [
      "trace web-0 10.0.0.1 --proxy-mode userspace",
      '--proxy-mode: "userspace" is none of iptables, ipvs, nftables',
    ],
    [
      "trace web-0 10.0.0.1 --compare-proxy-modes",
      "--compare-proxy-modes: the source holds no objects to make a cluster of: nodes as they were dumped have the mode they have",
    ],
    [
      "trace web-0 10.0.0.1 --compare-proxy-modes --proxy-mode ipvs",
      "--compare-proxy-modes and --proxy-mode contradict each other",
    ],
    ["trace web-0 10.0.0.1 --time 5", "--time is not built yet"],
    ["trace web-0 10.0.0.1 --all-pods", "--all-pods: the source holds no Kubernetes objects"],
  ])("%s: %s", async (line, message) => {
    expect(await onRecorded(words(line))).toEqual({ out: "", err: `error: ${message}\n`, code: 2 });
  });

  it("and no help lists it", async () => {
    const { out } = await hopscope(["--help"]);
    for (const name of ["check", "diff", "matrix", "serve", "generate", "replay"]) {
      expect(out).not.toMatch(new RegExp(`^ {2}${name}\\b`, "m"));
    }
    expect((await hopscope(["trace", "--help"])).out).not.toMatch(/--context|--time/);
  });
});

describe("a mistyped command line", () => {
  it.each([
    ["trase a b", "error: unknown command 'trase'\n(Did you mean trace?)\n"],
    ["trace a b --verbos", "error: unknown option '--verbos'\n(Did you mean --verbose?)\n"],
    ["trace a b c", "error: too many arguments for 'trace'. Expected 2 arguments but got 3.\n"],
    [
      "trace a b -o yaml",
      "error: option '-o, --output <form>' argument 'yaml' is invalid. Allowed choices are text, json, ndjson, pcapng.\n",
    ],
    ["export --node web-0", "error: required option '--format <format>' not specified\n"],
    ["lab compare", "error: missing required argument 'recordings'\n"],
  ])("%s", async (line, err) => {
    expect(await onRecorded(words(line))).toEqual({ out: "", err, code: 2 });
  });
});

describe("a wrong source", () => {
  const folder = mkdtempSync(join(tmpdir(), "hopscope-"));
  const good = readRecordingText("a-bridge-drop-off");
  const file = (name: string, content: string | Buffer): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const packed = gzipSync(good);

  it.each([
    ["empty.json", "", ":1: the file is empty: a whole snapshot is expected"],
    [
      "cut.json",
      good.slice(0, 5000),
      /:1: the file ends in the middle of hosts\..*a whole snapshot ends with }/,
    ],
    ["list.json", "[]", ': an object with "hosts" is expected, not a list'],
    ["text.gz", "no gzip at all", ": is called .gz but is no gzip file"],
    ["cut.json.gz", packed.subarray(0, packed.length / 2), ": the gzip file was cut off: fetch it again"],
    [
      "bad.json.gz",
      Buffer.concat([packed.subarray(0, 200), Buffer.alloc(100, 7), packed.subarray(300)]),
      /: the gzip file is damaged \(/,
    ],
  ])("%s", async (name, content, message) => {
    const path = file(name, content);
    const { out, err, code } = await hopscope(["trace", "a", "10.0.0.1", "-f", path]);
    expect(out).toBe("");
    expect(code).toBe(2);
    expect(err.split("\n")).toHaveLength(2);
    expect(err.startsWith(`error: ${path}`)).toBe(true);
    const rest = err.slice(`error: ${path}`.length, -1);
    if (typeof message === "string") expect(rest).toBe(message);
    else expect(rest).toMatch(message);
  });

  it("names the host that two files hold", async () => {
    const [a, b] = [file("one.json", good), file("two.json", good)];
    const { err, code } = await hopscope(["trace", "a", "10.0.0.1", "-f", a, "-f", b]);
    expect(code).toBe(2);
    expect(err).toContain(
      `error: ${b}: hosts.node1: ${a} has a host of that name already: give it in one file only\n`,
    );
  });

  it("names a file given twice", async () => {
    const path = file("one.json", good);
    const { err } = await hopscope(["trace", "a", "10.0.0.1", "-f", path, "-f", path]);
    expect(err).toBe(`error: ${path}: is given twice\n`);
  });
});
