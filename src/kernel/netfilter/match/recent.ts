import { type IpAddress, inetNtop } from "../../../address/ip.ts";
import { type Ip6, intern, internIpv6 } from "../../../address/ip6-handle.ts";
import type { Packet } from "../../../packet/packet.ts";
import { ChainOverlay, type Chains } from "../chain-map.ts";
import * as RECENT from "../recent.ts";
import { internRecentList, type RecentLists, type RecentQuery } from "../recent.ts";
import type { Rule, Ruleset } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { compareRuns } from "../rule-runs.ts";
import { fullMask, readAddress } from "../save/address.ts";
import { optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { RECENT_CHECK, RECENT_REMOVE, RECENT_SET, RECENT_UPDATE } = RECENT;

/** Was the address seen of late? (net/netfilter/xt_recent.c; the lists themselves are in `netfilter/recent.ts`.) */
export interface RecentMatch extends Match {
  readonly kind: "recent";
  readonly invert: boolean;
  readonly action: RecentAction;
  /** 0: any time. */
  readonly seconds: number;
  readonly reap: boolean;
  /** 0: any number. */
  readonly hitCount: number;
  readonly ttl: boolean;
  readonly name: string;
  readonly mask: IpAddress;
  readonly side: "source" | "dest";
}

export type RecentAction = "set" | "rcheck" | "update" | "remove";

/** What stands for options not given (`recent_init`). */
const RECENT_DEFAULTS: Omit<RecentMatch, "action"> = {
  kind: "recent",
  invert: false,
  seconds: 0,
  reap: false,
  hitCount: 0,
  ttl: false,
  name: "DEFAULT",
  mask: -1,
  side: "source",
};

const ACTIONS: Readonly<Record<RecentAction, RecentQuery["action"]>> = {
  set: RECENT_SET,
  rcheck: RECENT_CHECK,
  update: RECENT_UPDATE,
  remove: RECENT_REMOVE,
};

/** `XT_RECENT_NAME_LEN`, less the final zero. */
const MAX_NAME = 199;
/** `XT_RECENT_MAX_NSTAMPS` less one, since Linux 6.11; 255 before. */
const MAX_HITS = 65535;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const recent: MatchModule<RecentMatch> = {
  kind: "recent",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<RecentMatch> = {
      ...RECENT_DEFAULTS,
      mask: fullMask(reader.family),
      action: "set",
    };
    let acts = false;
    const act = (action: RecentAction) => () => {
      if (acts) reader.fail("only one of --set, --rcheck, --update and --remove is allowed");
      acts = true;
      match.invert = reader.negated();
      match.action = action;
    };
    reader.options({
      "--set": act("set"),
      "--rcheck": act("rcheck"),
      "--update": act("update"),
      "--remove": act("remove"),
      "--seconds": () => {
        match.seconds = reader.uint(0xffffffff, 1);
      },
      "--reap": () => {
        match.reap = true;
      },
      "--hitcount": () => {
        match.hitCount = reader.uint(MAX_HITS);
      },
      "--rttl": () => {
        match.ttl = true;
      },
      "--name": () => {
        match.name = reader.word("the name of a list");
        if (
          !/^[^/\s]{1,}$/.test(match.name) ||
          match.name.length > MAX_NAME ||
          /^\.{1,2}$/.test(match.name)
        ) {
          reader.failValue(`${JSON.stringify(match.name)} is no file name, as a list's name must be`);
        }
      },
      "--mask": () => {
        match.mask = readAddress(reader);
      },
      "--rsource": () => {
        match.side = "source";
      },
      "--rdest": () => {
        match.side = "dest";
      },
    });
    if (!acts) reader.fail("it needs --set, --rcheck, --update or --remove");
    if (match.reap && match.seconds === 0) reader.fail("--reap needs --seconds");
    if (
      (match.action === "set" || match.action === "remove") &&
      (match.seconds || match.hitCount || match.ttl)
    ) {
      reader.fail(`--${match.action} takes no --seconds, --hitcount, --rttl or --reap`);
    }
    return match;
  },

  format: (match) =>
    optionText(
      match.invert && "!",
      `--${match.action}`,
      match.seconds > 0 && `--seconds ${match.seconds}`,
      match.reap && "--reap",
      match.hitCount > 0 && `--hitcount ${match.hitCount}`,
      match.ttl && "--rttl",
      `--name ${match.name}`,
      `--mask ${inetNtop(match.mask)}`,
      match.side === "source" ? "--rsource" : "--rdest",
    ),

  compile: (match) => new RecentTest(match),
};

/** Make the lists that the rules of a host name, as loading them does. */
export function declareRecentLists(ruleset: Ruleset, lists: RecentLists): void {
  const declare = ({ name, mask, hitCount }: RecentMatch) =>
    lists.declare(internRecentList(name), maskOnPath(mask), hitCount);
  for (const { chains } of ruleset.tables.values()) {
    if (!(chains instanceof ChainOverlay)) {
      for (const matches of namedIn(chains).values()) matches.forEach(declare);
      continue;
    }
    const shared = namedIn(chains.base);
    for (const [name, matches] of shared) if (!chains.own.has(name)) matches.forEach(declare);
    for (const { name, rules } of chains.own.values()) {
      // Where the chain named none before, only its new rules are looked at.
      const old = shared.has(name) ? [] : (chains.base.get(name)?.rules ?? []);
      compareRuns(
        rules,
        old,
        () => {},
        (at, count) => namedBy(rules.slice(at, at + count)).forEach(declare),
      );
    }
  }
}

const named = new WeakMap<Chains, ReadonlyMap<string, readonly RecentMatch[]>>();

/** The matches of each chain that has any: looked for once in chains that many tables share. */
function namedIn(chains: Chains): ReadonlyMap<string, readonly RecentMatch[]> {
  const known = named.get(chains);
  if (known !== undefined) return known;
  const found = new Map<string, readonly RecentMatch[]>();
  for (const { name, rules } of chains.values()) {
    const own = namedBy(rules);
    if (own.length > 0) found.set(name, own);
  }
  named.set(chains, found);
  return found;
}

function namedBy(rules: readonly Rule[]): RecentMatch[] {
  const found: RecentMatch[] = [];
  for (const { matches } of rules) {
    for (const match of matches) if (match.kind === "recent") found.push(match as RecentMatch);
  }
  return found;
}

/**
 * As the list holds it, one for both families: IPv4 gives the first word, and leaves noughts behind it (`xtopt_parse_hostmask`;
 * iptables-save writes every mask out).
 */
function maskOnPath(mask: IpAddress): Ip6 {
  return typeof mask === "number" ? intern(mask, 0, 0, 0) : internIpv6(mask);
}

/** Runs per packet. */
class RecentTest implements MatchTest {
  private readonly query: RecentQuery;
  private readonly bySource: boolean;

  constructor(match: RecentMatch) {
    this.query = {
      list: internRecentList(match.name),
      action: ACTIONS[match.action],
      invert: match.invert,
      seconds: match.seconds,
      hitCount: match.hitCount,
      reap: match.reap,
      ttl: match.ttl,
      mask: maskOnPath(match.mask),
    };
    this.bySource = match.side === "source";
  }

  test(packet: Packet, context: RuleContext): boolean {
    // The TTL as it was before forwarding took one off.
    const forwarded = context.outIf !== 0 && packet.socket < 0 && packet.uid < 0;
    const ttl = (forwarded ? packet.ttl + 1 : packet.ttl) & 0xff;
    const address = this.bySource ? packet.src : packet.dst;
    return (
      context.recent.evaluate(this.query, packet.family, address, ttl, context.now) !== this.query.invert
    );
  }
}
