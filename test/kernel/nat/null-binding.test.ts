import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IPS_DST_NAT_DONE, IPS_SRC_NAT_DONE } from "../../../src/kernel/conntrack/status.ts";
import { NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC } from "../../../src/kernel/nat/manip.ts";
import { natNullBinding, natSetup, natSetupOne } from "../../../src/kernel/nat/nat.ts";
import { OneAddress } from "../../../src/kernel/nat/range.ts";
import type { Stack } from "../../../src/kernel/stack.ts";
import { KEY_IPV6 } from "../../../src/packet/packet.ts";
import { sessionOf } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

const ECHO = 8 << 8;

/** By manip: it is bound. */
const DONE = { [NF_NAT_MANIP_SRC]: IPS_SRC_NAT_DONE, [NF_NAT_MANIP_DST]: IPS_DST_NAT_DONE };

const address = () => fc.nat(2);
const port = () => fc.nat(2);
/** TCP, UDP, SCTP, GRE, ICMP; and of IPv6, as far as the same. */
const proto = fc.constantFrom(6, 17, 132, 47, 1, 17 | KEY_IPV6);

const connection = fc.record({ src: address(), dst: address(), sport: port(), dport: port(), proto });

const step = fc.oneof(
  fc.record({
    kind: fc.constant("null" as const),
    manip: fc.constantFrom(NF_NAT_MANIP_SRC, NF_NAT_MANIP_DST),
  }),
  fc.record({ kind: fc.constant("one" as const), address: address(), port: port() }),
  fc.record({ kind: fc.constant("confirm" as const) }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Connection = typeof connection extends fc.Arbitrary<infer T> ? T : never;

function stackOf(): Stack {
  return sessionOf(smallWorld({ r: { links: { eth0: "10.0.0.1/24" } } }, [])).stack(0);
}

function begin({ conntrack }: Stack, { src, dst, sport, dport, proto }: Connection): number {
  return proto === 1
    ? conntrack.create(src, dst, sport, ECHO, sport, 0, proto, 0)
    : conntrack.create(src, dst, sport, dport, dport, sport, proto, 0);
}

/** What a connection is bound to: as rules do it, or by `natSetup` alone. */
function bind(stack: Stack, ct: number, step: Step, generally: boolean) {
  const { conntrack } = stack;
  if (step.kind === "confirm") return conntrack.confirm(ct);
  if (step.kind === "null") {
    const own = step.manip === NF_NAT_MANIP_SRC ? conntrack.replyDst(ct) : conntrack.replySrc(ct);
    if (!generally) return natNullBinding(stack, ct, step.manip);
    return natSetup(stack, ct, new OneAddress().set(own), step.manip);
  }
  const range = new OneAddress().set(step.address);
  range.ports = true;
  range.minPort = step.port;
  range.maxPort = step.port;
  return generally ? natSetup(stack, ct, range, NF_NAT_MANIP_DST) : natSetupOne(stack, ct, range);
}

function entryOf({ conntrack }: Stack, ct: number): readonly (number | boolean)[] {
  return [
    ...[conntrack.status(ct), conntrack.replySrc(ct), conntrack.replyDst(ct)],
    ...[conntrack.replySport(ct), conntrack.replyDport(ct), conntrack.freePort(ct), conntrack.portsMoved],
  ];
}

describe("a connection that is left as it is, and one that is sent to one place", () => {
  it("are bound as any other: same answers, same entries", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(connection, fc.array(step, { maxLength: 4 })), { minLength: 1, maxLength: 12 }),
        (connections) => {
          const [one, other] = [stackOf(), stackOf()];
          for (const [fields, steps] of connections) {
            const [a, b] = [begin(one, fields), begin(other, fields)];
            for (const each of steps) {
              // A hook binds what is not bound yet.
              const status = one.conntrack.status(a);
              if (each.kind === "null" && (status & DONE[each.manip]) !== 0) continue;
              expect(bind(one, a, each, false)).toBe(bind(other, b, each, true));
              expect(entryOf(one, a)).toEqual(entryOf(other, b));
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
