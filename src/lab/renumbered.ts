import { IPPROTO_ICMPV6 } from "../packet/packet.ts";
import type { RecordedFrame, RecordedProbe, RecordedVisit } from "./recorded.ts";

/**
 * IPv6 has no identification: a recorder knows an echo by its ICMP id and sequence number. So one whose id was translated
 * is another packet to it from there on; the answers of several hosts to one echo are one packet, and so are errors about
 * packets that look alike. Here they are given the numbers that they would have with an identification.
 */
export function renumbered(recorded: RecordedProbe): RecordedProbe {
  const probe = errorsApart(recorded);
  const echoes = (probe.frames ?? []).filter(isEcho6);
  if (echoes.length === 0) return probe;
  return probe.query.dst.startsWith("ff") ? answersApart(probe) : translatedTogether(probe, echoes);
}

const ECHO_REQUEST = 128;
const ECHO_REPLY = 129;

/**
 * A frame that stands whole: one that repeats the one before says nothing of itself. A first piece is known by its fragments' number, as
 * the others are.
 */
function isEcho6({ ip, icmp }: RecordedFrame): boolean {
  if (ip?.proto !== IPPROTO_ICMPV6 || ip.mf === true) return false;
  return icmp?.type === ECHO_REQUEST || icmp?.type === ECHO_REPLY;
}

function translatedTogether(probe: RecordedProbe, echoes: readonly RecordedFrame[]): RecordedProbe {
  const numbers = new Map<number, number>();
  const last = new Map<number, RecordedFrame>();
  /** As the packet was said to be last, for frames that repeat it. */
  const looks = new Map<number, RecordedFrame>();
  const echoing = new Set(echoes.map(({ pkt }) => pkt));
  for (const frame of probe.frames ?? []) {
    if (!echoing.has(frame.pkt)) continue;
    if (!last.has(frame.pkt) && frame.dir === "out") {
      const before = [...last].find(([number, { ns, dir }]) => {
        const seen = looks.get(number);
        return ns === frame.ns && dir.startsWith("in") && seen !== undefined && isTranslated(seen, frame);
      });
      if (before !== undefined) numbers.set(frame.pkt, numbers.get(before[0]) ?? before[0]);
    }
    last.set(frame.pkt, frame);
    if (frame.same !== true) looks.set(frame.pkt, frame);
  }
  const number = (pkt: number): number => numbers.get(pkt) ?? pkt;
  return numbers.size === 0 ? probe : withNumbers(probe, ({ pkt }) => number(pkt), number);
}

/** The same echo, but for its id, and one hop on. */
function isTranslated({ ip, icmp }: RecordedFrame, after: RecordedFrame): boolean {
  return (
    icmp?.type === after.icmp?.type &&
    icmp?.seq === after.icmp?.seq &&
    icmp?.id !== after.icmp?.id &&
    ip?.len === after.ip?.len &&
    ip?.ttl === (after.ip?.ttl ?? 0) + 1
  );
}

/** A packet for each host that answers, and for each time that it does. */
function answersApart(probe: RecordedProbe): RecordedProbe {
  let next = 1 + Math.max(0, ...(probe.frames ?? []).map(({ pkt }) => pkt));
  /** By recorded number and answerer: the numbers given, each with the places where it was seen. */
  const given = new Map<string, { readonly number: number; readonly places: Set<string> }[]>();
  const looks = new Map<string, RecordedFrame>();
  const numbered = new Map<RecordedFrame, number>();
  for (const frame of probe.frames ?? []) {
    const whole = frame.same === true ? looks.get(String(frame.pkt)) : frame;
    if (whole === undefined) continue;
    looks.set(String(frame.pkt), whole);
    if (whole.icmp?.type !== ECHO_REPLY) continue;
    const key = `${frame.pkt} ${whole.ip?.src}`;
    const answers = given.get(key) ?? [];
    given.set(key, answers);
    const place = `${frame.ns} ${frame.if} ${frame.dir}`;
    let own = answers.find(({ places }) => !places.has(place));
    if (own === undefined) {
      own = { number: next++, places: new Set() };
      answers.push(own);
    }
    own.places.add(place);
    numbered.set(frame, own.number);
  }
  const ofVisit = ({ pkt, packet }: RecordedVisit): number =>
    given.get(`${pkt} ${/^icmp6 129\/0 ([^>]*)>/.exec(packet ?? "")?.[1]}`)?.[0]?.number ?? pkt;
  return {
    ...withNumbers(
      probe,
      (frame) => numbered.get(frame) ?? frame.pkt,
      (pkt) => pkt,
    ),
    ...(probe.trace === undefined
      ? {}
      : { trace: probe.trace.map((visit) => ({ ...visit, pkt: ofVisit(visit) })) }),
  };
}

/**
 * An error sent again from where it was sent before, with as many hops left, is another; what one of them does next is told by the first's
 * places. One that is twice only where it passes by has been copied there, and copies are the packet itself.
 */
function errorsApart(probe: RecordedProbe): RecordedProbe {
  const { frames = [], trace } = probe;
  const errors = new Set(frames.filter(isError6).map(({ pkt }) => pkt));
  if (errors.size === 0) return probe;
  let next = 1 + Math.max(...frames.map(({ pkt }) => pkt));
  const given = new Map<number, { readonly number: number; readonly places: Set<string> }[]>();
  const numbered = new Map<RecordedFrame, number>();
  const hops = new Map<number, number | undefined>();
  const origins = new Map<number, string>();
  for (const frame of frames) {
    if (!errors.has(frame.pkt)) continue;
    if (frame.same !== true) hops.set(frame.pkt, frame.ip?.ttl);
    const copies = given.get(frame.pkt) ?? [{ number: frame.pkt, places: new Set<string>() }];
    given.set(frame.pkt, copies);
    const place = `${frame.ns} ${frame.if} ${frame.dir} ${hops.get(frame.pkt)}`;
    const origin = origins.get(frame.pkt) ?? place;
    origins.set(frame.pkt, origin);
    let own = copies.find(({ places }) => !places.has(place));
    if (own === undefined && place !== origin) own = copies.at(-1);
    if (own === undefined) {
      own = { number: next++, places: new Set() };
      copies.push(own);
    }
    own.places.add(place);
    numbered.set(frame, own.number);
  }
  if ([...given.values()].every(({ length }) => length === 1)) return probe;
  const visited = new Map<string, number>();
  const visitsOf = (visit: RecordedVisit): RecordedVisit[] => {
    const { ns, hook, pkt, steps: all } = visit;
    const copies = given.get(pkt) ?? [];
    const key = `${ns} ${hook} ${pkt}`;
    const before = visited.get(key) ?? 0;
    const runs = runsOf(all, copies.length - before);
    visited.set(key, before + runs.length);
    return runs.map((steps, i) => ({ ...visit, steps, pkt: copies[before + i]?.number ?? pkt }));
  };
  return {
    ...withNumbers(
      probe,
      (frame) => numbered.get(frame) ?? frame.pkt,
      (pkt) => pkt,
    ),
    ...(trace === undefined ? {} : { trace: trace.flatMap(visitsOf) }),
  };
}

/** The same steps several times over, at most `most` times: a run each. */
function runsOf(steps: readonly string[], most: number): (readonly string[])[] {
  for (let count = most; count > 1; count--) {
    const length = steps.length / count;
    if (!Number.isInteger(length) || length === 0) continue;
    const once = steps.slice(0, length);
    if (steps.every((step, i) => step === once[i % length])) return new Array(count).fill(once);
  }
  return [steps];
}

function isError6({ ip, icmp }: RecordedFrame): boolean {
  return ip?.proto === IPPROTO_ICMPV6 && icmp !== undefined && icmp.type < ECHO_REQUEST;
}

function withNumbers(
  probe: RecordedProbe,
  ofFrame: (frame: RecordedFrame) => number,
  of: (pkt: number) => number,
): RecordedProbe {
  const { frames = [], trace, nftTrace } = probe;
  const last = new Map<number, RecordedFrame>();
  const wholes = frames.map((frame): RecordedFrame => {
    const { same: _, ...rest } = { ...last.get(frame.pkt), ...frame };
    const whole = frame.same === true ? rest : frame;
    last.set(frame.pkt, whole);
    return { ...whole, pkt: ofFrame(frame) };
  });
  return {
    ...probe,
    frames: wholes,
    ...(trace === undefined ? {} : { trace: trace.map((visit) => ({ ...visit, pkt: of(visit.pkt) })) }),
    ...(nftTrace === undefined
      ? {}
      : {
          nftTrace: nftTrace.map((step) => (step.pkt === undefined ? step : { ...step, pkt: of(step.pkt) })),
        }),
  };
}
