import { formatIpvsadmSave } from "../kernel/ipvs/ipvsadm-save.ts";
import type { Stack } from "../kernel/stack.ts";
import { ASK_DEFAULTS, type Explored, explore, followScript } from "../walk/ask.ts";
import { Network } from "../walk/network.ts";
import { closeHeld } from "../walk/run.ts";
import type { Session } from "../walk/session.ts";
import type { World } from "../world/world.ts";
import { compareBrief } from "./compare-brief.ts";
import type { RecordedProbe } from "./recorded.ts";

/** How the command lines of a recording's steps are carried out (the command line's own way of reading them). */
export interface CommandRunner {
  /** The World after a command on one of its hosts, or what is wrong with it. */
  change(world: World, host: string, line: string): World | { readonly fault: string };
  /** What the command prints. */
  print(stack: Stack, line: string): string;
}

/** A step played: the first difference between what was recorded of it and what came of it here, null for none. */
export interface PlayedStep {
  readonly outcomes: readonly Explored[];
  readonly judge: (version: RecordedProbe) => string | null;
}

const AGREES: PlayedStep = { outcomes: [], judge: () => null };

/** Play a step of a recording in a session. */
export function playStep(session: Session, { query }: RecordedProbe, commands: CommandRunner): PlayedStep {
  switch (query.step) {
    case "wait":
      session.wait((query.seconds ?? 0) * 1000);
      return AGREES;
    case "close":
    case "again": {
      const held = session.held.get(query.hold ?? "");
      if (held === undefined) return faulty(`no connection is held under ${JSON.stringify(query.hold)}`);
      if (query.step === "close") {
        session.held.delete(query.hold ?? "");
        closeHeld(session, held, query.close === "reset" ? "reset" : "fin");
        return AGREES;
      }
      const options = { ...ASK_DEFAULTS, held };
      const { explored } = explore(session, held.query, options);
      followScript(session, held.query, explored[0]?.script ?? [], { held, hold: query.hold ?? "" });
      const judge = (version: RecordedProbe): string | null => nearestBrief(explored, version);
      return { outcomes: explored, judge };
    }
    case "command":
      return runCommand(session, query.host ?? "", query.command ?? "", commands);
    default:
      return faulty(`query.step: ${JSON.stringify(query.step)} is none of command, wait, close, again`);
  }
}

function faulty(message: string): PlayedStep {
  return { outcomes: [], judge: () => message };
}

function nearestBrief(explored: readonly Explored[], version: RecordedProbe): string | null {
  const differences = explored.map(({ outcome }) => compareBrief(version, outcome));
  return differences.includes(null) ? null : (differences[0] ?? "no outcome was found");
}

/** A pipe through sort is what the recorder read the output by. */
const SORTED = / *\| *sort$/;

function runCommand(session: Session, name: string, line: string, commands: CommandRunner): PlayedStep {
  const command = line.replace(SORTED, "");
  const world = commands.change(session.network.world, name, command);
  if ("fault" in world) return faulty(`command: ${world.fault}`);
  if (world !== session.network.world) session.replaceNetwork(new Network(world));
  const number = session.network.hostNumber(name);
  const printed = commands.print(session.stack(number), command);
  const output = SORTED.test(line) ? sortedLines(printed) : printed;
  const ipvs = world.hosts.get(name)?.ipvs ?? null;
  const saved = ipvs === null ? "" : formatIpvsadmSave(ipvs.services);
  return {
    outcomes: [],
    judge: ({ outcome, ipvsAfter }) =>
      textDifference("output", outcome.output ?? "", output) ??
      (ipvsAfter === undefined ? null : textDifference("ipvsadm -Sn", ipvsAfter, withoutThresholds(saved))),
  };
}

/** ipvsadm does not print what it was told of thresholds. */
function withoutThresholds(text: string): string {
  return text.replace(/ -[xy] \d+/g, "");
}

function sortedLines(text: string): string {
  return `${text.trimEnd().split("\n").sort().join("\n")}\n`;
}

function textDifference(what: string, recorded: string, ours: string): string | null {
  if (recorded === ours) return null;
  const left = recorded.split("\n");
  const right = ours.split("\n");
  const at = left.findIndex((line, i) => line !== right[i]);
  const line = at < 0 ? left.length : at;
  return `${what}, line ${line + 1}: ${left[line] ?? "nothing"} recorded, ${right[line] ?? "nothing"} modelled`;
}
