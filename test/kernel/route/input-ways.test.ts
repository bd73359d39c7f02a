import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIpv4 } from "../../../src/address/ipv4.ts";
import { AddressClasses, type Network4 } from "../../../src/kernel/route/address-classes.ts";
import { routeInput } from "../../../src/kernel/route/input-route.ts";
import type { Stack } from "../../../src/kernel/stack.ts";
import { Tape } from "../../../src/kernel/tape.ts";
import { RT_NONE } from "../../../src/packet/packet.ts";
import { sessionOf } from "../../walk/asking.ts";
import { type HostSpec, smallWorld } from "../../walk/small-world.ts";
import { ip } from "../../walk/words.ts";

/** Packets that a host routes before it remembers how. */
const BEFORE = 20;

/** Addresses that some rule or other treats in its own way, and those beside them. */
const NAMED = [
  ...[
    "0.0.0.0",
    "0.0.0.1",
    "127.0.0.1",
    "127.1.2.3",
    "128.0.0.0",
    "223.255.255.255",
    "224.0.0.1",
    "224.0.0.9",
  ],
  ...["239.1.2.3", "240.0.0.0", "255.255.255.254", "255.255.255.255", "10.0.0.0", "10.0.0.1", "10.0.0.2"],
  ...["10.0.0.255", "10.0.1.0", "10.1.0.1", "10.1.0.255", "10.2.0.1", "10.2.0.7", "10.9.0.0", "10.9.255.255"],
  ...["192.0.2.1", "192.0.2.128"],
].map(ip);

const address = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...NAMED) },
  { weight: 2, arbitrary: fc.nat(0xffff).map((low) => (ip("10.0.0.0") | low) as number) },
  { weight: 2, arbitrary: fc.nat(0x7fff).map((low) => (ip("10.8.0.0") | low) as number) },
  { weight: 1, arbitrary: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }) },
);

const network = fc
  .tuple(address, fc.integer({ min: 0, max: 32 }))
  .map(([a, length]) => `${formatIpv4(length === 0 ? 0 : a & (-1 << (32 - length)))}/${length}`);

const way = fc.oneof(
  fc.constantFrom("dev eth0", "dev eth1", "dev eth2"),
  fc.constantFrom("via 10.0.0.9", "via 10.1.0.9", "via 10.2.0.9"),
);

const route = fc
  .tuple(
    fc.constantFrom("", "", "", "blackhole ", "unreachable ", "prohibit ", "throw ", "local "),
    network,
    way,
    fc.constantFrom(
      "",
      " metric 5",
      " tos 0x08",
      " mtu 1300",
      " mtu lock 1300",
      " realms 3/7",
      " table default",
    ),
  )
  .map(([type, to, by, more]) => {
    if (type === "") return `${to} ${by}${more}`;
    return type === "local " ? `local ${to} dev lo` : `${type}${to}${more.includes("table") ? more : ""}`;
  });

const setting = fc.tuple(
  fc.constantFrom(
    ...["eth0.rp_filter", "eth1.rp_filter", "all.rp_filter", "eth0.accept_local", "eth0.route_localnet"],
    ...[
      "eth0.send_redirects",
      "eth0.shared_media",
      "eth1.forwarding",
      "eth0.src_valid_mark",
      "eth0.bc_forwarding",
    ],
  ),
  fc.constantFrom(0, 1, 2),
);

const spec: fc.Arbitrary<HostSpec> = fc
  .record({
    routes: fc.array(route, { maxLength: 6 }),
    more: fc.constantFrom(
      null,
      "default via 10.1.0.9",
      "default via 10.0.0.9",
      "10.9.0.0/16 nexthop via 10.0.0.9 nexthop via 10.1.0.9",
    ),
    rules: fc.constantFrom<readonly string[]>(
      [],
      [],
      [],
      ["90: from all lookup main realms 5/6"],
      ["100: from all fwmark 0x1 lookup default"],
    ),
    settings: fc.array(setting, { maxLength: 4 }),
    down: fc.boolean(),
  })
  .map(({ routes, rules, settings, down, more }) => ({
    links: {
      eth0: "10.0.0.1/24",
      eth1: "10.1.0.1/24",
      eth2: down ? { addresses: "10.2.0.1/24", up: false } : "10.2.0.1/24",
    },
    forward: true,
    routes: more === null ? routes : [...routes, more],
    rules,
    sysctl: Object.fromEntries(settings.map(([name, value]) => [`net.ipv4.conf.${name}`, value])),
  }));

/** Addresses that mostly lead somewhere. */
const usual = fc.constantFrom(
  ...["10.0.0.7", "10.1.0.7", "10.2.0.7", "10.9.0.7", "10.8.0.1", "10.0.0.1"].map(ip),
);

const packet = fc.record({
  src: fc.oneof({ weight: 2, arbitrary: usual }, { weight: 1, arbitrary: address }),
  dst: fc.oneof({ weight: 1, arbitrary: usual }, { weight: 1, arbitrary: address }),
  tos: fc.constantFrom(0, 0, 0, 0, 8, 3),
  mark: fc.constantFrom(0, 0, 0, 1),
  dev: fc.constantFrom("eth0", "eth0", "eth0", "eth1", "eth1", "lo"),
});

interface Asked {
  readonly src: number;
  readonly dst: number;
  readonly tos: number;
  readonly mark: number;
  readonly dev: string;
}

/** All that routing in leaves behind: its answer, the packet's route, the tape, the counter, what was found last. */
function routed(stack: Stack, { src, dst, tos, mark, dev }: Asked, literal: boolean) {
  const { engine } = stack;
  const tape = new Tape();
  Object.assign(engine, { literal, tape, routeLookups: 0 });
  const asked = stack.pool.take();
  // What an earlier look-up left.
  Object.assign(asked, { src, dst, tos, mark, protocol: 17, rtMtu: 99, rtHopStands: true, rtInput: RT_NONE });
  const answer = routeInput(stack, asked, stack.net.deviceNamed(dev) as never);
  engine.tape = null;
  const words = [...tape.data.subarray(0, tape.length)];
  const { route: found } = stack.fibResult;
  const fields = { ...asked };
  stack.pool.release(asked);
  return { answer, fields, words, lookups: engine.routeLookups, found: answer < 0 ? found : null };
}

describe("a way that a host remembers", () => {
  it("is the one that it would look up", () => {
    let attached = 0;
    let asked = 0;
    fc.assert(
      fc.property(spec, fc.array(packet, { minLength: 4, maxLength: 12 }), (host, packets) => {
        const session = sessionOf(smallWorld({ r: host }, []));
        const stack = session.stack(0);
        // Whatever the routes are: its own address.
        const plain = { src: ip("10.0.0.7"), dst: ip("10.0.0.1"), tos: 0, mark: 0, dev: "eth0" };
        for (let i = 0; i < BEFORE; i++) routed(stack, plain, false);
        const { inputWays } = stack;
        const attach = inputWays.attach.bind(inputWays);
        inputWays.attach = (...of) => {
          const did = attach(...of);
          attached += did ? 1 : 0;
          asked += stack.engine.literal ? 0 : 1;
          return did;
        };
        for (let round = 0; round < 4; round++) {
          for (const each of packets) expect(routed(stack, each, false)).toEqual(routed(stack, each, true));
        }
      }),
      { numRuns: 700 },
    );
    // The property would hold of a host that remembers nothing as well.
    expect(attached / asked).toBeGreaterThan(0.12);
  });

  it("is none where errors have taught the host another", () => {
    const session = sessionOf(
      smallWorld({ r: { links: { eth0: "10.0.0.1/24", eth1: "10.1.0.1/24" }, forward: true } }, []),
    );
    const stack = session.stack(0);
    const plain = { src: ip("10.0.0.7"), dst: ip("10.1.0.7"), tos: 0, mark: 0, dev: "eth0" };
    for (let i = 0; i < BEFORE; i++) expect(routed(stack, plain, false).fields.rtMtu).toBe(0);
    stack.state.exceptions.setPathMtu(4, plain.dst, 1200, 1000);
    expect(routed(stack, plain, false).fields.rtMtu).toBe(1200);
    stack.state.exceptions.flush4();
    expect(routed(stack, plain, false).fields.rtMtu).toBe(0);
  });
});

describe("classes of addresses", () => {
  it("are told apart by networks, and by nothing else", () => {
    const networks = fc.array(fc.tuple(address, fc.integer({ min: 0, max: 32 })), { maxLength: 8 });
    fc.assert(
      fc.property(networks, fc.array(address, { minLength: 2, maxLength: 8 }), (list, addresses) => {
        const named = list.map(([a, length]): Network4 => {
          const mask = length === 0 ? 0 : (-1 << (32 - length)) | 0;
          return [a & mask, mask];
        });
        const classes = new AddressClasses(named);
        for (const a of addresses)
          for (const b of addresses) {
            if (classes.of(a) !== classes.of(b)) continue;
            for (const [to, mask] of named) expect((a & mask) === to).toBe((b & mask) === to);
          }
        expect(classes.count).toBeLessThanOrEqual(2 * named.length + 1);
      }),
    );
  });
});
