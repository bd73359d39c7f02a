import { setTimeout as wait } from "node:timers/promises";
import type { Paint } from "../../present/paint.ts";
import type { Frame } from "../../walk/trace.ts";
import { replay } from "../compare.ts";
import type { RecordedFrame, RecordedProbe, RecordedQuery } from "../recorded.ts";
import { packetInOneForm } from "../recorded-ip6.ts";
import type { Lab } from "./lab.ts";
import { recordProbe, USUAL_PATIENCE } from "./record-probe.ts";

/** A real probe beside what the model says of it. */
export interface ProbeReport {
  readonly agrees: boolean;
  readonly text: string;
  readonly recorded: RecordedProbe;
}

/** Sends one probe into a standing lab, and tells both paths. */
export async function probeReport(lab: Lab, query: RecordedQuery, paint: Paint): Promise<ProbeReport> {
  lab.flush();
  lab.forgetNeighbours();
  // Nobody learned now ages while a single probe lasts.
  const probing = recordProbe(lab, query, { ...USUAL_PATIENCE, ageless: true });
  let step = probing.next();
  while (step.done !== true) {
    await wait(1);
    step = probing.next();
  }
  const recorded = step.value;
  const recording = {
    file: "lab",
    name: "lab",
    description: "",
    setup: [],
    probes: [{ query: { ...query }, recorded: { ...recorded } }],
  };
  const [replayed] = replay(lab.real.world, recording);
  if (replayed === undefined) throw new Error("a recording of one probe was replayed without it");
  const difference = replayed.judge(recorded);
  const lines = [
    `${paint.strong("real")}      ${realText(recorded)}`,
    ...replayed.outcomes.map(
      ({ verdict, server, probability }) =>
        `${paint.strong("modelled")}  ${verdict.disposition}${server === undefined ? "" : `  ${server.host}`}  ${probability === null ? "" : `${probability.num}/${probability.den}`}`,
    ),
    difference === null
      ? `${paint.good("agrees")}    every frame, server, rule counter and connection tracking entry`
      : `${paint.bad("differs")}   ${difference}`,
    "",
    ...besides(recorded.frames ?? [], (replayed.nearest ?? replayed.outcomes[0])?.frames ?? [], paint),
  ];
  return { agrees: difference === null, recorded, text: lines.map((line) => `${line}\n`).join("") };
}

function realText({ outcome }: RecordedProbe): string {
  const { result, answeredBy, errno, icmp, reset } = outcome;
  return [
    result,
    answeredBy === undefined ? "" : `by ${answeredBy}`,
    errno ?? "",
    icmp === undefined ? "" : `ICMP ${icmp.type}/${icmp.code} from ${icmp.from}`,
    reset === undefined ? "" : `reset from ${reset.from}`,
  ]
    .filter((part) => part !== "")
    .join(", ");
}

const COLUMN = 64;

/** Both lists of frames, line by line; where they are the same, once. */
function besides(real: readonly RecordedFrame[], modelled: readonly Frame[], paint: Paint): string[] {
  const left = real.map((frame) =>
    frameLine(frame.pkt, frame.ns, frame.if, frame.dir, packetInOneForm(frame)),
  );
  const right = modelled.map((frame) =>
    frameLine(frame.packet, frame.host, frame.device, frame.direction, frame),
  );
  const rows = Math.max(left.length, right.length);
  const same = rows === left.length && left.every((line, i) => line === right[i]);
  return [
    paint.strong(same ? "real and modelled" : `${"real".padEnd(COLUMN)}modelled, where it differs`),
    ...Array.from({ length: rows }, (_, i) => {
      const [mine = "", theirs = ""] = [left[i], right[i]];
      return mine === theirs ? mine : `${mine.padEnd(COLUMN)}${paint.change(theirs)}`;
    }),
  ];
}

function frameLine(
  packet: number,
  host: string,
  device: string,
  direction: string,
  { ip }: { readonly ip?: { readonly src: string; readonly dst: string; readonly ttl: number } },
): string {
  const way = ip === undefined ? "" : `${ip.src} → ${ip.dst} ttl ${ip.ttl}`;
  return `${String(packet).padStart(3)}  ${host} ${device} ${direction}  ${way}`;
}
