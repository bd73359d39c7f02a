import { expect, it } from "vitest";
import { parseIpv4 } from "../../src/address/ipv4.ts";
import { ASK_DEFAULTS, ask } from "../../src/walk/ask.ts";
import { Network } from "../../src/walk/network.ts";
import { QUERY_DEFAULTS } from "../../src/walk/query.ts";
import { Session } from "../../src/walk/session.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { readRecording } from "../fixtures.ts";

type Dump = { hosts: { lb: { ipvs: string; ipvsOrder?: string } } };

/** Servers of the outcomes of a first connection, with their odds. */
function firstConnection(change: (dump: Dump) => void, name = "ipvs-ipip/sched-wrr"): string[] {
  const dump = structuredClone(readRecording(name)) as Dump;
  change(dump);
  const snapshot = readSnapshot("a", JSON.stringify(dump));
  if (snapshot.kind !== "ok") throw new Error("cannot be read");
  const session = new Session(new Network(snapshot.world));
  const query = { ...QUERY_DEFAULTS, host: "client", dst: parseIpv4("10.99.0.1") as number, dport: 80 };
  const { outcomes } = ask(session, query, ASK_DEFAULTS);
  return outcomes
    .map(({ server, probability }) => `${server?.address} ${probability?.num}/${probability?.den}`)
    .sort();
}

it("a list without connections: the scheduler begins at its head", () => {
  expect(firstConnection(() => {})).toEqual(["10.12.0.13 1/1"]);
});

it.each([
  ["a dump without the kernel's order", (dump: Dump) => delete dump.hosts.lb.ipvsOrder],
  [
    "a service that has had connections",
    (dump: Dump) => {
      dump.hosts.lb.ipvsOrder = dump.hosts.lb.ipvsOrder?.replace(/0 {10}0( +)\n/, "1          7$1\n") ?? "";
    },
  ],
])("%s does not tell where the scheduler stands: every server, by its weight's odds", (_, change) => {
  expect(firstConnection(change)).toEqual(["10.12.0.11 1/2", "10.12.0.12 1/3", "10.12.0.13 1/6"]);
});
