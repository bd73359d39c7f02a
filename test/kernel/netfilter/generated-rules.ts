import fc from "fast-check";
import type { Family } from "../../../src/address/ip.ts";
import { intern } from "../../../src/address/ip6-handle.ts";
import { formatIpv4 } from "../../../src/address/ipv4.ts";
import { formatIpv6 } from "../../../src/address/ipv6.ts";
import { Packet } from "../../../src/packet/packet.ts";

/**
 * Rule sets with packets that meet them: few addresses, ports and devices, so that rules are hit, and runs of rules of one
 * shape, so that chains get an index. The interpreter at the end says what such a rule set does, straight from ipt_do_table.
 */

const ADDRESSES = [0x0a000001, 0x0a000002, 0x0a000003, 0x0a010001, 0x0a010002, 0xc0a80001].map((a) => a | 0);
const PORTS = [22, 53, 80, 443, 8080];
const DEVICES = ["eth0", "eth1", "veth1", "cni0"];
const MARKS = [0, 1, 0x4000, 0x8000];

export interface Not<T> {
  readonly value: T;
  readonly not: boolean;
}
interface Range {
  readonly min: number;
  readonly max: number;
}
export type Target =
  | { readonly kind: "none" | "ACCEPT" | "DROP" | "RETURN" }
  | { readonly kind: "jump" | "goto"; readonly chain: string }
  | { readonly kind: "MARK"; readonly value: number; readonly mask: number };

export interface GeneratedRule {
  readonly src: Not<{ readonly address: number; readonly length: number }> | null;
  readonly dst: Not<{ readonly address: number; readonly length: number }> | null;
  readonly protocol: Not<6 | 17 | 1> | null;
  /** Only under a protocol that is not negated and has ports. */
  readonly sport: Not<Range> | null;
  readonly dport: Not<Range> | null;
  readonly inDevice: Not<string> | null;
  readonly outDevice: Not<string> | null;
  readonly fragment: Not<true> | null;
  readonly mark: Not<{ readonly value: number; readonly mask: number }> | null;
  /** 0 … 2³¹, asked before the mark or behind it, null for none. */
  readonly chance: number | null;
  readonly target: Target;
}

export interface GeneratedChain {
  readonly name: string;
  readonly rules: readonly GeneratedRule[];
}

export interface GeneratedTable {
  readonly policy: "ACCEPT" | "DROP";
  /** FORWARD first, then user chains, which lead only further down. */
  readonly chains: readonly GeneratedChain[];
}

const not = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Not<T>> =>
  fc.record({ value, not: fc.boolean().map((flag) => flag) });
const seldomNot = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Not<T>> =>
  fc.record({ value, not: fc.nat(5).map((n) => n === 0) });
const seldom = <T>(value: fc.Arbitrary<T>, freq = 4): fc.Arbitrary<T | null> => fc.option(value, { freq });
const often = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 1, nil: null });

const prefix = () =>
  fc
    .record({
      address: fc.constantFrom(...ADDRESSES),
      length: fc.constantFrom(32, 32, 32, 32, 24, 16, 8, 31),
    })
    .map(({ address, length }) => ({ address: address & (-1 << (32 - length)), length }));

const range = () =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...PORTS).map((port) => ({ min: port, max: port })) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...PORTS), fc.constantFrom(...PORTS))
        .map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) })),
    },
    { weight: 1, arbitrary: fc.constant({ min: 0, max: 65535 }) },
  );

const target = (chains: readonly string[], harmless: boolean): fc.Arbitrary<Target> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<Target>({ kind: "none" }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("MARK" as const),
        value: fc.constantFrom(...MARKS),
        mask: fc.constantFrom(0xffffffff, 0x4000, 0x8000),
      }),
    },
    {
      weight: harmless ? 0 : 2,
      arbitrary: fc.constantFrom<Target>({ kind: "ACCEPT" }, { kind: "DROP" }, { kind: "RETURN" }),
    },
    ...(chains.length === 0
      ? []
      : [
          {
            weight: 4,
            arbitrary: fc.record({
              kind: fc.constantFrom("jump" as const, "jump" as const, "goto" as const),
              chain: fc.constantFrom(...chains),
            }),
          },
        ]),
  );

const CHANCES = [2 ** 30, 715827883, 1, 2 ** 31 - 1];

const anyRule = (chains: readonly string[]): fc.Arbitrary<GeneratedRule> =>
  fc
    .record({
      src: seldom(seldomNot(prefix())),
      dst: often(seldomNot(prefix())),
      protocol: often(seldomNot(fc.constantFrom(6 as const, 17 as const, 1 as const))),
      sport: seldom(not(range())),
      dport: often(seldomNot(range())),
      inDevice: seldom(not(fc.constantFrom(...DEVICES, "eth+", "v+", "+")), 5),
      outDevice: seldom(not(fc.constantFrom(...DEVICES, "eth+")), 5),
      fragment: seldom(not(fc.constant(true as const)), 12),
      mark: seldom(
        not(fc.record({ value: fc.constantFrom(...MARKS), mask: fc.constantFrom(0xffffffff, 0x4000) })),
        5,
      ),
      chance: seldom(fc.constantFrom(...CHANCES), 6),
      target: target(chains, false),
    })
    .map(consistent);

/** Ports need a protocol with ports. */
function consistent(rule: GeneratedRule): GeneratedRule {
  const { protocol } = rule;
  const hasPorts = protocol !== null && !protocol.not && protocol.value !== 1;
  return hasPorts ? rule : { ...rule, sport: null, dport: null };
}

const BARE: Omit<GeneratedRule, "target"> = {
  src: null,
  dst: null,
  protocol: null,
  sport: null,
  dport: null,
  inDevice: null,
  outDevice: null,
  fragment: null,
  mark: null,
  chance: null,
};

/** Rules of one shape one behind another, as rule generators write them. */
const run = (chains: readonly string[]): fc.Arbitrary<GeneratedRule[]> =>
  fc
    .record({ dst: fc.boolean(), src: fc.boolean(), protocol: fc.boolean(), dport: fc.boolean() })
    .chain((shape) =>
      fc.array(
        fc
          .record({
            dst: shape.dst ? exact() : fc.constant(null),
            src: shape.src ? exact() : fc.constant(null),
            protocol:
              shape.protocol || shape.dport
                ? plain(fc.constantFrom(6 as const, 17 as const))
                : fc.constant(null),
            dport: shape.dport
              ? plain(fc.constantFrom(...PORTS).map((p) => ({ min: p, max: p })))
              : fc.constant(null),
            mark: seldom(not(fc.record({ value: fc.constantFrom(...MARKS), mask: fc.constant(0x4000) })), 8),
            target: target(chains, true),
          })
          .map((fields) => ({ ...BARE, ...fields })),
        { minLength: 4, maxLength: 14 },
      ),
    );

const plain = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Not<T>> =>
  value.map((v) => ({ value: v, not: false }));
const exact = () => plain(fc.constantFrom(...ADDRESSES).map((address) => ({ address, length: 32 })));

const chain = (name: string, below: readonly string[]): fc.Arbitrary<GeneratedChain> =>
  fc
    .array(
      fc.oneof(
        { weight: 3, arbitrary: fc.array(anyRule(below), { minLength: 1, maxLength: 3 }) },
        { weight: 2, arbitrary: run(below) },
      ),
      { minLength: 0, maxLength: 4 },
    )
    .map((segments) => ({ name, rules: segments.flat() }));

export const generatedTable = (): fc.Arbitrary<GeneratedTable> =>
  fc.integer({ min: 0, max: 4 }).chain((count) => {
    const names = ["FORWARD", ...Array.from({ length: count }, (_, i) => `user${i}`)];
    return fc.record({
      policy: fc.constantFrom("ACCEPT" as const, "DROP" as const),
      chains: fc.tuple(...names.map((name, i) => chain(name, names.slice(i + 1)))),
    });
  });

export interface GeneratedPacket {
  readonly src: number;
  readonly dst: number;
  readonly protocol: 6 | 17 | 1;
  readonly sport: number;
  readonly dport: number;
  readonly fragOffset: number;
  readonly mark: number;
  readonly inDevice: string;
  readonly outDevice: string;
}

export const generatedPacket = (): fc.Arbitrary<GeneratedPacket> =>
  fc.record({
    src: fc.constantFrom(...ADDRESSES),
    dst: fc.constantFrom(...ADDRESSES),
    protocol: fc.constantFrom(6 as const, 6 as const, 17 as const, 1 as const),
    sport: fc.constantFrom(...PORTS, 40000),
    dport: fc.constantFrom(...PORTS, 40000),
    fragOffset: fc.constantFrom(0, 0, 0, 0, 0, 0, 1480),
    mark: fc.constantFrom(...MARKS),
    inDevice: fc.constantFrom(...DEVICES),
    outDevice: fc.constantFrom(...DEVICES),
  });

/** In IPv6 an address is fd00:: with the 32 bits of IPv4's at its end, and ICMP is ICMPv6: a rule means the same. */
export function packetOf(fields: GeneratedPacket, family: Family = 4): Packet {
  const { inDevice: _, outDevice: __, sport, dport, src, dst, ...headers } = fields;
  const ports = fields.protocol === 1 ? { icmpType: family === 6 ? 128 : 8 } : { sport, dport };
  const ends =
    family === 6
      ? { family, src: intern(EMBEDDED, 0, 0, src), dst: intern(EMBEDDED, 0, 0, dst) }
      : { src, dst };
  const protocol = family === 6 && fields.protocol === 1 ? 58 : fields.protocol;
  return Object.assign(new Packet(), headers, ports, ends, { protocol, number: 1 });
}

const EMBEDDED = 0xfd000000 | 0;

function prefixText({ address, length }: { address: number; length: number }, family: Family): string {
  return family === 6
    ? `${formatIpv6([EMBEDDED >>> 0, 0, 0, address >>> 0])}/${length + 96}`
    : `${formatIpv4(address)}/${length}`;
}

/** IPv6 has no `-f`. */
export function withoutFragments({ policy, chains }: GeneratedTable): GeneratedTable {
  const rules = (list: readonly GeneratedRule[]) => list.map((rule) => ({ ...rule, fragment: null }));
  return { policy, chains: chains.map((each) => ({ ...each, rules: rules(each.rules) })) };
}

// text

function negation(condition: { readonly not: boolean }): string {
  return condition.not ? "! " : "";
}

export function ruleText(rule: GeneratedRule, family: Family = 4): string {
  const words: string[] = [];
  const add = <T>(condition: Not<T> | null, text: (value: T) => string): void => {
    if (condition !== null) words.push(`${negation(condition)}${text(condition.value)}`);
  };
  add(rule.src, (value) => `-s ${prefixText(value, family)}`);
  add(rule.dst, (value) => `-d ${prefixText(value, family)}`);
  add(rule.inDevice, (name) => `-i ${name}`);
  add(rule.outDevice, (name) => `-o ${name}`);
  add(rule.protocol, (protocol) => `-p ${family === 6 && protocol === 1 ? "ipv6-icmp" : NAMES[protocol]}`);
  add(rule.fragment, () => "-f");
  if (rule.sport !== null || rule.dport !== null) {
    words.push(`-m ${NAMES[rule.protocol?.value ?? 6]}`);
    add(rule.sport, ({ min, max }) => `--sport ${min}:${max}`);
    add(rule.dport, ({ min, max }) => (min === max ? `--dport ${min}` : `--dport ${min}:${max}`));
  }
  if (rule.chance !== null) {
    words.push(`-m statistic --mode random --probability ${(rule.chance / 2 ** 31).toFixed(11)}`);
  }
  if (rule.mark !== null) {
    words.push("-m mark");
    add(rule.mark, ({ value, mask }) => `--mark 0x${value.toString(16)}/0x${mask.toString(16)}`);
  }
  const { target: aim } = rule;
  switch (aim.kind) {
    case "none":
      break;
    case "jump":
      words.push(`-j ${aim.chain}`);
      break;
    case "goto":
      words.push(`-g ${aim.chain}`);
      break;
    case "MARK":
      words.push(`-j MARK --set-xmark 0x${aim.value.toString(16)}/0x${aim.mask.toString(16)}`);
      break;
    default:
      words.push(`-j ${aim.kind}`);
  }
  return words.join(" ");
}

const NAMES = { 6: "tcp", 17: "udp", 1: "icmp" } as const;

export function tableText({ policy, chains }: GeneratedTable, family: Family = 4): string {
  const heads = chains.map(({ name }) => `:${name} ${name === "FORWARD" ? policy : "-"} [0:0]`);
  const lines = chains.flatMap(({ name, rules }) =>
    rules.map((rule) => `-A ${name} ${ruleText(rule, family)}`.trim()),
  );
  return ["*filter", ":INPUT ACCEPT [0:0]", ...heads, ":OUTPUT ACCEPT [0:0]", ...lines, "COMMIT", ""].join(
    "\n",
  );
}

// meaning

/** What a walk shows: rules that matched, chains that ended, the policy, each with the mark met and the rules looked at. */
export interface Walked {
  readonly verdict: "ACCEPT" | "DROP";
  readonly mark: number;
  readonly steps: readonly string[];
  readonly evaluated: number;
}

/** The definition: every rule in turn, a stack of where to go on. */
export function interpret(
  { policy, chains }: GeneratedTable,
  packet: GeneratedPacket,
  happens: (chance: number) => boolean,
): Walked {
  const chainNamed = (name: string) => chains.find((one) => one.name === name) as GeneratedChain;
  const back: { chain: GeneratedChain; next: number }[] = [];
  const steps: string[] = [];
  let { mark } = packet;
  let chain = chainNamed("FORWARD");
  let i = 0;
  let evaluated = 0;
  for (;;) {
    const rule = chain.rules[i];
    if (rule === undefined) {
      if (chain.name === "FORWARD") {
        steps.push(`policy mark ${mark >>> 0}`);
        return { verdict: policy, mark: mark >>> 0, steps, evaluated };
      }
      steps.push(`${chain.name} end mark ${mark >>> 0}`);
      const to = back.pop();
      chain = to?.chain ?? chainNamed("FORWARD");
      i = to?.next ?? chain.rules.length;
      continue;
    }
    evaluated++;
    if (!matches(rule, packet, mark, happens)) {
      i++;
      continue;
    }
    steps.push(`${chain.name} rule ${i + 1} mark ${mark >>> 0}`);
    const { target: aim } = rule;
    switch (aim.kind) {
      case "ACCEPT":
      case "DROP":
        return { verdict: aim.kind, mark: mark >>> 0, steps, evaluated };
      case "RETURN": {
        const to = back.pop();
        chain = to?.chain ?? chainNamed("FORWARD");
        i = to?.next ?? chain.rules.length;
        continue;
      }
      case "jump":
        back.push({ chain, next: i + 1 });
        chain = chainNamed(aim.chain);
        i = 0;
        continue;
      case "goto":
        chain = chainNamed(aim.chain);
        i = 0;
        continue;
      case "MARK":
        mark = (mark & ~aim.mask) ^ aim.value;
        i++;
        continue;
      case "none":
        i++;
    }
  }
}

function matches(
  rule: GeneratedRule,
  packet: GeneratedPacket,
  mark: number,
  happens: (chance: number) => boolean,
): boolean {
  const holds = <T>(condition: Not<T> | null, test: (value: T) => boolean): boolean =>
    condition === null || test(condition.value) !== condition.not;
  const within = (address: number) => (p: { address: number; length: number }) =>
    ((address ^ p.address) & (-1 << (32 - p.length))) === 0;
  const named = (device: string) => (pattern: string) =>
    pattern.endsWith("+") ? device.startsWith(pattern.slice(0, -1)) : device === pattern;
  const between = (port: number) => (r: Range) => port >= r.min && port <= r.max;
  const usesPorts = rule.sport !== null || rule.dport !== null;
  return (
    holds(rule.src, within(packet.src)) &&
    holds(rule.dst, within(packet.dst)) &&
    holds(rule.inDevice, named(packet.inDevice)) &&
    holds(rule.outDevice, named(packet.outDevice)) &&
    holds(rule.protocol, (protocol) => packet.protocol === protocol) &&
    holds(rule.fragment, () => packet.fragOffset !== 0) &&
    // "Must not be a fragment", says the tcp match, whatever is negated.
    !(usesPorts && packet.fragOffset !== 0) &&
    holds(rule.sport, between(packet.sport)) &&
    holds(rule.dport, between(packet.dport)) &&
    (rule.chance === null || happens(rule.chance)) &&
    holds(rule.mark, ({ value, mask }) => (mark & mask) >>> 0 === value)
  );
}
