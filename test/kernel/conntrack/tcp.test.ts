import { describe, expect, it } from "vitest";
import {
  IP_CT_ESTABLISHED,
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_NEW,
  IPS_SEEN_REPLY,
} from "../../../src/kernel/conntrack/status.ts";
import { ConntrackTable } from "../../../src/kernel/conntrack/table.ts";
import {
  TCP_ACCEPTED,
  TCP_CONNTRACK_NAMES,
  TCP_INVALID,
  TCP_PASSED_BY,
  tcpPacket,
} from "../../../src/kernel/conntrack/tcp.ts";
import { conntrackTimeouts } from "../../../src/kernel/conntrack/timeouts.ts";
import { Journal } from "../../../src/kernel/session/journal.ts";
import { Packet, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from "../../../src/packet/packet.ts";

const TRACKING = {
  tcpLoose: true,
  tcpLiberal: false,
  conntrackTimeouts: conntrackTimeouts({ integer: (_, usual) => usual }),
};
const MADE = new Map([
  [TCP_INVALID, "invalid"],
  [TCP_PASSED_BY, "passed by"],
  [TCP_ACCEPTED, "accepted"],
]);
const FLAGS = new Map([
  ["S", TCP_SYN],
  ["SA", TCP_SYN | TCP_ACK],
  ["A", TCP_ACK],
  ["FA", TCP_FIN | TCP_ACK],
  ["R", TCP_RST],
]);

/**
 * A connection's packets one after the other, `>` of the side that began and `<` of the other, a second apart: what each is to
 * the entry, the state behind it, and how many seconds it then has. As `nf_conntrack_tcp_packet` reads. Behind the flags stand
 * the sequence number, what is acknowledged, and the bytes sent: `A1,1+90`.
 */
function story(packets: string, tracking: Parameters<typeof tcpPacket>[5] = TRACKING): string[] {
  const table = new ConntrackTable(new Journal());
  const ct = table.create(1, 2, 3, 4, 4, 3, 6, 0);
  let isNew = true;
  return packets.split(" ").map((word) => {
    const [, flags = "", seq = "0", ack = "0", bytes = "0"] =
      /^[<>]([A-Z]+)(?:(\d+),(\d+)(?:\+(\d+))?)?$/.exec(word) ?? [];
    const packet = new Packet();
    packet.protocol = 6;
    packet.tcpFlags = FLAGS.get(flags) as number;
    packet.seq = Number(seq);
    packet.ack = Number(ack);
    packet.payload = Number(bytes);
    const reply = word.startsWith("<");
    const seen = (table.status(ct) & IPS_SEEN_REPLY) !== 0;
    const info = reply ? IP_CT_ESTABLISHED_REPLY : seen ? IP_CT_ESTABLISHED : IP_CT_NEW;
    const made = tcpPacket(table, ct, info, packet, isNew, tracking);
    isNew = false;
    if (reply && made !== TCP_INVALID) table.setStatus(ct, IPS_SEEN_REPLY);
    const left = (table.expires(ct) - table.now) / 1000;
    table.now += 1000;
    return `${MADE.get(made)} ${TCP_CONNTRACK_NAMES[table.tcpState(ct)]} ${left}`;
  });
}

describe("TCP as conntrack follows it (nf_conntrack_proto_tcp.c)", () => {
  it("a SYN sent again does not renew the entry", () => {
    expect(story(">S >S >S")).toEqual([
      "accepted SYN_SENT 120",
      "passed by SYN_SENT 119",
      "passed by SYN_SENT 118",
    ]);
  });

  it("who acknowledges more than the other was seen to send is in no window (tcp_in_window)", () => {
    const begun = ">S0,0 <SA0,1 >A1,1";
    const last = (packets: string, tcpLiberal = false) =>
      story(`${begun} ${packets}`, { ...TRACKING, tcpLiberal }).at(-1);
    expect(last("<A1,1+90 >A1,91")).toBe("accepted ESTABLISHED 432000");
    // The line of the server went past connection tracking.
    expect(last(">A1,91")).toBe("invalid ESTABLISHED 431999");
    expect(last(">A1,91", true)).toBe("accepted ESTABLISHED 432000");
    expect(last(">A1,91 >FA1,91")).toMatch(/^invalid/);
    expect(last(">A1,91 <A1,1+90 >FA1,91")).toMatch(/^accepted FIN_WAIT/);
    // Met in the middle, the other side has sent what is acknowledged.
    expect(story(">A1,500 <A500,1+10 >A1,511")).toEqual([
      "accepted ESTABLISHED 300",
      "accepted ESTABLISHED 300",
      expect.stringMatching(/^invalid/),
    ]);
  });

  it("what is met in the middle has five minutes until it is answered", () => {
    expect(story(">A >A <A >A")).toEqual([
      "accepted ESTABLISHED 300",
      "accepted ESTABLISHED 300",
      // That it was answered is noted behind the answer.
      "accepted ESTABLISHED 300",
      "accepted ESTABLISHED 432000",
    ]);
    expect(story(">A", { ...TRACKING, tcpLoose: false })[0]).toMatch(/^invalid/);
  });

  /** Namespaces rm7u-*: `conntrack -L` of a router, the server's host dropping the client's data for four seconds. */
  it("has five minutes while what either side sent is not acknowledged", () => {
    expect(
      story(">S0,0 <SA0,1 >A1,1 >A1,1+90 >A91,1+9 <A1,91 <A1,100 <A1,100+5 >A100,6 >A100,6 <FA6,100"),
    ).toEqual([
      "accepted SYN_SENT 120",
      "accepted SYN_RECV 60",
      "accepted ESTABLISHED 432000",
      "accepted ESTABLISHED 300",
      "accepted ESTABLISHED 300",
      // A part of it is not enough.
      "accepted ESTABLISHED 300",
      "accepted ESTABLISHED 432000",
      "accepted ESTABLISHED 300",
      "accepted ESTABLISHED 432000",
      "accepted ESTABLISHED 432000",
      "accepted FIN_WAIT 120",
    ]);
  });

  it("a SYN within a connection is passed by, and so is what answers it, unless it is taken", () => {
    const begun = ">S <SA >A";
    expect(story(`${begun} >S <A`).slice(3)).toEqual([
      "passed by ESTABLISHED 431999",
      "accepted ESTABLISHED 432000",
    ]);
    expect(story(`${begun} >S <SA >A`).slice(3)).toEqual([
      "passed by ESTABLISHED 431999",
      "accepted SYN_RECV 60",
      "accepted ESTABLISHED 432000",
    ]);
    expect(story(`${begun} <SA`).slice(3)).toEqual(["passed by ESTABLISHED 431999"]);
  });

  it("a challenge is not taken for the last acknowledgement", () => {
    // The other side closes first: its FIN, ours, and then a SYN before its last ACK.
    const closing = ">S <SA >A <FA >A >FA";
    expect(story(`${closing} >S <A <A`).slice(5)).toEqual([
      "accepted LAST_ACK 30",
      "passed by LAST_ACK 29",
      "passed by LAST_ACK 28",
      "accepted TIME_WAIT 120",
    ]);
    expect(story(`${closing} <A`).at(-1)).toBe("accepted TIME_WAIT 120");
  });
});
