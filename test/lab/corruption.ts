import type { RecordedFrame, RecordedProbe, RecordedRuleHit, RecordedVisit } from "../../src/lab/recorded.ts";

/** One thing of a recorded probe changed: what, where, and the probe as it then reads. */
export interface Corruption {
  readonly what: string;
  readonly where: string;
  readonly version: RecordedProbe;
}

type Plain = Readonly<Record<string, unknown>>;
type Path = readonly (string | number)[];

/** A copy with the value at a path replaced, or taken away where the replacement is undefined. */
export function withValue<T>(value: T, path: Path, change: (old: unknown) => unknown): T {
  const [head, ...rest] = path;
  if (head === undefined) return change(value) as T;
  if (Array.isArray(value)) {
    return value.map((item, i) => (i === head ? withValue(item, rest, change) : item)) as T;
  }
  const copy: Record<string, unknown> = { ...(value as Plain) };
  const changed = withValue(copy[head as string], rest, change);
  if (changed === undefined) delete copy[head as string];
  else copy[head as string] = changed;
  return copy as T;
}

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce((at, key) => (at as Plain | undefined)?.[key as string], value);
}

/** Frames with everything a `same` leaves out, so that each can be changed alone. */
export function expanded(probe: RecordedProbe): RecordedProbe {
  const last = new Map<number, RecordedFrame>();
  const frames = (probe.frames ?? []).map((frame) => {
    const before = last.get(frame.pkt);
    const { same, ...own } = frame;
    const whole = same === true && before !== undefined ? { ...before, ...own } : own;
    last.set(frame.pkt, whole);
    return whole;
  });
  return { ...probe, frames };
}

/** What the definition of agreement leaves out of a frame: times, lengths, numbers the kernel makes up, the bytes. */
const NOT_COMPARED = new Set(["t", "len", "id", "seq", "ack", "tos", "tclass", "type", "hex"]);
const COMPARED_AFTER_ALL = new Set(["icmp.type", "icmp.id"]);

function isCompared(path: Path): boolean {
  const keys = path.filter((key) => typeof key === "string");
  return !NOT_COMPARED.has(keys.at(-1) as string) || COMPARED_AFTER_ALL.has(keys.slice(-2).join("."));
}

function* leaves(value: unknown, path: Path): Generator<Path> {
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* leaves(item, [...path, i]);
  else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) yield* leaves(item, [...path, key]);
  } else if (value !== undefined) yield path;
}

/** Another value of the same kind. */
export function changed(old: unknown): unknown {
  if (typeof old === "number") return old + 1;
  if (typeof old === "boolean") return !old;
  const text = old as string;
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(text))
    return `${text.slice(0, -1)}${text.endsWith("0") ? "1" : "0"}`;
  if (/\d\D*$/.test(text)) return text.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10));
  return `${text}X`;
}

/** Every way to change, take away, double or swap one thing that is compared; the probe's frames are to be expanded. */
export function* corruptions(probe: RecordedProbe): Generator<Corruption> {
  yield* ofFields(probe);
  yield* ofFrames(probe);
  yield* ofVisits(probe);
  yield* ofEntries(probe);
  yield* ofOutcome(probe);
}

function* ofFields(probe: RecordedProbe): Generator<Corruption> {
  const parts = ["outcome", "frames", "trace", "conntrack", "ipvsConnections"] as const;
  for (const part of parts) {
    for (const path of leaves(probe[part], [part])) {
      if (part === "frames" && !isCompared(path)) continue;
      const where = path.join(".");
      const old = valueAt(probe, path);
      yield { what: "changed", where, version: withValue(probe, path, changed) };
      const isItem = typeof path.at(-1) === "number";
      const says = old !== false && old !== 0 && path[1] !== "client";
      if (says && !isItem && path.at(-1) !== "pkt" && path.at(-1) !== "packet") {
        yield { what: "taken away", where, version: withValue(probe, path, () => undefined) };
      }
    }
  }
  if ((probe.query.count ?? 1) > 1) return;
  for (const [i, hit] of (probe.rulesHit ?? []).entries()) {
    for (const key of ["ns", "table", "chain", "rule", "packets"] as const) {
      const version = withValue(probe, ["rulesHit", i, key], changed);
      yield { what: "changed", where: `rulesHit.${i}.${key} ${hit.chain}`, version };
    }
  }
}

function* ofList(probe: RecordedProbe, path: Path): Generator<Corruption> {
  const list = (valueAt(probe, path) ?? []) as readonly unknown[];
  for (const i of list.keys()) {
    const where = [...path, i].join(".");
    const set = (items: readonly unknown[]): RecordedProbe => withValue(probe, path, () => items);
    yield { what: "removed", where, version: set(list.toSpliced(i, 1)) };
    yield { what: "doubled", where, version: set(list.toSpliced(i, 0, list[i])) };
  }
}

function* ofFrames(probe: RecordedProbe): Generator<Corruption> {
  const frames = probe.frames ?? [];
  yield* ofList(probe, ["frames"]);
  for (const [i, frame] of frames.entries()) {
    const where = `frames.${i}`;
    for (const header of ["eth", "ip", "ip6", "tcp", "udp", "icmp", "vxlan"] as const) {
      if (frame[header] === undefined) continue;
      const version = withValue(probe, ["frames", i, header], () => undefined);
      yield { what: `${header} taken away`, where, version };
    }
    const next = frames.findIndex((other, j) => j > i && other.pkt === frame.pkt);
    if (next > 0) yield { what: "swapped", where, version: swapped(probe, "frames", i, next) };
  }
}

function swapped(probe: RecordedProbe, part: "frames" | "trace", i: number, j: number): RecordedProbe {
  const list = probe[part] as readonly unknown[];
  return { ...probe, [part]: list.with(i, list[j]).with(j, list[i]) };
}

function* ofVisits(probe: RecordedProbe): Generator<Corruption> {
  const visits = probe.trace ?? [];
  yield* ofList(probe, ["trace"]);
  for (const [i, visit] of visits.entries()) {
    const path = ["trace", i, "steps"];
    yield* ofList(probe, path);
    for (const [n, step] of visit.steps.entries()) {
      const where = `${path.join(".")}.${n}`;
      const marked = (): string => (step.includes("mark=") ? `${step}1` : `${step} mark=0x1`);
      yield { what: "marked", where, version: withValue(probe, [...path, n], marked) };
      const next = visit.steps[n + 1];
      if (next === undefined || next === step) continue;
      const steps = visit.steps.with(n, next).with(n + 1, step);
      yield { what: "swapped", where, version: withValue(probe, path, () => steps) };
    }
    const next = visits.findIndex((other, j) => j > i && other.pkt === visit.pkt && other.ns === visit.ns);
    if (next > 0) yield { what: "swapped", where: `trace.${i}`, version: swapped(probe, "trace", i, next) };
  }
}

function* ofEntries(probe: RecordedProbe): Generator<Corruption> {
  yield* ofList(probe, ["conntrack"]);
  for (const [i, entry] of (probe.conntrack ?? []).entries()) {
    yield* ofList(probe, ["conntrack", i, "flags"]);
    const where = `conntrack.${i}`;
    const flags = [...entry.flags, "EXTRA"];
    yield { what: "flag added", where, version: withValue(probe, ["conntrack", i, "flags"], () => flags) };
    yield { what: "mark added", where, version: withValue(probe, ["conntrack", i, "mark"], () => 7) };
  }
  if ((probe.query.count ?? 1) > 1) return;
  if (probe.ipvsConnections !== undefined) yield* ofList(probe, ["ipvsConnections"]);
  yield* ofList(probe, ["rulesHit"]);
}

function* ofOutcome(probe: RecordedProbe): Generator<Corruption> {
  yield* ofList(probe, ["outcome", "serverSaw"]);
  const added: Plain = {
    errno: "EIO",
    answeredBy: "nobody",
    ownPacket: true,
    icmp: { type: 3, code: 1, from: "192.0.2.1" },
    reset: { from: "192.0.2.1" },
  };
  for (const [key, value] of Object.entries(added)) {
    if (valueAt(probe.outcome, [key]) !== undefined) continue;
    yield {
      what: "added",
      where: `outcome.${key}`,
      version: withValue(probe, ["outcome", key], () => value),
    };
  }
}

/** May a corruption go unnoticed because what it touches is excused? Judged here anew, from the README of the recordings. */
export function touchesExcused(probe: RecordedProbe, { what, where }: Corruption): boolean {
  // What a TCP client sends in bulk is not modelled.
  if (probe.query.proto === "tcp" && probe.query.size !== undefined) return true;
  const [part, at] = where.split(".");
  // Neighbour discovery was taken out of a policy's counter, perhaps once too often.
  if (part === "rulesHit") {
    const { family, rule, packets } = (probe.rulesHit ?? [])[Number(at)] as RecordedRuleHit;
    return family === 6 && rule === 0 && (packets === 1 || what === "changed");
  }
  if (part !== "frames" && part !== "trace") return false;
  const { pkt } = (probe[part] ?? [])[Number(at)] as RecordedFrame | RecordedVisit;
  // To a recorder an echo whose id was translated is another packet, so that a number more tells nothing.
  if (part === "trace" && where.endsWith(".pkt") && probe.query.proto === "icmp")
    return probe.query.dst.includes(":");
  if (isRepeated(probe, pkt) || isAlike(probe, pkt, what)) return true;
  // The branches of a flood come in any order.
  if (
    what === "swapped" &&
    (probe.frames ?? []).some((one) => one.pkt === pkt && one.dir === "in-broadcast")
  ) {
    return true;
  }
  if (part === "frames") return isExcused(probe, Number(at));
  const visit = (probe.trace ?? [])[Number(at)] as RecordedVisit;
  const isRedirect = (probe.frames ?? []).some((one) => one.pkt === pkt && one.icmp?.type === 5);
  return isRedirect || (visit.packet?.startsWith("icmp 5/") ?? false);
}

/** A SYN sent again, and another error about one: their looks are those of a packet before. */
function isRepeated({ frames = [] }: RecordedProbe, pkt: number): boolean {
  const at = frames.findIndex((frame) => frame.pkt === pkt);
  const first = frames[at];
  const looks = first === undefined ? null : looksOf(first);
  return looks !== null && frames.slice(0, at).some((frame) => frame.pkt !== pkt && looksOf(frame) === looks);
}

/** Errors of IPv6 about packets that look alike are one packet to a recorder; one doubled is two. */
function isAlike({ frames = [] }: RecordedProbe, pkt: number, what: string): boolean {
  const own = frames.filter((frame) => frame.pkt === pkt);
  if (!own.some(({ ip6, icmp }) => ip6 !== undefined && icmp?.orig?.tcp !== undefined)) return false;
  const places = own.map((frame) => `${frame.ns} ${frame.if} ${frame.dir}`);
  return what === "doubled" || new Set(places).size < places.length;
}

function looksOf({ ip, ip6, tcp, icmp }: RecordedFrame): string | null {
  const { src, dst } = ip ?? ip6 ?? {};
  if (tcp?.flags === "S") return `${src} ${dst} ${tcp.sport} ${tcp.dport}`;
  const quoted = icmp?.orig?.tcp;
  return quoted === undefined ? null : `${src} ${icmp?.type} ${icmp?.code} ${quoted.sport} ${quoted.dport}`;
}

function isExcused(probe: RecordedProbe, at: number): boolean {
  const frames = probe.frames ?? [];
  const frame = frames[at] as RecordedFrame;
  // A redirect.
  if (frame.icmp?.type === 5) return true;
  // The bridge's extra `out`: by a bridge right after the packet came in by a port, which shows it as another's.
  const before = frames.slice(0, at).findLast((other) => other.pkt === frame.pkt && other.ns === frame.ns);
  return frame.dir === "out" && frame.if.startsWith("cni") && before?.dir === "in-otherhost";
}
