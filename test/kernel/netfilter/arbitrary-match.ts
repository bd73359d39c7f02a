import fc from "fast-check";
import type { Family, IpAddress } from "../../../src/address/ip.ts";
import { internMacNumber } from "../../../src/address/mac.ts";
import type { Masked } from "../../../src/address/masked.ts";
import { maskOf } from "../../../src/address/prefix.ts";
import { mask6Of } from "../../../src/address/prefix6.ts";
import { CT_STATE } from "../../../src/kernel/netfilter/match/conntrack-state.ts";
import type { Match } from "../../../src/kernel/netfilter/match/match.ts";
import { probabilityOf } from "../../../src/kernel/netfilter/match/statistic.ts";
import type { Negatable } from "../../../src/kernel/netfilter/rule.ts";
import { ipv4, ipv6 } from "../../address/arbitraries.ts";

const addressBits = (family: Family) => (family === 6 ? 128 : 32);

/** Generators of matches in the form the parser gives them, by kind. The protocol a match needs is for the rule to add. */

export const bits32 = () => fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
export const port = () => fc.oneof(fc.nat(65535), fc.constantFrom(0, 80, 443, 65535));
export const flag = () => fc.boolean();

export const negatable = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Negatable<T>> =>
  fc.record({ value, invert: fc.boolean() });

export const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });

const maybeNot = <T>(value: fc.Arbitrary<T>) => maybe(negatable(value));

export const range = (max: number) =>
  fc.tuple(fc.nat(max), fc.nat(max)).map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }));

export const masked = (family: Family): fc.Arbitrary<Masked> =>
  family === 6
    ? fc.oneof(
        fc
          .tuple(ipv6(), fc.integer({ min: 0, max: 128 }))
          .map(([address, length]) => ({ address, mask: mask6Of(length) })),
        fc.record({ address: ipv6(), mask: ipv6() }),
      )
    : fc.oneof(
        fc
          .tuple(ipv4(), fc.integer({ min: 0, max: 32 }))
          .map(([address, length]) => ({ address, mask: maskOf(length) })),
        fc.record({ address: ipv4(), mask: bits32() }),
      );

export const address = (family: Family): fc.Arbitrary<IpAddress> => (family === 6 ? ipv6() : ipv4());

/** Names of things: sets, lists, interfaces. */
export const name = (maxLength = 15) =>
  fc.stringMatching(new RegExp(`^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,${maxLength - 1}}$`));

export const text = () =>
  fc
    .oneof(
      fc.constantFrom("", "a b", 'say "x"', "it's", "back\\slash", "--x", "!", "é"),
      fc.string({ maxLength: 20 }),
    )
    .map(
      // One line of text: a dump cannot hold a line break, and is trimmed of nothing but blanks.
      (value) => value.replace(/[\r\n]/g, " "),
    );

export const interfacePattern = () =>
  fc
    .tuple(fc.stringMatching(/^[a-z][a-z0-9.-]{0,13}$/), fc.constantFrom("", "+"))
    .map(([stem, plus]) => stem + plus);

/** All ports are no condition, so they are never generated. */
const ports = () =>
  maybe(negatable(range(65535)).filter(({ value }) => value.min !== 0 || value.max !== 65535));

const any = <T extends object>(match: fc.Arbitrary<T>, isEmpty: (match: T) => boolean) =>
  match.filter((value) => !isEmpty(value));

const nothingSet = (match: object) =>
  Object.entries(match).every(([field, value]) => field === "kind" || value === null || value === false);

const setReference = () =>
  fc.record({
    set: name(31),
    dimensions: fc.array(fc.constantFrom("src" as const, "dst" as const), { minLength: 1, maxLength: 6 }),
  });

const counterTest = () =>
  fc.record({ mode: fc.constantFrom("eq", "ne", "lt", "gt"), value: fc.nat(Number.MAX_SAFE_INTEGER) });

const rate = () =>
  fc.record({ count: fc.integer({ min: 1, max: 10000 }), per: fc.constantFrom("sec", "min", "hour", "day") });

const hopCount = () => fc.record({ mode: fc.constantFrom("eq", "ne", "lt", "gt"), value: fc.nat(255) });

const icmpType = () => fc.record({ type: fc.nat(254), code: maybe(fc.nat(255)) });

const multiportList = () =>
  fc.array(
    fc.oneof(
      port().map((value) => ({ min: value, max: value })),
      range(65535).filter(({ min, max }) => min < max),
    ),
    { minLength: 1, maxLength: 7 },
  );

const spis = () => negatable(range(0xffffffff));

const optionsHeader = () =>
  fc.record({
    length: maybeNot(fc.nat(0xffffffff)),
    options: fc.array(fc.record({ type: fc.nat(255), length: maybe(fc.nat(255)) }), { maxLength: 4 }),
  });

const srhBounds = () =>
  maybe(
    fc
      .record({ value: fc.nat(255), eq: maybe(flag()), gt: maybe(flag()), lt: maybe(flag()) })
      .filter(({ eq, gt, lt }) => eq !== null || gt !== null || lt !== null),
  );

/** None that jumps: what it skips must be there. */
const bpfInstruction = () =>
  fc.record({
    code: fc.constantFrom(0x20, 0x30, 0x28, 0x54, 0x07, 0x87, 0xb1, 0x80),
    jt: fc.constant(0),
    jf: fc.constant(0),
    k: fc.nat(0xffffffff),
  });

/** Each kind's own fields. */
export const matchFields = (family: Family): Readonly<Record<string, fc.Arbitrary<object>>> => ({
  addrtype: fc
    .record({
      srcType: maybeNot(fc.integer({ min: 1, max: 0xfff })),
      dstType: maybeNot(fc.integer({ min: 1, max: 0xfff })),
      limitIface: fc.constantFrom(null, "in", "out"),
    })
    .filter(({ srcType, dstType }) => srcType !== null || dstType !== null),
  ah: fc.record({
    spis: spis(),
    length: family === 6 ? maybeNot(fc.nat(0xffffffff)) : fc.constant(null),
    reserved: family === 6 ? flag() : fc.constant(false),
  }),
  bpf: fc.record({
    program: fc
      .array(bpfInstruction(), { maxLength: 5 })
      .map((lines) => [...lines, { code: 6, jt: 0, jf: 0, k: 1 }]),
    path: fc.constant(""),
  }),
  cluster: fc
    .record({
      total: fc.integer({ min: 1, max: 32 }),
      bits: fc.integer({ min: 1, max: 0xffffffff }),
      invert: flag(),
      seed: bits32(),
    })
    .map(({ total, bits, ...rest }) => ({
      ...rest,
      total,
      nodes: (total === 32 ? bits : bits % (2 ** total - 1) || 1) | 0,
    })),
  comment: fc.record({ comment: text() }),
  connbytes: fc.record({
    range: negatable(
      fc.oneof(
        range(Number.MAX_SAFE_INTEGER - 1).map(({ min, max }) => ({ from: min, to: max + 1 })),
        fc.nat(Number.MAX_SAFE_INTEGER).map((from) => ({ from, to: null })),
      ),
    ),
    mode: fc.constantFrom("packets", "bytes", "avgpkt"),
    direction: fc.constantFrom("original", "reply", "both"),
  }),
  connlabel: fc.record({ label: negatable(fc.nat(127)), set: flag() }),
  cpu: fc.record({ cpu: negatable(fc.nat(0xffffffff)) }),
  devgroup: any(
    fc.record({
      src: maybeNot(fc.record({ value: bits32(), mask: bits32() })),
      dst: maybeNot(fc.record({ value: bits32(), mask: bits32() })),
    }),
    nothingSet,
  ),
  ecn: any(
    fc.record({
      cwr: maybeNot(fc.constant(true)),
      ece: maybeNot(fc.constant(true)),
      ipEct: maybeNot(fc.nat(3)),
    }),
    nothingSet,
  ),
  esp: fc.record({ spis: spis() }),
  helper: fc.record({ helper: negatable(name(29)) }),
  connlimit: fc.record({
    mode: fc.constantFrom("upto", "above"),
    limit: fc.nat(0xffffffff),
    mask: fc.nat(addressBits(family)),
    side: fc.constantFrom("saddr", "daddr"),
  }),
  connmark: fc.record({ value: bits32(), mask: bits32(), invert: flag() }),
  conntrack: any(
    fc.record({
      state: maybeNot(
        fc.subarray(Object.values(CT_STATE), { minLength: 1 }).map((bits) => bits.reduce((a, b) => a | b, 0)),
      ),
      protocol: maybeNot(fc.nat(255)),
      origSrc: maybeNot(masked(family)),
      origDst: maybeNot(masked(family)),
      replySrc: maybeNot(masked(family)),
      replyDst: maybeNot(masked(family)),
      origSport: maybeNot(range(65535)),
      origDport: maybeNot(range(65535)),
      replySport: maybeNot(range(65535)),
      replyDport: maybeNot(range(65535)),
      status: maybeNot(fc.integer({ min: 0, max: 15 })),
      expire: maybeNot(range(0xffffffff)),
      direction: fc.constantFrom(null, "ORIGINAL", "REPLY"),
    }),
    nothingSet,
  ),
  dscp: fc.record({ dscp: negatable(fc.nat(63)) }),
  eui64: fc.constant({}),
  cgroup: fc.oneof(
    fc.record({ classId: negatable(fc.nat(0xffffffff)), path: fc.constant(null) }),
    fc.record({ classId: fc.constant(null), path: negatable(text()) }),
  ),
  dccp: fc.record({
    sport: ports(),
    dport: ports(),
    types: maybeNot(fc.subarray(["REQUEST", "RESPONSE", "ACK", "INVALID"], { minLength: 1 })),
    option: maybeNot(fc.integer({ min: 1, max: 255 })),
  }),
  dst: optionsHeader(),
  hbh: optionsHeader(),
  ipcomp: fc.record({ spis: spis(), reserved: flag() }),
  mh: fc.record({ types: maybeNot(range(254)) }),
  nfacct: fc.record({ name: name(31) }),
  osf: fc.record({ genre: negatable(name()), ttl: maybe(fc.nat(2)), log: maybe(fc.nat(2)) }),
  rt: fc
    .record({
      type: maybeNot(fc.nat(4)),
      segmentsLeft: maybeNot(range(0xfffffffe)),
      length: maybeNot(fc.nat(0xffffffff)),
      reserved: flag(),
      addresses: fc.array(ipv6(), { maxLength: 3 }),
      notStrict: flag(),
    })
    .map((drawn) => {
      const isType0 = drawn.type?.value === 0 && !drawn.type.invert;
      const addresses = isType0 ? drawn.addresses : [];
      return {
        ...drawn,
        addresses,
        reserved: isType0 && drawn.reserved,
        notStrict: addresses.length > 0 && drawn.notStrict,
      };
    }),
  srh: fc.record({
    nextHeader: maybeNot(fc.nat(255)),
    length: srhBounds(),
    segmentsLeft: srhBounds(),
    lastEntry: srhBounds(),
    tag: maybeNot(fc.nat(0xffff)),
    previous: maybeNot(masked(6)),
    next: maybeNot(masked(6)),
    last: maybeNot(masked(6)),
  }),
  frag: fc.record({
    id: maybeNot(range(0xfffffffe)),
    length: maybeNot(fc.nat(0xffffffff)),
    reserved: flag(),
    position: fc.constantFrom("any", "first"),
    more: fc.constantFrom("any", "more", "last"),
  }),
  hashlimit: fc.record({
    mode: fc.constantFrom("upto", "above"),
    limit: rate(),
    burst: fc.integer({ min: 1, max: 1_000_000 }),
    keys: fc.subarray(["srcip", "srcport", "dstip", "dstport"]),
    name: name(),
    tableSize: fc.nat(9),
    tableMax: fc.nat(9),
    gcIntervalMs: fc.integer({ min: 1, max: 2000 }),
    expireMs: maybe(fc.integer({ min: 1, max: 9000 })),
    srcMask: maybe(fc.nat(addressBits(family) - 1)),
    dstMask: maybe(fc.nat(addressBits(family) - 1)),
    rateMatch: fc.constant(false),
    rateInterval: fc.constant(1),
  }),
  hl: hopCount(),
  icmp: fc.record({ type: negatable(fc.oneof(icmpType(), fc.constant({ type: 255, code: null }))) }),
  icmp6: fc.record({ type: negatable(icmpType()) }),
  iprange: fc
    .record({
      src: maybeNot(fc.record({ min: address(family), max: address(family) })),
      dst: maybeNot(fc.record({ min: address(family), max: address(family) })),
    })
    .filter((match) => !nothingSet(match)),
  ipv6header: fc.record({
    headers: negatable(fc.array(fc.constantFrom("ipv6-frag", "esp", "ah"), { minLength: 1, maxLength: 3 })),
    soft: flag(),
  }),
  ipvs: any(
    fc.record({
      ipvs: fc.constant(null),
      protocol: maybeNot(fc.nat(255)),
      address: maybeNot(masked(family)),
      port: maybeNot(port()),
      direction: fc.constantFrom(null, "ORIGINAL", "REPLY"),
      method: maybeNot(fc.constantFrom("GATE", "IPIP", "MASQ")),
      controlPort: maybeNot(port()),
    }),
    nothingSet,
  ),
  length: fc.record({ length: negatable(range(65535)) }),
  rateest: rateest(),
  limit: fc.record({ rate: rate(), burst: fc.integer({ min: 1, max: 10000 }) }),
  mac: fc.record({ source: negatable(fc.nat(0xffff_ffff_ffff).map(internMacNumber)) }),
  mark: fc.record({ value: bits32(), mask: bits32(), invert: flag() }),
  multiport: fc.record({
    side: fc.constantFrom("sports", "dports", "ports"),
    ports: negatable(multiportList()),
  }),
  owner: fc
    .record({
      socketExists: maybeNot(fc.constant(true)),
      uid: maybeNot(range(0xfffffffe)),
      gid: maybeNot(range(0xfffffffe)),
      supplementaryGroups: flag(),
    })
    .filter((match) => !nothingSet(match) && !(match.supplementaryGroups && match.gid === null)),
  physdev: any(
    fc.record({
      isIn: maybeNot(fc.constant(true)),
      in: maybeNot(interfacePattern()),
      isOut: maybeNot(fc.constant(true)),
      out: maybeNot(interfacePattern()),
      isBridged: maybeNot(fc.constant(true)),
    }),
    nothingSet,
  ),
  pkttype: fc.record({ type: negatable(fc.constantFrom("unicast", "broadcast", "multicast", "otherhost")) }),
  policy: fc.record({
    direction: fc.constantFrom("in", "out"),
    policy: fc.constant("ipsec"),
    strict: fc.constant(true),
    elements: fc.array(
      fc.record({
        reqid: negatable(fc.nat(0xffffffff)),
        spi: maybeNot(fc.nat(0xffffffff)),
        protocol: maybeNot(fc.constantFrom("ah", "esp", "ipcomp")),
        mode: fc.constant({ value: "tunnel", invert: false }),
        tunnelDst: maybeNot(masked(family)),
        tunnelSrc: maybeNot(masked(family)),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  quota: fc.record({ invert: flag(), quota: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String) }),
  realm: fc.record({
    realm: negatable(fc.oneof(fc.record({ value: bits32(), mask: bits32() }), fc.constant("cosmos"))),
  }),
  recent: fc
    .record({
      invert: flag(),
      action: fc.constantFrom("rcheck", "update"),
      seconds: fc.nat(10800),
      reap: flag(),
      hitCount: fc.nat(255),
      ttl: flag(),
      name: name(),
      mask: address(family),
      side: fc.constantFrom("source", "dest"),
    })
    .map((match) => ({ ...match, reap: match.reap && match.seconds > 0 })),
  rpfilter: fc.record({ loose: flag(), validMark: flag(), acceptLocal: flag(), invert: flag() }),
  sctp: fc.record({
    sport: ports(),
    dport: ports(),
    chunks: maybeNot(
      fc.record({
        scope: fc.constantFrom("any", "all", "only"),
        types: fc.constantFrom(["ALL"], ["NONE"], ["DATA:bE", "INIT"], ["ABORT"]),
      }),
    ),
  }),
  set: fc.record({
    set: negatable(setReference()),
    returnNomatch: flag(),
    updateCounters: flag(),
    updateSubcounters: flag(),
    packets: maybe(counterTest()),
    bytes: maybe(counterTest()),
  }),
  socket: fc.record({ transparent: flag(), noWildcard: flag(), restoreSkmark: flag() }),
  state: fc.record({
    states: negatable(
      fc
        .subarray([CT_STATE.NEW, CT_STATE.ESTABLISHED, CT_STATE.RELATED, CT_STATE.INVALID], { minLength: 1 })
        .map((bits) => bits.reduce<number>((a, b) => a | b, 0)),
    ),
  }),
  statistic: fc.oneof(
    fc.record({ mode: fc.constant("random"), probability: negatable(fc.nat(2 ** 31).map(probabilityOf)) }),
    fc
      .record({ every: fc.integer({ min: 1, max: 0xffffffff }), invert: flag(), packet: fc.nat(0xffffffff) })
      .map(({ every, invert, packet }) => ({
        mode: "nth",
        every: { value: every, invert },
        packet: packet % every,
      })),
  ),
  string: fc
    .record({
      pattern: fc.array(fc.nat(255), { minLength: 1, maxLength: 128 }),
      algorithm: fc.constantFrom("bm", "kmp"),
      window: range(65535),
      ignoreCase: flag(),
      invert: flag(),
    })
    .map(({ window: { min: from, max: to }, ...rest }) => ({ ...rest, from, to })),
  tcp: fc.record({
    sport: ports(),
    dport: ports(),
    option: maybeNot(fc.integer({ min: 1, max: 255 })),
    flags: maybeNot(fc.record({ mask: fc.nat(63), comp: fc.nat(63) })),
  }),
  tcpmss: fc.record({ mss: negatable(range(65535)) }),
  time: fc
    .record({
      dayStart: fc.nat(86_399),
      dayStop: fc.nat(86_399),
      monthDays: fc.integer({ min: 1, max: 0x7fffffff }).map((bits) => bits << 1),
      weekDays: fc.integer({ min: 1, max: 127 }).map((bits) => bits << 1),
      dateStart: fc.nat(0x7fffffff),
      dateStop: fc.nat(0x7fffffff),
      contiguous: flag(),
      kernelZone: flag(),
    })
    .map((match) => ({ ...match, contiguous: match.contiguous && match.dayStart >= match.dayStop })),
  tos: fc.record({ tos: negatable(fc.record({ value: fc.nat(255), mask: fc.nat(255) })) }),
  ttl: hopCount(),
  u32: fc.record({
    tests: fc.array(
      fc.record({
        start: fc.nat(0xffffffff),
        steps: fc.array(
          fc.oneof(
            fc.record({ operator: fc.constantFrom("&", "@"), number: fc.nat(0xffffffff) }),
            fc.record({ operator: fc.constantFrom("<<", ">>"), number: fc.nat(31) }),
          ),
          { maxLength: 9 },
        ),
        ranges: fc.array(range(0xffffffff), { minLength: 1, maxLength: 10 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    invert: flag(),
  }),
  udp: fc.record({ sport: ports(), dport: ports() }),
});

export const match = (kind: string, family: Family): fc.Arbitrary<Match> =>
  (matchFields(family)[kind] as fc.Arbitrary<object>).map((fields) => ({ kind, ...fields }) as Match);

/** Only rates that are printed exactly, and only those that are printed. */
function rateest() {
  const bits = fc.oneof(
    fc.nat(12_499),
    fc.nat(999).map((kbit) => (1_000 + kbit) * 125),
  );
  const pair = (rate: fc.Arbitrary<number>) => maybe(fc.record({ first: rate, second: rate }));
  return fc
    .record({
      name: name(),
      other: maybe(name()),
      delta: flag(),
      mode: fc.constantFrom("lt", "gt", "eq"),
      invert: flag(),
      bps: pair(bits),
      pps: pair(fc.nat(0xffff_ffff)),
    })
    .filter(({ bps, pps }) => bps !== null || pps !== null)
    .map(({ bps, pps, ...match }) => {
      const { delta, other } = match;
      const said = (rates: { first: number; second: number } | null) =>
        rates && { first: delta ? rates.first : 0, second: delta || other === null ? rates.second : 0 };
      return { ...match, bps: said(bps), pps: said(pps) };
    });
}
