import { type Family, familyOfAddress, parseIp } from "../address/ip.ts";
import { plainAddress } from "../address/ip6-handle.ts";
import { splitSocketAddress } from "../address/socket-address.ts";
import {
  type Asked,
  type Comparison,
  compareModes,
  type Telltale,
  telltalesFor,
} from "../analyze/proxy-modes.ts";
import { Services } from "../inventory/services.ts";
import { proxyModesJson } from "../present/proxy-modes-json.ts";
import { proxyModesText } from "../present/proxy-modes-text.ts";
import { PROXY_MODES, type ProxyMode } from "../proxy/configuration.ts";
import { ask } from "../walk/ask.ts";
import { Network } from "../walk/network.ts";
import type { Query } from "../walk/query.ts";
import { Session } from "../walk/session.ts";
import type { Trace } from "../walk/trace.ts";
import type { World } from "../world/world.ts";
import type { ObjectFlags } from "./cluster-source.ts";
import type { Io } from "./io.ts";
import { withClientAt } from "./outside-client.ts";
import { type Question, resolveQuestion } from "./question.ts";
import { invalid, ok, type Result } from "./result.ts";
import { type LoadedSource, loadSource } from "./source.ts";
import { paintOf, widthOf } from "./terminal.ts";

/** The options that do not go with it. */
export interface OtherOptions {
  readonly filename?: readonly string[];
  readonly queries?: string;
  readonly allPods?: true;
  readonly seed?: string;
  readonly proxyMode?: string;
  readonly output?: string;
}

/** One question, in all modes, of files that can be read once for each; null where that can be done. */
export function faultOfComparison(options: OtherOptions): string | null {
  const { filename = [], queries, allPods, seed, proxyMode, output } = options;
  if (filename.includes("-"))
    return "--compare-proxy-modes reads the source once for each mode: give a file instead of -";
  const capture = output === "pcapng" ? output : undefined;
  const others = {
    "--queries": queries,
    "--all-pods": allPods,
    "--seed": seed,
    "--proxy-mode": proxyMode,
    "-o pcapng": capture,
  };
  const other = Object.entries(others).find(([, given]) => given !== undefined);
  return other === undefined ? null : `--compare-proxy-modes and ${other[0]} contradict each other`;
}

export function comparisonText(comparisons: readonly Comparison[], form: string, io: Io): string {
  if (form === "text") return proxyModesText(comparisons, { width: widthOf(io), paint: paintOf(io) });
  return `${JSON.stringify(proxyModesJson(comparisons), null, form === "json" ? 2 : undefined)}\n`;
}

/** The cluster of a source as it is under each of kube-proxy's modes. */
type Sources = ReadonlyMap<ProxyMode, LoadedSource>;

/** `trace FROM TO --compare-proxy-modes`: the question and its telltales, asked of one set of objects in each mode. */
export async function compareProxyModes(
  question: Question,
  paths: readonly string[],
  flags: ObjectFlags,
  io: Io,
  outcomes: number,
): Promise<Result<readonly Comparison[]>> {
  const sources = await loadEach(paths, flags, io);
  if (sources.kind === "invalid") return sources;
  const [first] = PROXY_MODES;
  const source = sources.value.get(first) as LoadedSource;
  const asked = placed(source, question);
  if (asked.kind === "invalid") return asked;
  const { world, query } = asked.value;
  const telltales = telltalesFor(knownOf(source, question, world, query));
  return ok(
    compareModes(telltales, (mode, telltale) => traceIn(sources.value, mode, question, telltale, outcomes)),
  );
}

async function loadEach(paths: readonly string[], flags: ObjectFlags, io: Io): Promise<Result<Sources>> {
  const sources = new Map<ProxyMode, LoadedSource>();
  for (const mode of PROXY_MODES) {
    // What there is to say of the files is said once.
    const own = sources.size === 0 ? io : { ...io, warn: () => {} };
    const loaded = await loadSource(paths, own, { ...flags, proxyMode: mode });
    if (loaded.kind === "invalid") return loaded;
    if (loaded.value.inventory === null)
      return invalid(
        "--compare-proxy-modes: the source holds no objects to make a cluster of: nodes as they were dumped have the mode they have",
      );
    sources.set(mode, loaded.value);
  }
  return ok(sources);
}

function placed(
  source: LoadedSource,
  question: Question,
): Result<{ readonly world: World; readonly query: Query }> {
  const outside = withClientAt(source.world, question.from);
  if (outside.kind === "invalid") return outside;
  const query = resolveQuestion(outside.value, question, source.inventory);
  return query.kind === "invalid" ? query : ok({ world: outside.value, query: query.value });
}

function knownOf(source: LoadedSource, question: Question, world: World, query: Query): Asked {
  return {
    from: question.from,
    to: question.to,
    sender: query.host,
    destination: plainAddress(query.family, query.dst),
    families: familiesOf(source, question, query),
    port: query.dport ?? 0,
    proto: query.proto,
    world,
    services: new Services(world, source.inventory?.objects ?? null),
    serviceCidrs: source.inventory?.serviceCidrs ?? [],
  };
}

/** A name may mean either family, where the cluster has both: the question's own, then the other. */
function familiesOf(source: LoadedSource, { to, family }: Question, query: Query): Family[] {
  const { address } = splitSocketAddress(to.replace(/\/\w+$/, ""));
  const isNamed = family === null && parseIp(address) === undefined;
  const ranges = (source.inventory?.serviceCidrs ?? []).map(({ address }) => familyOfAddress(address));
  return [query.family, ...ranges.filter((other) => isNamed && other !== query.family)];
}

/** A telltale sends as the question does; where it comes from elsewhere, as anybody would. */
function traceIn(
  sources: Sources,
  mode: ProxyMode,
  question: Question,
  { from, to }: Telltale,
  outcomes: number,
): Trace {
  const isSame = from === question.from;
  const { at, src, dev } = isSame ? question : { at: null, src: null, dev: null };
  const own = isSame && to === question.to;
  const asked: Question = {
    ...question,
    from,
    to,
    at,
    src,
    dev,
    ...(own ? {} : { proto: null, tcpFlags: null }),
  };
  const found = placed(sources.get(mode) as LoadedSource, asked);
  if (found.kind === "invalid") throw new Error(found.messages.join("; "));
  const session = new Session(new Network(found.value.world));
  return ask(session, found.value.query, { outcomes, mode: "explore", capture: false });
}
