import { describe, expect, it } from "vitest";
import { twoNetworks } from "../kernel/path/two-networks.ts";
import { outcome, sessionOf } from "./asking.ts";

/**
 * `inet_request_mark`: with tcp_fwmark_accept a server's connection has the mark that the first packet had at the host, here by its
 * own rule; what it sends is routed by it. Hosts kf8-a and kf8-b (Linux 6.18) did the same, by counters of `-m mark` in POSTROUTING.
 */
describe("net.ipv4.tcp_fwmark_accept", () => {
  const marksOf = (value: number): (number | undefined)[] => {
    const b = {
      iptables:
        "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --syn -j MARK --set-mark 0x7\nCOMMIT\n",
      sysctl: { "net.ipv4.tcp_fwmark_accept": value },
    };
    const { frames } = outcome(sessionOf(twoNetworks({}, {}, b)), "a", "tcp 10.1.0.2:80");
    return frames
      .filter(({ host, direction }) => host === "b" && direction === "out")
      .map(({ mark }) => mark);
  };

  it("0: what answers has no mark", () => {
    expect(new Set(marksOf(0))).toEqual(new Set([undefined]));
  });

  it("1: what answers has the mark of the SYN, to the end", () => {
    expect(marksOf(1).length).toBeGreaterThan(1);
    expect(new Set(marksOf(1))).toEqual(new Set([7]));
  });
});
