import { describe, expect, it } from "vitest";
import { formatIp } from "../../../src/address/ip.ts";
import { formatSs, parseSs } from "../../../src/kernel/socket/ss.ts";

describe("listening sockets as ss -Htuln prints them", () => {
  it.each<[string, string]>([
    ["tcp LISTEN 0 128 0.0.0.0:8080 0.0.0.0:*", "tcp 4 any 8080"],
    ["udp   UNCONN 0      0      127.0.0.1%lo:53    0.0.0.0:*", "udp 4 127.0.0.1%lo 53"],
    ['tcp LISTEN 0 4096 127.0.0.1:10248 0.0.0.0:* users:(("kubelet",pid=1,fd=2))', "tcp 4 127.0.0.1 10248"],
    ["tcp LISTEN 0 128 *:80 *:*", "tcp 4,6 any 80"],
    ["udp UNCONN 0 0 *%eth0:68 *:*", "udp 4,6 any%eth0 68"],
    ["tcp LISTEN 0 128 [::ffff:10.0.0.1]:80 *:*", "tcp 4 10.0.0.1 80"],
    ["tcp LISTEN 0 128 [::]:80 [::]:*", "tcp 6 any 80"],
    ["tcp LISTEN 0 128 :::80 :::*", "tcp 6 any 80"],
    ["udp UNCONN 0 0 [fe80::1]%eth0:546 [::]:*", "udp 6 fe80::1%eth0 546"],
    ["tcp LISTEN 0 128 [fd00::1]:80 [::]:*", "tcp 6 fd00::1 80"],
    ["udp ESTAB 0 0 10.0.0.1:68 10.0.0.254:67", "+"],
    ["icmp6 UNCONN 0 0 *:58 *:*", "+"],
    ["Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port", "+"],
    ["", ""],
  ])("%s", (line, expected) => {
    const read = parseSs(`${line}\n`, (at) => at);
    if (read.kind !== "ok") throw new Error(JSON.stringify(read.errors));
    const sockets = read.sockets.map(({ proto, families, address, dev, port, origin }) => {
      expect(origin).toBe(1);
      return `${proto} ${families} ${address === null ? "any" : formatIp(address)}${dev === null ? "" : `%${dev}`} ${port}`;
    });
    expect([...sockets, ...(read.others.length > 0 ? ["+"] : [])].join(" ")).toBe(expected);
    expect(read.others).toEqual(read.others.length > 0 ? [line] : []);
  });

  it("gives back what it read, a socket of both families once", () => {
    const text =
      "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\nudp UNCONN 0 128 127.0.0.1:53 0.0.0.0:*\ntcp LISTEN 0 128 *:80 *:*\n" +
      "tcp LISTEN 0 128 [::]:443 [::]:*\nudp UNCONN 0 128 [fe80::1]%eth0:546 [::]:*\n";
    const read = parseSs(text, () => 0);
    expect(read.kind === "ok" && formatSs(read.sockets, read.others)).toBe(text);
  });

  it("whether a socket may speak for other addresses stands behind it, or below", () => {
    const lines = [
      "udp UNCONN 0      0      0.0.0.0:82 0.0.0.0:*",
      "\tinet-sockopt: ( mc_loop transparent mc_all)        ",
      "tcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:* inet-sockopt: ( is_icsk mc_loop)",
      "tcp LISTEN 0 128 0.0.0.0:81 0.0.0.0:*",
    ];
    const read = parseSs(lines.join("\n"), () => 0);
    if (read.kind !== "ok") throw new Error(JSON.stringify(read.errors));
    expect(read.sockets.map(({ transparent }) => transparent)).toEqual([true, false, undefined]);
    expect(parseSs(formatSs(read.sockets, read.others), () => 0)).toEqual(read);
  });

  it("tells all lines that are wrong", () => {
    const text =
      "tcp LISTEN 0 128 0.0.0.0:99999 0.0.0.0:*\n\nhello\ntcp LISTEN 0 128 10.0.0.300:1 *:*\nudp UNCONN 0\n";
    const zero = "tcp LISTEN 0 128 0.0.0.0:0 0.0.0.0:*\ntcp LISTEN 0 128 [::g]:1 *:*\ntcp LISTEN 0 0 80 *";
    expect(parseSs(text + zero, () => 0)).toEqual({
      kind: "invalid",
      errors: [
        { line: 1, message: '"99999" is no port: a number from 1 to 65535 is expected' },
        { line: 3, message: '"hello" is no kind of socket: a line of "ss -Htuln" begins with tcp or udp' },
        { line: 4, message: '"10.0.0.300" has the part 300, which is above 255' },
        { line: 5, message: 'the line ends before its address: "udp UNCONN 0"' },
        { line: 6, message: '"0" is no port: a number from 1 to 65535 is expected' },
        { line: 7, message: expect.stringContaining('"::g"') },
        { line: 8, message: '"80" is no address and port' },
      ],
    });
  });
});
