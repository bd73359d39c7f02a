import type { RecordedQuery } from "../../src/lab/recorded.ts";
import type { Dice } from "./dice.ts";
import { type Ground, PORTS } from "./topology.ts";

/** Always said: what a payload holds is known then, to rules that read it. */
const USUAL_SIZE = 16;
const SIZES = [0, 8, 100, 1300, 1372, 1400, 1428, 1472, 1473, 2000, 3000] as const;
/** Below the ports that the kernel picks for itself. */
const FIRST_PORT = 20_000;

/** Packets that something rare in a world is met by; what is not said is chance. */
export interface Aim extends Partial<RecordedQuery> {
  readonly from: string;
  readonly dst: string;
  /** What is sent next, while all that the first left behind is still there. */
  readonly next?: Aim;
  /** The world's last: what it begins does not end. */
  readonly isLast?: boolean;
}

/** How many packets of a world with aims have one. */
const AIMED = 0.45;

/**
 * Packets of all makes and of the world's families, aimed at what it has and at what it has not.
 *
 * @param shown aims that are had in their order, each once, as far as there is room
 */
export function randomQueries(
  dice: Dice,
  grounds: readonly Ground[],
  count: number,
  aims: readonly Aim[] = [],
  shown: readonly Aim[] = [],
): RecordedQuery[] {
  const every = Math.max(1, Math.floor(count / Math.max(1, shown.length)));
  const last = aims.find(({ isLast }) => isLast === true);
  const usual = aims.filter(({ isLast }) => isLast !== true);
  const queries: RecordedQuery[] = [];
  for (let turn = 0; queries.length < count; ) {
    const sport = FIRST_PORT + queries.length;
    const own = queries.length >= turn * every ? shown[turn++] : undefined;
    if (last !== undefined && queries.length === count - 1) queries.push(aimed(dice, last, sport));
    else if (own !== undefined) queries.push(...inARow(dice, own, sport));
    else if (usual.length > 0 && dice.chance(AIMED)) queries.push(...inARow(dice, dice.pick(usual), sport));
    else {
      const [only] = grounds;
      const ground = grounds.length === 1 && only !== undefined ? only : dice.pick(grounds);
      queries.push(randomQuery(dice, ground, sport));
    }
  }
  return queries.slice(0, count);
}

function inARow(dice: Dice, { next, ...aim }: Aim, sport: number): RecordedQuery[] {
  const first = aimed(dice, aim, sport);
  return next === undefined
    ? [first]
    : [first, { ...aimed(dice, next, first.sport ?? sport), keepState: true }];
}

function aimed(dice: Dice, { next: _, isLast: __, ...aim }: Aim, sport: number): RecordedQuery {
  const proto = aim.proto ?? dice.pick(["tcp", "udp", "icmp"]);
  return { proto, sport, count: 1, ...(isPorted(proto) ? { dport: dice.pick(PORTS) } : {}), ...aim };
}

function isPorted(proto: string): boolean {
  return proto === "tcp" || proto === "udp";
}

function randomQuery(dice: Dice, ground: Ground, sport: number): RecordedQuery {
  const { plan } = ground;
  const from = dice.pick(ground.clients);
  const proto = dice.weighted<"tcp" | "udp" | "icmp">([
    [4, "tcp"],
    [4, "udp"],
    [3, "icmp"],
  ]);
  const dst = dice.weighted([
    [12, () => dice.pick(ground.addresses)],
    [1.2, () => dice.pick(ground.virtual)],
    [0.6, () => dice.pick(plan.nowhere)],
    [0.3, () => plan.loopback],
    // Nobody has it, so that the question who does stays unanswered.
    [0.15, () => plan.nobody(dice.pick(ground.networks))],
    [plan.family === 6 ? 1 : 0, () => ofLink(dice, ground, from)],
  ])();
  const dport = dice.chance(0.93) ? dice.pick(PORTS) : dice.between(1, 1000);
  const base: RecordedQuery = {
    from,
    proto,
    dst,
    sport,
    count: 1,
    ...(proto === "icmp" ? {} : { dport }),
    ...(dice.chance(0.1) ? { ttl: dice.between(1, 6) } : {}),
    ...(dice.chance(0.35) ? { mark: dice.between(1, 3) } : {}),
  };
  if (dice.chance(0.09)) return forged(dice, ground, base);
  const own = ownAddresses(ground, from).filter((address) => address !== plan.loopback);
  return {
    ...base,
    ...(dice.chance(0.15) ? { uid: 1000 } : {}),
    ...(proto !== "tcp" ? { size: dice.chance(0.3) ? dice.pick(SIZES) : USUAL_SIZE } : {}),
    ...(proto !== "tcp" && dice.chance(0.3) ? { df: true } : {}),
    ...(own.length > 0 && dice.chance(0.12) ? { src: dice.pick(own) } : {}),
  };
}

/** A host's addresses of a family, but those that are good on one link only. */
function ownAddresses({ draft, plan }: Ground, host: string): string[] {
  const all = draft.hosts.get(host)?.addresses.map(({ address }) => address) ?? [];
  return all.filter(
    (address) => address.includes(":") === (plan.family === 6) && !address.startsWith("fe80:"),
  );
}

/** An address of a link that the host is on, or a group there. */
function ofLink(dice: Dice, { draft, plan }: Ground, from: string): string {
  const devices = draft.hosts
    .get(from)
    ?.addresses.filter(({ address }) => address.startsWith("fe80:"))
    .map(({ dev }) => dev);
  // Some pods have no IPv6 any more.
  if (devices === undefined || devices.length === 0) return dice.pick(plan.nowhere);
  const zone = dice.pick(devices);
  const others = [...draft.hosts.values()].flatMap(({ addresses }) =>
    addresses.filter(({ address }) => address.startsWith("fe80:")).map(({ address }) => address),
  );
  return `${dice.chance(0.75) ? dice.pick(others) : dice.pick(["ff02::1", "ff02::2", "fe80::dead"])}%${zone}`;
}

/** Sent as it is, whatever its source and flags. */
function forged(dice: Dice, ground: Ground, base: RecordedQuery): RecordedQuery {
  // Its checksum covers its source, which is therefore given; a TTL, since no socket gives one.
  const { nowhere, loopback, groups } = ground.plan;
  const own = ownAddresses(ground, base.from);
  const any = [...ground.addresses, ...nowhere, loopback, ...groups];
  const isExtended = ground.plan.family === 6 && dice.chance(0.3);
  return {
    ttl: 64,
    ...base,
    raw: true,
    listens: true,
    src: dice.pick(dice.chance(0.7) ? any : own),
    ...(base.proto === "tcp" ? { flags: dice.pick(["S", "SA", "A", "R", "F", "FA", "PA"]) } : {}),
    ...(base.proto !== "tcp" ? { size: dice.chance(0.3) ? dice.pick(SIZES) : USUAL_SIZE } : {}),
    ...(dice.chance(0.2) ? { df: true } : {}),
    ...(isExtended ? { extensions: randomExtensions(dice) } : {}),
  };
}

/** Headers of IPv6 before what is carried: options for every router, a way gone to its end, options for the destination; padding, or one of RFC 4727 to be skipped. */
function randomExtensions(dice: Dice): NonNullable<RecordedQuery["extensions"]> {
  const padded = () => dice.pick(["0000010400000000", "00011e0c000000000000000000000000"]);
  const all = [
    [0, padded()],
    [43, "0002000000000000fd990000000000000000000000000007"],
    [60, padded()],
  ] as const;
  const kept = new Set<(typeof all)[number]>(dice.some(all, dice.between(1, 3)));
  return all.filter((each) => kept.has(each));
}
