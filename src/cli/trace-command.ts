import { Command, Option } from "commander";
import { encodePcapng, withoutArp } from "../packet/pcapng.ts";
import { oddsText } from "../present/odds-text.ts";
import { reasonsText } from "../present/reasons-text.ts";
import { ask } from "../walk/ask.ts";
import { Network } from "../walk/network.ts";
import { Session } from "../walk/session.ts";
import type { Trace } from "../walk/trace.ts";
import { Bulk } from "./bulk.ts";
import type { ObjectFlags } from "./cluster-source.ts";
import { compareProxyModes, comparisonText, faultOfComparison } from "./compare-modes.ts";
import { type Context, fail } from "./context.ts";
import { everyPodOf } from "./every-pod.ts";
import { examples } from "./examples.ts";
import { EXIT } from "./exit-code.ts";
import { notBuiltYet } from "./not-built-yet.ts";
import { withClientAt } from "./outside-client.ts";
import { QUESTION_DEFAULTS, type Question, resolveQuestion } from "./question.ts";
import { invalid, ok, type Result } from "./result.ts";
import { type LoadedSource, loadSource } from "./source.ts";
import { readText } from "./source-files.ts";
import { addSourceOptions, objectFlags, unbuiltOptions } from "./source-options.ts";
import { paintOf, widthOf } from "./terminal.ts";
import { flagOf, type Numbers, QUESTION_OPTIONS, readNumbers, type TraceOptions } from "./trace-options.ts";
import { type Asked, TraceOutput } from "./trace-output.ts";

const EXAMPLES = examples([
  ["trace deploy/nginx svc/tomcat:8080", "from a workload's pod to a Service of the bundled example"],
  ["trace deploy/tomcat svc/mysql:3306 -q", "the verdict alone"],
  [
    "trace external node/node1:30080 -v",
    "a client outside, by a node port; every hook and rule that matched",
  ],
  ["trace 203.0.113.99 10.96.0.88:8080 --at node/node1:eth0", "a packet that arrives from outside the model"],
  ["trace node/node2 10.244.0.2 --size 1400 --df -o json", "a large echo request, as data"],
  ["trace web-0 [fd00:10:244:b::12]:8080 -f fixtures/truth/k-dual-pair.json.gz", "over IPv6"],
  [
    "trace deploy/nginx svc/tomcat:8080 --compare-proxy-modes",
    "where kube-proxy's iptables, IPVS and nftables modes differ",
  ],
  [
    "trace deploy/nginx svc/tomcat:8080 -f fixtures/nmt-mistake",
    "a source of your own: here a Service with a mistake",
  ],
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
    .option("-4, --ipv4", "look names up in IPv4")
    .option("-6, --ipv6", "look names up in IPv6: of hosts and Services of both families IPv4 is taken else")
    .option(
      "--proto <proto>",
      "tcp, udp, sctp or icmp; any other of /etc/protocols, or its number, is one bare packet",
    )
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
    .addOption(
      new Option("-o, --output <form>", "form of the answer").choices(["text", "json", "ndjson", "pcapng"]),
    )
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
    .option(
      "--all-pods",
      "ask for every pod of a workload that FROM or TO names, not for its first ready one",
    )
    .option(
      "--compare-proxy-modes",
      "ask in each of kube-proxy's modes, with questions that tell them apart, and list where they differ",
    )
    .addOption(new Option("--time <t>").hideHelp())
    .addHelpText("after", EXAMPLES)
    .action((from: string | undefined, to: string | undefined, options: TraceOptions) =>
      new TraceRun(context, options).run(from, to),
    );
  return command;
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
    if (options.compareProxyModes) {
      return this.#compare(
        this.#questionOf(from as string, to as string, numbers.value),
        flags.value,
        numbers.value,
      );
    }
    const source = await loadSource(options.filename ?? [], io, flags.value);
    if (source.kind === "invalid") return fail(this.#context, source.messages);
    if (options.queries !== undefined) return this.#askMany(source.value, options.queries, numbers.value);
    return this.#askOne(source.value, from as string, to as string, numbers.value);
  }

  #unbuilt(): string[] {
    const { time } = this.#options;
    return [
      ...unbuiltOptions(this.#options as Readonly<Record<string, unknown>>),
      ...(time === undefined ? [] : [notBuiltYet("--time")]),
    ];
  }

  #checkShape(from: string | undefined, to: string | undefined): Result<null> {
    const { queries, quiet, verbose, ipv4, ipv6, filename = [] } = this.#options;
    if (quiet && verbose) return invalid("--quiet and --verbose contradict each other");
    if (ipv4 && ipv6) return invalid("--ipv4 and --ipv6 contradict each other");
    if (this.#options.output === "pcapng") {
      const fault = this.#faultOfCapture();
      if (fault !== null) return invalid(fault);
    }
    const comparing = this.#options.compareProxyModes === true ? faultOfComparison(this.#options) : null;
    if (comparing !== null) return invalid(comparing);
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

  async #compare(question: Question, flags: ObjectFlags, { outcomes }: Numbers): Promise<void> {
    const { io } = this.#context;
    const { filename = [], output = "text" } = this.#options;
    const compared = await compareProxyModes(question, filename, flags, io, outcomes);
    if (compared.kind === "invalid") return fail(this.#context, compared.messages);
    const [asked] = compared.value;
    for (const { trace } of asked?.answers ?? []) this.#note(trace);
    io.write(comparisonText(compared.value, output, io));
  }

  /** A capture is bytes, of one question, and whole. */
  #faultOfCapture(): string | null {
    const { queries, quiet, verbose, verdictOnly, allPods } = this.#options;
    if (queries !== undefined) return "-o pcapng: a capture is of one question: leave --queries out";
    for (const [flag, given] of Object.entries({
      quiet,
      verbose,
      "verdict-only": verdictOnly,
      "all-pods": allPods,
    })) {
      if (given === true) return `-o pcapng and --${flag} contradict each other: a capture holds every frame`;
    }
    if (this.#context.io.columns === null) return null;
    return "-o pcapng: a capture is no text for a terminal: send it to a file or a pipe, such as > trace.pcapng";
  }

  /** Of several outcomes the first is captured: a capture shows what happened once. */
  #capture(trace: Trace): void {
    const [first, ...others] = trace.outcomes;
    if (first?.capture === undefined) return;
    if (others.length > 0) {
      const odds = first.probability === null ? "of unknown odds" : oddsText(first.probability);
      this.#context.io.warn(
        `${others.length + 1} outcomes: the capture is of the first (${odds}); --seed draws another\n`,
      );
    }
    const { arp } = this.#options;
    this.#context.io.writeBytes(encodePcapng(arp === true ? first.capture : withoutArp(first.capture)));
  }

  #questionOf(from: string, to: string, numbers: Numbers): Question {
    const { at, proto, src, df, dev, tcpFlags, ipv4, ipv6 } = this.#options;
    return {
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
      family: ipv6 === true ? 6 : ipv4 === true ? 4 : null,
      ...numbers,
    };
  }

  #askOne(source: LoadedSource, from: string, to: string, numbers: Numbers): void {
    const { allPods } = this.#options;
    const question = this.#questionOf(from, to, numbers);
    const asked = this.#askEach(source, question, numbers);
    if (asked.kind === "invalid") {
      fail(this.#context, asked.messages);
      return;
    }
    for (const { trace } of asked.value) this.#note(trace);
    if (this.#options.output === "pcapng") {
      this.#capture((asked.value[0] as Asked).trace);
      return;
    }
    const output = this.#outputOf(source);
    const text =
      allPods === true
        ? manyText(output, asked.value)
        : output.options.form === "json"
          ? indented(output.json(asked.value[0] as Asked))
          : output.line(asked.value[0] as Asked);
    this.#context.io.write(text);
  }

  /** The question itself, or with `--all-pods` one for each pod; all of them or none. */
  #askEach(source: LoadedSource, question: Question, numbers: Numbers): Result<readonly Asked[]> {
    const questions =
      this.#options.allPods === true ? everyPodOf(question, source.inventory) : ok([question]);
    if (questions.kind === "invalid") return questions;
    const answers: Asked[] = [];
    for (const each of questions.value) {
      const asked = this.#ask(source, each, numbers);
      if (asked.kind === "invalid") return asked;
      answers.push(asked.value);
    }
    return ok(answers);
  }

  #ask(source: LoadedSource, question: Question, numbers: Numbers): Result<Asked> {
    const { inventory } = source;
    // Nobody knows what else a recorded client might have been.
    const outside = inventory === null ? ok(source.world) : withClientAt(source.world, question.from);
    if (outside.kind === "invalid") return outside;
    const world = outside.value;
    const query = resolveQuestion(world, question, inventory);
    if (query.kind === "invalid") return query;
    const session = new Session(new Network(world), numbers.seed);
    const mode = this.#options.seed === undefined ? "explore" : "seeded";
    const capture = this.#options.output === "pcapng";
    const trace = ask(session, query.value, { outcomes: numbers.outcomes, mode, capture });
    return ok({ trace, world, question });
  }

  async #askMany(source: LoadedSource, file: string, numbers: Numbers): Promise<void> {
    const { io } = this.#context;
    const text = await readText(file, file, io);
    if (text.kind === "invalid") return fail(this.#context, text.messages);
    const output = this.#outputOf(source);
    const { form } = output.options;
    const { verdictOnly = false } = this.#options;
    const { world, inventory } = source;
    const bulk = new Bulk(world, { outcomes: numbers.outcomes, seed: numbers.seed, verdictOnly, inventory });
    const list: unknown[] = [];
    let wrong = false;
    for (const [i, line] of text.value.split("\n").entries()) {
      const answer = bulk.answer(line, i + 1);
      if (answer === null) continue;
      if (answer.kind === "error") wrong = true;
      if (answer.kind === "trace") this.#note(answer.trace);
      if (form === "json") list.push(output.answerJson(answer));
      else io.write(output.answerText(answer));
    }
    if (form === "json") io.write(indented(list));
    if (wrong) this.#context.exitCode = EXIT.wrong;
  }

  /** Exit code 1 as soon as some outcome does not arrive. */
  #note(trace: Trace): void {
    if (!arrives(trace)) this.#context.exitCode = EXIT.negative;
  }

  #outputOf(source: LoadedSource): TraceOutput {
    const { output = "text", quiet, verbose, arp = false, verdictOnly = false } = this.#options;
    if (output === "pcapng") throw new Error("a capture is no text");
    const detail = quiet ? "quiet" : verbose ? "verbose" : "normal";
    return new TraceOutput(this.#context.io, source, { form: output, detail, arp, verdictOnly });
  }
}

/** A line for each, then the whole of the first that does not arrive. */
function manyText(output: TraceOutput, answers: readonly Asked[]): string {
  const { form, detail } = output.options;
  if (form === "json") return indented(answers.map((asked) => output.json(asked)));
  if (form === "ndjson") return answers.map((asked) => output.line(asked)).join("");
  if (detail === "verbose") return answers.map((asked) => output.line(asked)).join("\n");
  const failing = detail === "quiet" ? undefined : answers.find(({ trace }) => !arrives(trace));
  const all = answers.map((asked) => output.line(asked, "quiet")).join("");
  return failing === undefined ? all : `${all}\n${output.line(failing)}`;
}

function indented(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function arrives(trace: Trace): boolean {
  return trace.outcomes.every(({ verdict }) => verdict.disposition === "DELIVERED");
}
