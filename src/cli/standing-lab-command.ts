import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { formatOnPath } from "../address/ip6-handle.ts";
import { formatProtocol } from "../kernel/netfilter/save/protocol.ts";
import { whyUnfit } from "../lab/live/fit.ts";
import { probeReport } from "../lab/live/probe-report.ts";
import {
  enterLab,
  isStanding,
  lower,
  netnsName,
  raise,
  serveLab,
  standingLabs,
  standingWorld,
} from "../lab/live/standing-lab.ts";
import type { RecordedQuery } from "../lab/recorded.ts";
import { flagLetters } from "../walk/packet-view.ts";
import type { Query } from "../walk/query.ts";
import { readSnapshot } from "../world/snapshot-in.ts";
import { writeSnapshot } from "../world/snapshot-out.ts";
import type { World } from "../world/world.ts";
import { type Context, fail } from "./context.ts";
import { examples } from "./examples.ts";
import { EXIT } from "./exit-code.ts";
import { hostList } from "./host-reference.ts";
import { QUESTION_DEFAULTS, resolveQuestion } from "./question.ts";
import { loadSource } from "./source.ts";
import { addSourceOptions, objectFlags, type SourceOptions } from "./source-options.ts";
import { paintOf } from "./terminal.ts";

const DEFAULT_NAME = "lab";

interface UpOptions extends SourceOptions {
  readonly name: string;
  readonly only?: string[];
}

interface ProbeOptions extends SourceOptions {
  readonly name: string;
  readonly proto?: string;
  readonly namespace?: string;
  readonly output?: "text" | "json";
}

/** `lab up`, `lab probe`, `lab down`: the modelled hosts as real network namespaces. */
export function standingLabCommands(context: Context): Command[] {
  const name = "name of the lab: its namespaces are hopscope-NAME-HOST";
  const up = addSourceOptions(
    new Command("up").description("build the hosts as real network namespaces (root)"),
  )
    .option("--name <name>", name, DEFAULT_NAME)
    .option("--only <host...>", "these hosts alone")
    .addHelpText("after", examples([["lab up -f fixtures/nmt", "the bundled cluster, with its servers"]]))
    .action((options: UpOptions) => raiseLab(context, options));
  const probe = addSourceOptions(
    new Command("probe")
      .description("send a real packet, and print its path beside the modelled one")
      .argument("<from>", "who sends, as for trace")
      .argument("<to>", "where to, as for trace"),
  )
    .option("--name <name>", name, DEFAULT_NAME)
    .option(
      "--proto <proto>",
      "tcp, udp or icmp; any other of /etc/protocols, or its number, is one bare packet",
    )
    .option("-n, --namespace <name>", "namespace of names that say none (default)")
    .addHelpText(
      "after",
      examples([["lab probe deploy/nginx svc/tomcat:8080 -f fixtures/nmt", "the source is that of lab up"]]),
    )
    .action((from: string, to: string, options: ProbeOptions) => probeLab(context, from, to, options));
  const down = new Command("down")
    .description("take it down again, also after a crash")
    .argument("[name]", "which lab", DEFAULT_NAME)
    .addHelpText("after", examples([["lab down", "everything that lab up made"]]))
    .action((which: string) => lowerLab(context, which));
  const serve = new Command("serve-lab").argument("<name>").action(async (which: string) => {
    const world = worldOf(which);
    if (world !== null) await serveLab(which, world);
  });
  return [up, probe, down, serve];
}

async function raiseLab(context: Context, options: UpOptions): Promise<void> {
  const { io } = context;
  const { name } = options;
  if (!/^[a-z0-9]([a-z0-9.]*[a-z0-9])?$/.test(name)) {
    return fail(context, [`--name ${name}: small letters, digits and dots are expected`]);
  }
  if (standingLabs().includes(name)) {
    return fail(context, [
      `the lab ${name} stands already: hopscope lab down ${name}, or give another --name`,
    ]);
  }
  const world = await worldFor(context, options);
  if (world === null) return;
  const unknown = (options.only ?? []).filter((host) => !world.hosts.has(host));
  if (unknown.length > 0)
    return fail(
      context,
      unknown.map(
        (host) => `--only ${host}: there is no such host: they are ${hostList([...world.hosts.keys()])}`,
      ),
    );
  const part = options.only === undefined ? world : onlyHosts(world, new Set(options.only));
  const unfit = whyUnfit(part);
  if (unfit.length > 0) return fail(context, unfit);
  // Interrupted, everything made so far is taken down before the program ends.
  const stop = (): void => {
    lower(name);
    process.exit(EXIT.negative);
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    const script = fileURLToPath(new URL("./main.js", import.meta.url));
    const runner = import.meta.url.endsWith(".ts")
      ? ["--import", "tsx", script.replace(/js$/, "ts")]
      : [script];
    const { notSet } = await raise(name, part, writeSnapshot(part), [
      process.execPath,
      ...runner,
      "lab",
      "serve-lab",
      name,
    ]);
    for (const setting of notSet) io.warn(`warning: not set: ${setting}\n`);
    const [first = "HOST"] = part.hosts.keys();
    io.write(`${part.hosts.size} hosts stand; enter one with: ip netns exec ${netnsName(name, first)} sh\n`);
  } catch (error) {
    fail(context, [(error as Error).message]);
  } finally {
    process.removeListener("SIGINT", stop);
    process.removeListener("SIGTERM", stop);
  }
}

function lowerLab(context: Context, name: string): void {
  if (process.getuid?.() !== 0) {
    fail(context, ["the lab is root's: run it as root"]);
    return;
  }
  const count = lower(name);
  context.io.write(count === 0 ? `there is no lab ${name}\n` : `${count} hosts taken down\n`);
}

async function probeLab(context: Context, from: string, to: string, options: ProbeOptions): Promise<void> {
  const { io } = context;
  const { name } = options;
  const standing = worldOf(name);
  if (standing === null) {
    return fail(context, [`there is no lab ${name}: hopscope lab up builds one`]);
  }
  if (!isStanding(name)) {
    return fail(context, [
      `the lab ${name} is not complete: it is being built, or its building or its servers ended early (hopscope lab down ${name} clears it away)`,
    ]);
  }
  const flags = objectFlags(options);
  if (flags.kind === "invalid") return fail(context, flags.messages);
  const source = await loadSource(options.filename ?? [], io, flags.value);
  if (source.kind === "invalid") return fail(context, source.messages);
  const question = { ...QUESTION_DEFAULTS, id: "probe", from, to, proto: options.proto ?? null };
  const query = resolveQuestion(source.value.world, question, source.value.inventory);
  if (query.kind === "invalid") return fail(context, query.messages);
  if (query.value.arrives || !standing.hosts.has(query.value.host)) {
    return fail(context, [`from ${JSON.stringify(from)}: no host of the lab ${name} sends that`]);
  }
  if (query.value.proto === "sctp")
    return fail(context, [`to ${JSON.stringify(to)}: a lab cannot make an association of SCTP`]);
  const lab = enterLab(name, standing, query.value.dport);
  try {
    const report = await probeReport(lab, recordedQuery(query.value), paintOf(io));
    io.write(report.text);
    if (!report.agrees) context.exitCode = EXIT.negative;
  } finally {
    lab.detach();
  }
}

function recordedQuery(query: Query): RecordedQuery {
  const {
    host,
    family,
    proto,
    protocol,
    dst,
    dport,
    src,
    sport,
    ttl,
    size,
    df,
    mark,
    uid,
    dev,
    raw,
    tcpFlags,
  } = query;
  return {
    from: host,
    proto: proto === "ip" ? formatProtocol(protocol) : proto,
    dst: formatOnPath(family, dst),
    ...(dport === null ? {} : { dport }),
    ...(src === null ? {} : { src: formatOnPath(family, src) }),
    ...(sport !== null ? { sport } : proto === "icmp" ? { sport: (process.pid & 0x7fff) | 1 } : {}),
    ...(ttl === null ? {} : { ttl }),
    ...(size === null ? {} : { size }),
    ...(dev === null ? {} : { dev }),
    ...(tcpFlags === null ? {} : { flags: flagLetters(tcpFlags) }),
    ...{ df, mark, uid, raw },
    // Nobody holds a connection open for a bare packet, but an error about it is waited for.
    ...(proto === "ip" ? { listens: true } : {}),
  };
}

async function worldFor(context: Context, options: SourceOptions): Promise<World | null> {
  const flags = objectFlags(options);
  if (flags.kind === "invalid") {
    fail(context, flags.messages);
    return null;
  }
  const source = await loadSource(options.filename ?? [], context.io, flags.value);
  if (source.kind === "ok") return source.value.world;
  fail(context, source.messages);
  return null;
}

/** The World that a lab was built of. */
function worldOf(name: string): World | null {
  const text = standingWorld(name);
  if (text === undefined) return null;
  const snapshot = readSnapshot(name, text);
  return snapshot.kind === "ok" ? snapshot.world : null;
}

function onlyHosts(world: World, wanted: ReadonlySet<string>): World {
  return {
    ...world,
    hosts: new Map([...world.hosts].filter(([name]) => wanted.has(name))),
    wires: world.wires.filter(({ a, b }) => wanted.has(a.host) && wanted.has(b.host)),
  };
}
