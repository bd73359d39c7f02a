import fc from "fast-check";
import type { Family } from "../../../src/address/ip.ts";
import { isAnywhere, lengthOfMasked, withoutHostBits } from "../../../src/address/masked.ts";
import { mask6Of } from "../../../src/address/prefix6.ts";
import type { Match } from "../../../src/kernel/netfilter/match/match.ts";
import {
  MATCH_PROTOCOLS,
  MATCHES,
  OTHER_FAMILY_MATCHES,
} from "../../../src/kernel/netfilter/match/registry.ts";
import type { Chain, Rule, Table } from "../../../src/kernel/netfilter/rule.ts";
import {
  NAT_PORT_PROTOCOLS,
  OTHER_FAMILY_TARGETS,
  TARGET_PROTOCOLS,
  TARGET_TABLES,
} from "../../../src/kernel/netfilter/target/registry.ts";
import { REJECT_WITH } from "../../../src/kernel/netfilter/target/reject.ts";
import type { Target } from "../../../src/kernel/netfilter/target/target.ts";
import { ipv6 } from "../../address/arbitraries.ts";
import {
  address,
  bits32,
  flag,
  interfacePattern,
  masked,
  match,
  maybe,
  name,
  negatable,
  port,
  text,
} from "./arbitrary-match.ts";
import { BUILT_IN_CHAINS } from "./built-in-chains.ts";

/** Generators of whole rule sets, small and readable, in the form the parser gives them. */

const natRange = (addresses: Family | null, flags: readonly ("random" | "randomFully" | "persistent")[]) =>
  fc
    .record({
      addresses: addresses ? maybe(fc.tuple(address(addresses), address(addresses))) : fc.constant(null),
      ports: maybe(fc.tuple(port(), port())),
      random: flag(),
      randomFully: flag(),
      persistent: flag(),
    })
    .filter(({ addresses: pair, ports }) => !addresses || pair !== null || ports !== null)
    .map(({ addresses: pair, ports, ...set }) => ({
      min: pair?.[0] ?? null,
      max: pair?.[1] ?? null,
      portMin: ports === null ? null : Math.min(...ports),
      portMax: ports === null ? null : Math.max(...ports),
      portBase: null,
      random: set.random && flags.includes("random"),
      randomFully: set.randomFully && flags.includes("randomFully"),
      persistent: set.persistent && flags.includes("persistent"),
    }));

const setReference = () => fc.record({ set: name(31), dimensions: fc.constantFrom(["src"], ["src", "dst"]) });

/** Each target's own fields. */
/** A prefix of up to 64 bits. */
const prefix64 = () =>
  fc
    .tuple(ipv6(), fc.integer({ min: 0, max: 64 }))
    .map(([bits, length]) => withoutHostBits({ address: bits, mask: mask6Of(length) }));

const npt = () => fc.record({ from: prefix64(), to: prefix64() });

export const targetFields = (family: Family): Readonly<Record<string, fc.Arbitrary<object>>> => ({
  AUDIT: fc.record({ type: fc.constantFrom("accept", "drop", "reject") }),
  CHECKSUM: fc.constant({}),
  CLASSIFY: fc.record({ major: fc.nat(0xffff), minor: fc.nat(0xffff) }),
  CONNMARK: fc
    .tuple(
      fc.oneof(
        fc.record({ mode: fc.constant("set"), ctMark: bits32(), ctMask: bits32() }),
        fc.record({ mode: fc.constantFrom("save", "restore"), nfMask: bits32(), ctMask: bits32() }),
      ),
      maybe(
        fc.record({ direction: fc.constantFrom("left", "right"), bits: fc.integer({ min: 1, max: 32 }) }),
      ),
    )
    .map(([fields, shift]) => ({ ...fields, shift })),
  CONNSECMARK: fc.record({ mode: fc.constantFrom("save", "restore") }),
  CT: fc.record({
    notrack: flag(),
    helper: maybe(name()),
    timeout: maybe(name()),
    ctEvents: fc.subarray(["new", "related", "destroy", "secmark"]),
    expEvents: fc.subarray(["new"]),
    zone: maybe(
      fc.record({
        id: fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.constant("mark")),
        direction: fc.constantFrom("both", "orig", "reply"),
      }),
    ),
  }),
  DNAT: fc.record({ range: natRange(family, ["random", "persistent"]) }),
  DSCP: fc.record({ dscp: fc.nat(63) }),
  ECN: fc
    .record({
      ece: fc.constantFrom(0, 1, null),
      cwr: fc.constantFrom(0, 1, null),
      ipEct: maybe(fc.nat(3)),
    })
    .filter((target) => Object.values(target).some((value) => value !== null)),
  HMARK: fc.record({
    srcPrefix: fc.nat(family === 6 ? 128 : 32),
    dstPrefix: maybe(fc.nat(family === 6 ? 128 : 32)),
    sportMask: maybe(fc.nat(0xffff)),
    dportMask: maybe(fc.nat(0xffff)),
    spiMask: fc.constant(null),
    sport: maybe(fc.nat(0xffff)),
    dport: maybe(fc.nat(0xffff)),
    spi: fc.constant(null),
    protocolMask: maybe(fc.nat(0xffff)),
    seed: fc.nat(0xffffffff),
    modulus: fc.integer({ min: 1, max: 0xffffffff }),
    offset: maybe(fc.nat(0xffffffff)),
    ofConnection: flag(),
  }),
  IDLETIMER: fc.record({ seconds: fc.integer({ min: 1, max: 9999 }), label: name(27), alarm: flag() }),
  HL: fc.record({ mode: fc.constantFrom("set", "dec", "inc"), value: fc.integer({ min: 1, max: 255 }) }),
  LOG: fc.record({
    prefix: text(),
    level: fc.nat(7),
    tcpSequence: flag(),
    tcpOptions: flag(),
    ipOptions: flag(),
    uid: flag(),
    macDecode: flag(),
  }),
  MARK: fc.record({ value: bits32(), mask: bits32() }),
  MASQUERADE: fc.record({ range: natRange(null, ["random", "randomFully"]) }),
  NETMAP: fc.record({
    to: masked(family)
      .filter((network) => lengthOfMasked(network) !== undefined)
      .map(withoutHostBits),
  }),
  NFLOG: fc
    .record({
      prefix: text(),
      group: fc.nat(65535),
      size: maybe(fc.nat(99)),
      range: fc.nat(99),
      threshold: fc.nat(99),
    })
    .map((target) => (target.size === null ? target : { ...target, range: 0 })),
  NFQUEUE: fc
    .record({ first: fc.nat(99), more: fc.nat(9), bypass: flag(), cpuFanout: flag() })
    .map(({ first, more, bypass, cpuFanout }) => ({
      first,
      last: first + more,
      bypass,
      cpuFanout: cpuFanout && more > 0,
    })),
  NOTRACK: fc.constant({}),
  SNPT: npt(),
  DNPT: npt(),
  SECMARK: fc.record({ context: name(99) }),
  LED: fc.record({
    trigger: name(16),
    delay: fc.oneof(fc.nat(99_999), fc.constant("inf")),
    alwaysBlink: flag(),
  }),
  RATEEST: fc.record({
    name: name(),
    intervalLog: fc.nat(5),
    ewmaLog: fc.integer({ min: 1, max: 20 }),
  }),
  REDIRECT: fc.record({ range: natRange(null, ["random"]) }),
  REJECT: fc.record({
    rejectWith: fc.constantFrom(...REJECT_WITH[family]),
  }),
  SET: fc
    .record({
      add: setReference(),
      exist: flag(),
      timeout: maybe(fc.nat(0xfffffffe)),
      del: maybe(setReference()),
      map: maybe(setReference()),
      mapMark: flag(),
      mapPrio: flag(),
      mapQueue: flag(),
    })
    .map((target) => ({
      ...target,
      mapMark: target.map !== null,
      mapPrio: target.map !== null && target.mapPrio,
      mapQueue: target.map !== null && target.mapQueue,
    })),
  SNAT: fc.record({ range: natRange(family, ["random", "randomFully", "persistent"]) }),
  SYNPROXY: fc.record({
    sackPerm: flag(),
    timestamp: flag(),
    wscale: fc.nat(14),
    mss: fc.nat(0xffff),
    ecn: flag(),
  }),
  TCPOPTSTRIP: fc.record({
    options: fc
      .uniqueArray(fc.integer({ min: 2, max: 255 }), { maxLength: 6 })
      .map((list) => list.sort((a, b) => a - b)),
  }),
  TEE: fc.record({ gateway: address(family), oif: maybe(fc.stringMatching(/^[a-z][a-z0-9]{0,13}$/)) }),
  TCPMSS: fc.record({ mss: fc.oneof(fc.nat(65495), fc.constant("clamp")) }),
  TOS: fc.record({ value: fc.nat(255), mask: fc.nat(255) }),
  TPROXY: fc.record({ port: port(), address: address(family), markValue: bits32(), markMask: bits32() }),
  TRACE: fc.constant({}),
  TTL: fc.record({ mode: fc.constantFrom("set", "dec", "inc"), value: fc.integer({ min: 1, max: 255 }) }),
});

/** Chains made by a user in every table. Only built-in chains jump to them, so there are no circles. */
const USER_CHAINS = ["one", "TWO-2_.x"];

const targetOfKind = (kind: string, family: Family): fc.Arbitrary<Target> =>
  (targetFields(family)[kind] as fc.Arbitrary<object>).map((fields) => ({ kind, ...fields }) as Target);

const unknownWords = () =>
  fc.array(fc.constantFrom("--foo", "bar", "!", '"a b"', '"q\\"q"', " --wide"), {
    minLength: 1,
    maxLength: 4,
  });

const target = (table: string, jumps: boolean, family: Family): fc.Arbitrary<Target | null> =>
  fc.oneof(
    fc.constantFrom(null, { kind: "ACCEPT" }, { kind: "DROP" }, { kind: "RETURN" }),
    ...Object.keys(targetFields(family))
      .filter(
        (kind) => !OTHER_FAMILY_TARGETS[family].has(kind) && (TARGET_TABLES.get(kind) ?? table) === table,
      )
      .map((kind) => targetOfKind(kind, family)),
    fc.record({
      kind: fc.constant("unknown"),
      name: fc.constantFrom("ACCOUNT", "FANCY"),
      args: unknownWords(),
    }),
    ...(jumps
      ? [fc.record({ kind: fc.constantFrom("jump", "goto"), chain: fc.constantFrom(...USER_CHAINS) })]
      : []),
  );

const asksTcpFlags = (part: object): readonly number[] | undefined => {
  const { cwr = null, ece = null } = part as { cwr?: unknown; ece?: unknown };
  return cwr !== null || ece !== null ? [6] : undefined;
};

/** The protocols all of a rule's parts allow, null if any; undefined when they cannot be together. */
function commonProtocols(
  matches: readonly Match[],
  aim: Target | null,
): readonly number[] | null | undefined {
  const wanted = [
    ...matches.map(({ kind }) => MATCH_PROTOCOLS.get(kind)),
    ...[...matches, ...(aim === null ? [] : [aim])].map(asksTcpFlags),
    aim === null ? undefined : TARGET_PROTOCOLS.get(aim.kind),
    (aim as { rejectWith?: string } | null)?.rejectWith === "tcp-reset" ? [6] : undefined,
    typeof (aim as { range?: { portMin?: unknown } } | null)?.range?.portMin === "number"
      ? NAT_PORT_PROTOCOLS
      : undefined,
  ].filter((protocols) => protocols !== undefined);
  if (wanted.length === 0) return null;
  const common = wanted.reduce((a, b) => a.filter((protocol) => b.includes(protocol)));
  return common.length === 0 ? undefined : common;
}

const matchList = (family: Family) =>
  fc.array(
    fc.oneof(
      ...[...MATCHES.keys()]
        .filter((kind) => !OTHER_FAMILY_MATCHES[family].has(kind))
        .map((kind) => match(kind, family)),
      fc.record({
        kind: fc.constant("unknown"),
        name: fc.constantFrom("fuzzy", "condition"),
        args: unknownWords(),
      }) as fc.Arbitrary<Match>,
    ),
    { maxLength: 3 },
  );

const counters = () =>
  fc.record({ packets: fc.nat(Number.MAX_SAFE_INTEGER), bytes: fc.nat(Number.MAX_SAFE_INTEGER) });

/** A rule of a table; the protocol is made to fit its parts. */
export const rule = (table: string, jumps: boolean, family: Family): fc.Arbitrary<Rule> =>
  fc
    .record({
      src: maybe(negatable(ruleAddress(family))),
      dst: maybe(negatable(ruleAddress(family))),
      inInterface: maybe(negatable(interfacePattern())),
      outInterface: maybe(negatable(interfacePattern())),
      protocol: maybe(negatable(fc.integer({ min: 1, max: 255 }))),
      fragment: family === 6 ? fc.constant(null) : maybe(negatable(fc.constant(true as const))),
      matches: matchList(family),
      target: target(table, jumps, family),
      counters: counters(),
      origin: fc.constant(0),
    })
    .filter(({ matches, target: aim }) => commonProtocols(matches, aim) !== undefined)
    .map((drawn) => {
      const [protocol] = commonProtocols(drawn.matches, drawn.target) ?? [];
      return protocol === undefined ? drawn : { ...drawn, protocol: { value: protocol, invert: false } };
    });

/** What `-s` holds: no host bits, and not everything, which would be no condition. */
const ruleAddress = (family: Family) =>
  masked(family)
    .map(withoutHostBits)
    .filter((one) => !isAnywhere(one));

const chain = (name: string, policy: Chain["policy"], table: string, family: Family): fc.Arbitrary<Chain> =>
  fc.record({
    name: fc.constant(name),
    policy: fc.constant(policy),
    policyCounters: policy === null ? fc.constant(null) : counters(),
    rules: fc.array(rule(table, policy !== null, family), { maxLength: 2 }),
  });

/** A table with all its chains. */
export const table = (name: string, family: Family): fc.Arbitrary<Table> => {
  const builtIn = (BUILT_IN_CHAINS[name] ?? []).map((chainName) => chain(chainName, "ACCEPT", name, family));
  const made = USER_CHAINS.map((chainName) => chain(chainName, null, name, family));
  return fc
    .tuple(...builtIn, ...made)
    .map((chains) => ({ name, chains: new Map(chains.map((one) => [one.name, one])) }));
};
