import fc from "fast-check";
import type { Family, IpAddress } from "../../../src/address/ip.ts";
import {
  addressBits,
  type RealServer,
  type VirtualService,
} from "../../../src/kernel/ipvs/virtual-service.ts";

const word = fc.nat(0xffffffff);

function addressOf(family: Family): fc.Arbitrary<IpAddress> {
  return family === 4 ? fc.integer({ min: -0x80000000, max: 0x7fffffff }) : fc.tuple(word, word, word, word);
}

/** Of one host: neither 0.0.0.0/8 nor 224.0.0.0/4 and above, neither :: nor ff00::/8. */
function hostOf(family: Family): fc.Arbitrary<IpAddress> {
  const first = fc.integer({ min: 0x0100_0000, max: 0xdfff_ffff });
  return family === 4 ? first.map((address) => address | 0) : fc.tuple(first, word, word, word);
}

const port = fc.integer({ min: 1, max: 65535 });

const forwarding: fc.Arbitrary<RealServer["forwarding"]> = fc.oneof(
  fc.constant({ kind: "masq" as const }),
  fc.constant({ kind: "gate" as const }),
  fc.constant({
    kind: "tunnel" as const,
    tunnel: { type: "ipip" as const, port: 0, checksum: "none" as const },
  }),
  fc.record({
    kind: fc.constant("tunnel" as const),
    tunnel: fc.record({
      type: fc.constant("gue" as const),
      port,
      checksum: fc.constantFrom("none" as const, "full" as const, "remote" as const),
    }),
  }),
);

const serverOf = (family: Family): fc.Arbitrary<RealServer> =>
  fc
    .record({
      address: hostOf(family),
      port,
      forwarding,
      weight: fc.nat(0x7fffffff),
      lower: fc.nat(100),
      more: fc.nat(100),
    })
    .map(({ more, lower, ...rest }) => ({
      ...rest,
      lower,
      upper: lower + more,
      active: 0,
      inactive: 0,
      origin: 0,
    }));

const serviceOf = (family: Family): fc.Arbitrary<VirtualService> =>
  fc
    .record({
      selector: fc.oneof(
        fc.record({
          kind: fc.constant("address" as const),
          family: fc.constant(family),
          protocol: fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const),
          address: addressOf(family),
          port,
        }),
        fc.record({
          kind: fc.constant("fwmark" as const),
          family: fc.constant(family),
          mark: fc.integer({ min: 1, max: 0x7fffffff }),
        }),
      ),
      scheduler: fc.constantFrom("rr", "wrr", "lc", "sh", "mh", "twos"),
      flags: fc.record({ fallback: fc.boolean(), port: fc.boolean(), third: fc.boolean() }),
      persistence: fc.option(
        fc.record({
          timeoutS: fc.integer({ min: 1, max: 86_400 }),
          prefixLength: fc.integer({ min: 1, max: addressBits(family) }),
        }),
      ),
      onePacket: fc.boolean(),
      engine: fc.option(fc.constant("sip")),
      servers: fc.uniqueArray(serverOf(family), { maxLength: 4, selector: (each) => String(each.address) }),
    })
    .map((service) => ({
      ...service,
      ordered: true,
      origin: 0,
      servers: service.servers.map((each) =>
        each.forwarding.kind === "masq" || service.selector.kind === "fwmark"
          ? each
          : { ...each, port: service.selector.port },
      ),
    }));

/** A virtual service as ipvsadm can print it: servers forwarded to otherwise than by NAT have its port. */
export const virtualService: fc.Arbitrary<VirtualService> = fc.oneof(serviceOf(4), serviceOf(6));

/** Services that one host can have beside one another. */
export const virtualServices = fc.uniqueArray(virtualService, {
  maxLength: 4,
  selector: ({ selector }) =>
    selector.kind === "fwmark"
      ? `${selector.family} ${selector.mark}`
      : `${selector.protocol} ${selector.address} ${selector.port}`,
});
