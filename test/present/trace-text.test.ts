import { describe, expect, it } from "vitest";
import type { Question } from "../../src/cli/question.ts";
import { Names } from "../../src/inventory/names.ts";
import { NO_PAINT, type Paint } from "../../src/present/paint.ts";
import { traceText } from "../../src/present/trace-text.ts";
import { NO_ORIGINS } from "../../src/world/origins.ts";
import { namesOf, told } from "./asked.ts";
import { HAND_WRITTEN } from "./hand-written.ts";

/** What people see, whole, as files to be read: `fixtures/golden/trace`. After a wanted change: `vitest run -u test/present`. */

type Row = readonly [file: string, recording: string, from: string, to: string, more: Partial<Question>];

const ROWS: readonly Row[] = [
  ["service-over-vxlan", "d-services-vxlan", "web-1", "10.96.0.76:80", {}],
  ["no-local-endpoint", "d-services-vxlan", "laptop", "172.18.0.26:31342", {}],
  ["source-range", "d-services-vxlan", "laptop", "192.0.2.80:80", {}],
  ["node-port-by-localhost", "d-services-vxlan", "node1", "127.0.0.1:32045", {}],
  ["hairpin-masqueraded", "d-services-vxlan", "web-2", "10.96.2.93:80", {}],
  ["no-endpoints", "d-services-vxlan", "web-1", "10.96.2.45:80", {}],
  ["hairpin-off", "a-bridge-brnf-plain", "web-0", "10.96.1.211:80", {}],
  ["answer-past-the-translation", "a-bridge-nobrnf-plain", "web-1", "10.96.1.153:80", {}],
  ["policy-drop", "a-bridge-drop-on", "web-1", "10.244.38.18:8080", {}],
  ["no-neighbour", "b-hostgw-plain", "web-0", "10.244.14.249:8080", {}],
  ["no-route", "b-hostgw-plain", "laptop", "10.244.24.16", {}],
  ["no-forwarding-entry", "c-vxlan-fault-nofdb", "web-1", "10.244.20.43", {}],
  ["wrong-vni", "c-vxlan-fault-vni", "web-0", "10.244.21.20:8080", {}],
  ["too-big-on-the-way", "c-vxlan-mtu", "web-0", "10.244.1.12", { size: 1440, df: true }],
  ["fragments", "c-vxlan-two", "web-1", "10.244.31.30", { size: 1470 }],
  ["ttl", "c-vxlan-two", "web-0", "10.244.31.29", { ttl: 2 }],
  ["own-host-port", "d-hostport-plain", "web-1", "172.18.0.48:9000", {}],
  ["arrives", "d-services-vxlan", "203.0.113.99", "10.244.31.6:8080", { at: "host/node1:eth0" }],
];

const NOBODY = new Names({ hosts: new Map(), wires: [], origins: NO_ORIGINS });
const PLAIN = { width: 100, paint: NO_PAINT, arp: false } as const;

describe("a trace as text", () => {
  it.each(ROWS)("%s", async (file, recording, from, to, more) => {
    const text = traceText(told(recording, from, to, more), {
      ...PLAIN,
      names: namesOf(recording),
      detail: "normal",
    });
    await expect(text).toMatchFileSnapshot(`../../fixtures/golden/trace/${file}.txt`);
  });

  it("with every hook and rule", async () => {
    const text = traceText(told("a-bridge-brnf-plain", "web-1", "10.96.1.211:80"), {
      ...PLAIN,
      names: namesOf("a-bridge-brnf-plain"),
      arp: true,
      detail: "verbose",
    });
    await expect(text).toMatchFileSnapshot("../../fixtures/golden/trace/verbose.txt");
  });

  it("in 60 columns", async () => {
    const text = traceText(told("a-bridge-drop-on", "web-1", "10.244.38.18:8080"), {
      ...PLAIN,
      names: namesOf("a-bridge-drop-on"),
      width: 60,
      detail: "normal",
    });
    await expect(text).toMatchFileSnapshot("../../fixtures/golden/trace/narrow.txt");
  });

  it("of a hand-written value: unmodelled match, assumption, many outcomes, residual", async () => {
    const text = traceText(HAND_WRITTEN, { ...PLAIN, names: NOBODY, detail: "normal" });
    await expect(text).toMatchFileSnapshot("../../fixtures/golden/trace/hand-written.txt");
  });
});

describe("laws of the text", () => {
  const traces = ROWS.map(([file, recording, from, to, more]) => ({
    file,
    trace: told(recording, from, to, more),
    names: namesOf(recording),
  }));

  it.each(traces)(
    "$file: the first lines begin with the verdict and name the fault, and quiet is those alone, in one",
    ({ trace, names }) => {
      const quiet = traceText(trace, { ...PLAIN, names, detail: "quiet" });
      expect(quiet.startsWith(`${trace.verdict.disposition}  `)).toBe(true);
      expect(quiet.endsWith("\n") && !quiet.slice(0, -1).includes("\n")).toBe(true);
      if (trace.verdict.disposition !== "DELIVERED") expect(quiet).toContain(trace.cause ?? "no cause");
      // The same words, the fault before the ends where one line does not hold both.
      const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");
      const all = wordsOf(quiet);
      const first = wordsOf(traceText(trace, { ...PLAIN, names, detail: "normal" })).slice(0, all.length);
      expect(first[0]).toBe(trace.verdict.disposition);
      expect([...first].sort()).toEqual([...all].sort());
    },
  );

  it.each(traces)("$file: paint adds nothing but paint", ({ trace, names }) => {
    const mark = (text: string): string => `\u0001${text}\u0002`;
    const paint: Paint = { good: mark, bad: mark, doubtful: mark, change: mark, strong: mark, quiet: mark };
    for (const detail of ["normal", "verbose"] as const) {
      const painted = traceText(trace, { ...PLAIN, names, paint, detail });
      const bare = [...painted].filter((char) => char !== "\u0001" && char !== "\u0002").join("");
      expect(bare.replace(/ +$/gm, "")).toBe(traceText(trace, { ...PLAIN, names, detail }));
    }
  });

  it.each(traces)("$file: no line ends in blanks", ({ trace, names }) => {
    expect(traceText(trace, { ...PLAIN, names, detail: "verbose" })).not.toMatch(/ $/m);
  });

  it.each([80, 120])("no line but a command to be copied is wider than %i columns", (width) => {
    for (const { file, trace, names } of traces) {
      for (const line of traceText(trace, { ...PLAIN, names, width, detail: "normal" }).split("\n")) {
        const isCommand = trace.remedies.some(
          ({ command }) => command !== undefined && line.endsWith(command),
        );
        expect(isCommand || line.length <= width, `${file}: ${line}`).toBe(true);
      }
    }
  });

  it.each(traces)(
    "$file: who does not arrive is told why, and mostly what to do",
    ({ file, trace, names }) => {
      if (trace.verdict.disposition === "DELIVERED") return;
      expect(traceText(trace, { ...PLAIN, names, detail: "normal" })).toContain("  cause   ");
      expect(trace.remedies.length > 0, file).toBe(true);
    },
  );
});
