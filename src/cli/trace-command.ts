import { Command, Option } from "commander";
import { reasonsText } from "../present/reasons-text.ts";
import { withRemedies } from "../present/remedy.ts";
import { traceJson } from "../present/trace-json.ts";
import { traceText } from "../present/trace-text.ts";
import { ask } from "../walk/ask.ts";
import { Network } from "../walk/network.ts";
import { Session } from "../walk/session.ts";
import type { Trace } from "../walk/trace.ts";
import { type Answer, Bulk } from "./bulk.ts";
import { type Context, fail } from "./context.ts";
import { examples } from "./examples.ts";
import { EXIT } from "./exit-code.ts";
import { notBuiltYet } from "./not-built-yet.ts";
import { parseMark, parseWhole } from "./number-text.ts";
import { BOUNDS, QUESTION_DEFAULTS, type Question, resolveQuestion } from "./question.ts";
import { invalid, ok, type Result } from "./result.ts";
import { type LoadedSource, loadSource, readText } from "./source.ts";
import { addSourceOptions, objectFlags, type SourceOptions, unbuiltOptions } from "./source-options.ts";
import { paintOf, widthOf } from "./terminal.ts";

interface TraceOptions extends SourceOptions {
  readonly at?: string;
  readonly proto?: string;
  readonly src?: string;
  readonly sport?: string;
  readonly ttl?: string;
  readonly size?: string;
  readonly df?: true;
  readonly tcpFlags?: string;
  readonly mark?: string;
  readonly uid?: string;
  readonly dev?: string;
  readonly queries?: string;
  readonly output?: "text" | "json" | "ndjson";
  readonly quiet?: true;
  readonly verbose?: true;
  readonly verdictOnly?: true;
  readonly arp?: true;
  readonly outcomes?: string;
  readonly seed?: string;
  readonly reasons?: true;
  readonly namespace?: string;
  readonly time?: string;
  readonly allPods?: true;
}

const EXAMPLES = examples([
  ["trace host/web-1 10.96.0.76:80", "a Service's address, from a pod of the bundled example"],
  ["trace web-1 host/db-0:8080 -q", "the verdict alone"],
  ["trace host/web-0 10.96.2.113:53/udp", "UDP"],
  ["trace laptop 172.18.0.26:31342 -v", "every hook and every rule that matched"],
  ["trace 203.0.113.99 host/web-0:8080 --at host/node1:eth0", "a packet that arrives from outside the model"],
  ["trace web-0 host/db-0 --size 1472 --df -o json", "an echo request of full size, as data"],
]);

/** `trace FROM TO`, or many with `--queries`. */
export function traceCommand(context: Context): Command {
  const command = new Command("trace")
    .description("follow a connection hop by hop and rule by rule, both directions, all outcomes")
    .argument("[from]", "pod/[NS/]NAME, deploy/[NS/]NAME, node/NAME, host/NAME, external, or an address")
    .argument("[to]", "ADDRESS[:PORT][/tcp|/udp|/icmp], svc/[NS/]NAME[:PORT], or pod/NAME[:PORT][/PROTO]");
  addSourceOptions(command)
    .option(
      "--at <host[:device]>",
      "FROM is an address outside: its packet arrives at this host, by this device",
    )
    .option("--proto <proto>", "tcp, udp or icmp")
    .option("--src <address>", "bind the sender to this address, or forge it")
    .option("--sport <port>", "source port")
    .option("--ttl <n>", "time to live")
    .option("--size <bytes>", "payload of the datagram or echo request")
    .option("--df", "don't fragment")
    .option("--tcp-flags <letters>", "one hand-made packet with these flags of F S R P A U E C")
    .option("--mark <mark>", "mark of the sending socket, such as 0x4000")
    .option("--uid <uid>", "owner of the sending socket")
    .option("--dev <device>", "device the sending socket is bound to")
    .option("--queries <file>", "many questions: one JSON object a line, - for stdin")
    .addOption(new Option("-o, --output <form>", "form of the answer").choices(["text", "json", "ndjson"]))
    .option("-q, --quiet", "the verdict alone")
    .option("-v, --verbose", "every hook, every rule that matched with the number evaluated, MAC addresses")
    .option("--verdict-only", "leave steps, frames and rules out of the JSON")
    .option("--arp", "ARP frames too")
    .option("--outcomes <n>", "list at most so many outcomes (1024)")
    .option(
      "--seed <n>",
      "follow only the outcome that this seed draws; with --queries, what sessions follow",
    )
    .option("--reasons", "print every reason a verdict can give, and stop")
    .option("-n, --namespace <name>", "namespace of names that say none (default)")
    .addOption(new Option("--time <t>").hideHelp())
    .addOption(new Option("--all-pods").hideHelp())
    .addHelpText("after", EXAMPLES)
    .action((from: string | undefined, to: string | undefined, options: TraceOptions) =>
      new TraceRun(context, options).run(from, to),
    );
  return command;
}

/** What had to be assumed to make hosts of objects stands before what the walk assumed. */
function withAssumptions(trace: Trace, assumptions: readonly string[]): Trace {
  return assumptions.length === 0 ? trace : { ...trace, assumptions: [...assumptions, ...trace.assumptions] };
}

class TraceRun {
  readonly #context: Context;
  readonly #options: TraceOptions;

  constructor(context: Context, options: TraceOptions) {
    this.#context = context;
    this.#options = options;
  }

  async run(from: string | undefined, to: string | undefined): Promise<void> {
    const { io } = this.#context;
    const options = this.#options;
    if (options.reasons) {
      io.write(reasonsText(widthOf(io), paintOf(io)));
      return;
    }
    const unbuilt = this.#unbuilt();
    if (unbuilt.length > 0) return fail(this.#context, unbuilt);
    const shape = this.#checkShape(from, to);
    const numbers = readNumbers(options);
    const messages = [shape, numbers].flatMap((each) => (each.kind === "invalid" ? each.messages : []));
    if (numbers.kind === "invalid" || messages.length > 0) return fail(this.#context, messages);
    const flags = objectFlags(options);
    if (flags.kind === "invalid") return fail(this.#context, flags.messages);
    const source = await loadSource(options.filename ?? [], io, flags.value);
    if (source.kind === "invalid") return fail(this.#context, source.messages);
    if (options.queries !== undefined) return this.#askMany(source.value, options.queries, numbers.value);
    return this.#askOne(source.value, from as string, to as string, numbers.value);
  }

  #unbuilt(): string[] {
    const { time, allPods } = this.#options;
    return [
      ...unbuiltOptions(this.#options as Readonly<Record<string, unknown>>),
      ...(time === undefined ? [] : [notBuiltYet("--time")]),
      ...(allPods === undefined ? [] : [notBuiltYet("--all-pods")]),
    ];
  }

  #checkShape(from: string | undefined, to: string | undefined): Result<null> {
    const { queries, quiet, verbose, filename = [] } = this.#options;
    if (quiet && verbose) return invalid("--quiet and --verbose contradict each other");
    if (queries !== undefined) {
      if (from !== undefined) return invalid("--queries has the questions: leave FROM and TO out");
      if (queries === "-" && filename.includes("-")) return invalid("-: stdin can be read only once");
      const one = QUESTION_OPTIONS.find((name) => this.#options[name] !== undefined);
      return one === undefined
        ? ok(null)
        : invalid(`--queries: give ${flagOf(one)} in the lines, each for its own`);
    }
    if (from === undefined)
      return invalid("FROM and TO are missing, such as: trace host/web-0 10.96.0.10:53/udp");
    return to === undefined
      ? invalid("TO is missing: an address or host/NAME, with :PORT and /PROTO")
      : ok(null);
  }

  #askOne(source: LoadedSource, from: string, to: string, numbers: Numbers): void {
    const { world, inventory } = source;
    const { at, proto, src, df, dev, tcpFlags, quiet, seed } = this.#options;
    const question: Question = {
      ...QUESTION_DEFAULTS,
      id: "q1",
      from,
      to,
      at: at ?? null,
      proto: proto ?? null,
      src: src ?? null,
      df: df ?? false,
      dev: dev ?? null,
      tcpFlags: tcpFlags ?? null,
      ...numbers,
    };
    const query = resolveQuestion(world, question, inventory);
    if (query.kind === "invalid") {
      fail(this.#context, query.messages);
      return;
    }
    const session = new Session(new Network(world), numbers.seed);
    const asked = ask(session, query.value, {
      outcomes: numbers.outcomes,
      mode: seed === undefined ? "explore" : "seeded",
      verdictOnly: quiet === true && this.#output === "text",
    });
    const trace = withAssumptions(asked, source.assumptions);
    this.#note(trace);
    this.#context.io.write(
      this.#output === "json" ? `${JSON.stringify(this.#json(trace), null, 2)}\n` : this.#line(trace),
    );
  }

  async #askMany(
    { world, inventory, assumptions }: LoadedSource,
    file: string,
    numbers: Numbers,
  ): Promise<void> {
    const { io } = this.#context;
    const text = await readText(file, file, io);
    if (text.kind === "invalid") return fail(this.#context, text.messages);
    const verdictOnly =
      this.#options.verdictOnly === true || (this.#options.quiet === true && this.#output === "text");
    const bulk = new Bulk(world, { outcomes: numbers.outcomes, seed: numbers.seed, verdictOnly, inventory });
    const list: unknown[] = [];
    let wrong = false;
    for (const [i, line] of text.value.split("\n").entries()) {
      const plain = bulk.answer(line, i + 1);
      if (plain === null) continue;
      const answer =
        plain.kind === "trace" ? { ...plain, trace: withAssumptions(plain.trace, assumptions) } : plain;
      if (answer.kind === "error") wrong = true;
      if (answer.kind === "trace") this.#note(answer.trace);
      if (this.#output === "json") list.push(this.#answerJson(answer));
      else io.write(this.#answerText(answer));
    }
    if (this.#output === "json") io.write(`${JSON.stringify(list, null, 2)}\n`);
    if (wrong) this.#context.exitCode = EXIT.wrong;
  }

  /** Exit code 1 as soon as some outcome does not arrive. */
  #note(trace: Trace): void {
    const arrives = trace.outcomes.every(({ verdict }) => verdict.disposition === "DELIVERED");
    if (!arrives) this.#context.exitCode = EXIT.negative;
  }

  get #output(): "text" | "json" | "ndjson" {
    return this.#options.output ?? "text";
  }

  #json(trace: Trace): unknown {
    const { arp, verdictOnly } = this.#options;
    return traceJson(withRemedies(trace), { arp: arp === true, verdictOnly: verdictOnly === true });
  }

  #line(trace: Trace): string {
    if (this.#output === "ndjson") return `${JSON.stringify(this.#json(trace))}\n`;
    const { io } = this.#context;
    const { quiet, verbose, arp } = this.#options;
    const detail = quiet ? "quiet" : verbose ? "verbose" : "normal";
    return traceText(withRemedies(trace), {
      width: widthOf(io),
      paint: paintOf(io),
      detail,
      arp: arp === true,
    });
  }

  #answerJson(answer: Answer): unknown {
    switch (answer.kind) {
      case "trace":
        return this.#json(answer.trace);
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

  #answerText(answer: Answer): string {
    if (this.#output === "ndjson") return `${JSON.stringify(this.#answerJson(answer))}\n`;
    const { quiet } = this.#options;
    switch (answer.kind) {
      case "trace":
        return quiet
          ? `${answer.trace.id}: ${this.#line(answer.trace)}`
          : `${answer.trace.id}: ${this.#line(answer.trace)}\n`;
      case "step":
        return `${answer.id}: ${answer.step} done\n${answer.output ?? ""}${quiet ? "" : "\n"}`;
      case "error":
        return `${answer.id}: error in line ${answer.line}: ${answer.message}\n${quiet ? "" : "\n"}`;
      default:
        answer satisfies never;
        throw new Error("unknown answer");
    }
  }
}

/** The options that make a question, which lines of `--queries` bring themselves. */
const QUESTION_OPTIONS = [
  ...(["at", "proto", "src", "sport", "ttl", "size", "df", "tcpFlags", "mark", "uid", "dev"] as const),
];

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

type Numbers = Pick<Question, "sport" | "ttl" | "size" | "mark" | "uid"> & {
  readonly outcomes: number;
  readonly seed: number;
};

const MOST_OUTCOMES = 1_000_000;

function readNumbers(options: TraceOptions): Result<Numbers> {
  const messages: string[] = [];
  const read = (name: "sport" | "ttl" | "size" | "uid"): number | null => {
    const text = options[name];
    const [low, high] = BOUNDS[name];
    return text === undefined ? null : take(parseWhole(text, `--${name}`, low, high));
  };
  const take = <T>(result: Result<T>): T | null => {
    if (result.kind === "ok") return result.value;
    messages.push(...result.messages);
    return null;
  };
  const { mark, outcomes = "1024", seed = "1" } = options;
  const numbers: Numbers = {
    sport: read("sport"),
    ttl: read("ttl"),
    size: read("size"),
    uid: read("uid") ?? 0,
    mark: (mark === undefined ? 0 : take(parseMark(mark, "--mark"))) ?? 0,
    outcomes: take(parseWhole(outcomes, "--outcomes", 1, MOST_OUTCOMES)) ?? 1,
    seed: take(parseWhole(seed, "--seed", 0, 0xffff_ffff)) ?? 1,
  };
  return messages.length === 0 ? ok(numbers) : invalid(...messages);
}
