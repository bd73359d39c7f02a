import type { Outcome, Trace, Verdict } from "../../src/walk/trace.ts";

/** A trace as nobody's walk made it: what is rare, gathered in one value. */

const packet = {
  eth: { src: "02:00:00:00:00:01", dst: "02:00:00:00:00:02", type: "0x0800" },
  ip: { src: "10.0.0.1", dst: "10.0.0.2", ttl: 64, proto: 6, len: 60, df: true },
  tcp: { sport: 40000, dport: 80, flags: "S" },
} as const;

const at = { packet: 1, phase: "request", at: 0 } as const;

function outcome(num: number, den: number, verdict: Verdict): Outcome {
  const frames = [
    { ...at, host: "a", device: "eth0", direction: "out", ...packet },
    { ...at, host: "b", device: "eth0", direction: "in", ...packet },
  ] as const;
  return {
    probability: { num, den },
    verdict,
    servers: [],
    client: { result: "timeout" },
    steps: [
      { ...at, id: "s1", host: "a", device: "eth0", kind: "frame", text: "out", packetView: packet },
      { ...at, id: "s2", host: "b", device: "eth0", kind: "frame", text: "in", packetView: packet },
      { ...at, id: "s3", host: "b", kind: "hook", text: "INPUT", packetView: packet },
      { ...at, id: "s4", host: "b", kind: "rule", text: "filter: -A INPUT -m strange --thing 7 -j DROP" },
      {
        ...at,
        id: "s5",
        host: "b",
        device: "eth0",
        kind: "drop",
        text: "A rule with DROP took the packet.",
        verdict: "drop",
        reason: "rule-drop",
      },
    ],
    frames,
    arp: [],
    ndp: [],
    rules: [
      {
        ...at,
        host: "b",
        backend: "iptables",
        hook: "INPUT",
        table: "filter",
        chain: "INPUT",
        index: 1,
        text: "-A INPUT -m strange --thing 7 -j DROP",
      },
    ],
    hooks: [
      {
        ...at,
        host: "b",
        hook: "INPUT",
        in: "eth0",
        before: packet,
        steps: [{ table: "filter", chain: "INPUT", kind: "rule", index: 1, mark: 0, evaluated: 1 }],
      },
    ],
    rewrites: [],
    conntrack: [],
    ipvs: [],
    stats: { rulesEvaluated: 1, routeLookups: 2 },
  };
}

const DROPPED: Verdict = {
  disposition: "DROPPED",
  reason: "rule-drop",
  certainty: "unknown-match",
  at: "s5",
  host: "b",
  unknown: ["-m strange --thing 7"],
};
const PASSED: Verdict = { disposition: "DELIVERED", reason: "answered", certainty: "unknown-match" };

export const HAND_WRITTEN: Trace = {
  schema: "hopscope.trace/v1",
  id: "q1",
  query: { from: "host/a", to: "10.0.0.2:80/tcp", proto: "tcp", src: "10.0.0.1" },
  verdict: DROPPED,
  outcomes: [
    {
      ...outcome(0, 1, DROPPED),
      probability: null,
      given: [{ rule: "-m strange --thing 7", matched: true }],
    },
    {
      ...outcome(0, 1, PASSED),
      probability: null,
      given: [{ rule: "-m strange --thing 7", matched: false }],
    },
    ...Array.from({ length: 10 }, (_, i) => outcome(1, 1000 * (i + 1), PASSED)),
  ],
  residual: { num: 1, den: "18446744073709551616" },
  remedies: [{ text: "Take the rule out.", command: "iptables -D INPUT 1", host: "b" }],
  assumptions: ["b: no list of sockets, so every local port is taken to listen"],
  stats: { rulesEvaluated: 1, routeLookups: 2 },
};
