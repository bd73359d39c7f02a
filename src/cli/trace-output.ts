import { traceJson } from "../present/trace-json.ts";
import { traceText } from "../present/trace-text.ts";
import type { Trace } from "../walk/trace.ts";
import type { World } from "../world/world.ts";
import type { Answer } from "./bulk.ts";
import { assumedOfName } from "./destination.ts";
import type { Io } from "./io.ts";
import type { Question } from "./question.ts";
import type { LoadedSource } from "./source.ts";
import { paintOf, widthOf } from "./terminal.ts";
import { Teller } from "./told.ts";

export type OutputForm = "text" | "json" | "ndjson";

export interface OutputOptions {
  readonly form: OutputForm;
  readonly detail: "quiet" | "normal" | "verbose";
  readonly arp: boolean;
  readonly verdictOnly: boolean;
}

/** A trace with what it was asked of, as it was typed. */
export interface Asked {
  readonly trace: Trace;
  readonly world: World;
  readonly question: Question;
}

/** Answers in the form that was asked for: with names, the fault and the remedies put on. */
export class TraceOutput {
  readonly options: OutputOptions;
  readonly #io: Io;
  readonly #source: LoadedSource;
  readonly #teller: Teller;

  constructor(io: Io, source: LoadedSource, options: OutputOptions) {
    this.options = options;
    this.#io = io;
    this.#source = source;
    this.#teller = new Teller(source.inventory);
  }

  json(asked: Asked): unknown {
    const { arp, verdictOnly } = this.options;
    return traceJson(this.#told(asked), { arp, verdictOnly, world: asked.world });
  }

  /** One line of JSON, or the text. */
  line(asked: Asked, detail = this.options.detail): string {
    if (this.options.form === "ndjson") return `${JSON.stringify(this.json(asked))}\n`;
    const { from, to } = asked.question;
    return traceText(this.#told(asked), {
      width: widthOf(this.#io),
      paint: paintOf(this.#io),
      detail,
      arp: this.options.arp,
      names: this.#teller.namesOf(asked.world),
      // A host of a dump has no other name than its own.
      asked: this.#source.inventory === null ? null : { from, to },
    });
  }

  answerJson(answer: Answer): unknown {
    switch (answer.kind) {
      case "trace":
        return this.json(answer);
      case "step":
        return {
          id: answer.id,
          step: answer.step,
          ...(answer.output === undefined ? {} : { output: answer.output }),
        };
      case "error":
        return { id: answer.id, error: { message: answer.message, line: answer.line } };
      default:
        answer satisfies never;
        throw new Error("unknown answer");
    }
  }

  answerText(answer: Answer): string {
    const { form, detail } = this.options;
    if (form === "ndjson") return `${JSON.stringify(this.answerJson(answer))}\n`;
    const end = detail === "quiet" ? "" : "\n";
    switch (answer.kind) {
      case "trace":
        return `${answer.trace.id}: ${this.line(answer)}${end}`;
      case "step":
        return `${answer.id}: ${answer.step} done\n${answer.output ?? ""}${end}`;
      case "error":
        return `${answer.id}: error in line ${answer.line}: ${answer.message}\n${end}`;
      default:
        answer satisfies never;
        throw new Error("unknown answer");
    }
  }

  /** What had to be assumed to make hosts of objects stands before what the walk assumed. */
  #told({ trace, world, question }: Asked): Trace {
    const told = withHostAssumptions(this.#teller.tell(trace, world), this.#source.hostAssumptions);
    const sender = trace.query.from.replace(/^host\//, "");
    const name = assumedOfName(world, question.to, { inventory: this.#source.inventory, sender });
    const { assumptions, detected } = this.#source;
    const before = [...(name === null ? [] : [name]), ...assumptions, ...told.assumptions];
    return { ...told, assumptions: before, ...(detected.length === 0 ? {} : { detected }) };
  }
}

/** What a host's dump lacked and was taken stands before what the walk assumed, for the hosts that the packets came by. */
function withHostAssumptions(trace: Trace, hostAssumptions: LoadedSource["hostAssumptions"]): Trace {
  const touched = new Set(
    trace.outcomes.flatMap(({ steps, frames }) => [...steps, ...frames].map(({ host }) => host)),
  );
  const ofHosts = [...hostAssumptions]
    .filter(([host]) => touched.size === 0 || touched.has(host))
    .flatMap(([host, texts]) => texts.map((text) => `${host}: ${text}`));
  if (ofHosts.length === 0) return trace;
  const assumptions = [...ofHosts, ...trace.assumptions];
  const doubt = <V extends Trace["verdict"]>(verdict: V): V =>
    verdict.certainty === "exact" ? { ...verdict, certainty: "assumed" } : verdict;
  const outcomes = trace.outcomes.map((outcome) => ({ ...outcome, verdict: doubt(outcome.verdict) }));
  return { ...trace, verdict: doubt(trace.verdict), outcomes, assumptions };
}
