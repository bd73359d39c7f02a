import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatConntrackList, parseConntrackList } from "../../../src/kernel/conntrack/conntrack-list.ts";
import { SCTP_CONNTRACK_NAMES, sctpPacket } from "../../../src/kernel/conntrack/sctp.ts";
import {
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_NEW,
  IPS_ASSURED,
  IPS_SEEN_REPLY,
} from "../../../src/kernel/conntrack/status.ts";
import { ConntrackTable } from "../../../src/kernel/conntrack/table.ts";
import { conntrackTimeouts } from "../../../src/kernel/conntrack/timeouts.ts";
import { Journal } from "../../../src/kernel/session/journal.ts";
import { IPPROTO_SCTP, Packet } from "../../../src/packet/packet.ts";
import { CHUNK_NAMES, SCTP_INIT } from "../../../src/packet/sctp-chunk.ts";

/**
 * `sctp-states.txt`: what `conntrack -L` of a Linux 6.18 said after raw SCTP packets, each with one chunk and right tags: the
 * direction and chunk of the last, the state before it, the state after; `-`: no entry was made.
 */
const SEEN = readFileSync(new URL("sctp-states.txt", import.meta.url), "utf8")
  .trim()
  .split("\n");

const TIMEOUTS = conntrackTimeouts({ integer: (_name, usual) => usual });

type Step = readonly ["orig" | "reply", string];

const HANDSHAKE: readonly Step[] = [
  ["orig", "INIT"],
  ["reply", "INIT_ACK"],
  ["orig", "COOKIE_ECHO"],
  ["reply", "COOKIE_ACK"],
];

/** How the prober came to each state. */
const WAYS: Readonly<Record<string, readonly Step[]>> = {
  NONE: [],
  CLOSED: HANDSHAKE.slice(0, 1),
  COOKIE_WAIT: HANDSHAKE.slice(0, 2),
  COOKIE_ECHOED: HANDSHAKE.slice(0, 3),
  ESTABLISHED: HANDSHAKE,
  SHUTDOWN_SENT: [...HANDSHAKE, ["orig", "SHUTDOWN"]],
  SHUTDOWN_RECD: [...HANDSHAKE, ["reply", "SHUTDOWN"]],
  SHUTDOWN_ACK_SENT: [...HANDSHAKE, ["orig", "SHUTDOWN"], ["reply", "SHUTDOWN_ACK"]],
  HEARTBEAT_SENT: [["orig", "HEARTBEAT"]],
};

function numberOf(name: string): number {
  return [...CHUNK_NAMES].find(([, each]) => each === name)?.[0] as number;
}

/** The entry's state after packets, as the kernel's list shows it. */
function stateAfter(steps: readonly Step[]): string {
  const table = new ConntrackTable(new Journal());
  const ct = table.create(1, 2, 3, 4, 4, 3, IPPROTO_SCTP, 0);
  let made = false;
  for (const [direction, chunk] of steps) {
    const packet = Object.assign(new Packet(), { protocol: IPPROTO_SCTP, chunk: numberOf(chunk) });
    const reply = direction === "reply";
    if (!sctpPacket(table, ct, reply ? IP_CT_ESTABLISHED_REPLY : IP_CT_NEW, packet, !made, TIMEOUTS))
      continue;
    if (reply) table.setStatus(ct, IPS_SEEN_REPLY);
    made = true;
  }
  if (!made) return "-";
  const status = table.status(ct);
  const flags = [
    ...((status & IPS_ASSURED) !== 0 ? ["ASSURED"] : []),
    ...((status & IPS_SEEN_REPLY) === 0 ? ["UNREPLIED"] : []),
  ];
  return [SCTP_CONNTRACK_NAMES[table.tcpState(ct)], ...flags].join(" ");
}

describe("SCTP's states of connection tracking", () => {
  it("are known for every chunk in every state, both ways", () => {
    expect(SEEN).toHaveLength(13 * 9 + 13 * 8);
  });

  it.each(SEEN)("%s", (line) => {
    const [direction, chunk = "", before = "", ...after] = line.split(" ");
    const way = WAYS[before] as readonly Step[];
    expect(stateAfter([...way, [direction as "orig" | "reply", chunk]])).toBe(after.join(" "));
  });

  it("stand in conntrack's list", () => {
    const text =
      "sctp     132 209 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=2000 src=10.0.0.2 dst=10.0.0.1 sport=2000 dport=1000 [ASSURED] mark=0 use=1\n";
    const { entries, faults } = parseConntrackList(
      text.split("\n").map((line, i) => ({ number: i + 1, text: line })),
    );
    expect([faults, formatConntrackList(entries)]).toEqual([[], text]);
    const wrong = text.replace("ESTABLISHED", "SYN_SENT");
    const said = parseConntrackList([{ number: 1, text: wrong.trim() }]).faults[0]?.message;
    expect(said).toMatch(/^SYN_SENT is no state of an SCTP association: NONE, CLOSED, /);
  });
});

/** `nf_conntrack_sctp_packet`; `conntrack -L` after two raw INITs, 3.2 s between them, said 6 s in the end. */
it("an INIT that is repeated does not keep its entry alive", () => {
  const table = new ConntrackTable(new Journal());
  table.now = 1000;
  const ct = table.create(1, 2, 4000, 80, 80, 4000, IPPROTO_SCTP, 0);
  const init = new Packet();
  init.chunk = SCTP_INIT;
  sctpPacket(table, ct, IP_CT_NEW, init, true, TIMEOUTS);
  table.now += 3200;
  expect(sctpPacket(table, ct, IP_CT_NEW, init, false, TIMEOUTS)).toBe(true);
  expect(table.expires(ct)).toBe(11_000);
});
