import fc from "fast-check";
import type { RealServer, VirtualService } from "../../../src/kernel/ipvs/virtual-service.ts";

const address = fc.integer({ min: -0x80000000, max: 0x7fffffff });
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

const server: fc.Arbitrary<RealServer> = fc
  .record({
    address,
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

/** A virtual service as ipvsadm can print it: servers forwarded to otherwise than by NAT have its port. */
export const virtualService: fc.Arbitrary<VirtualService> = fc
  .record({
    selector: fc.oneof(
      fc.record({
        kind: fc.constant("address" as const),
        family: fc.constant(4 as const),
        protocol: fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const),
        address,
        port,
      }),
      fc.record({
        kind: fc.constant("fwmark" as const),
        family: fc.constant(4 as const),
        mark: fc.integer({ min: 1, max: 0x7fffffff }),
      }),
    ),
    scheduler: fc.constantFrom("rr", "wrr", "lc", "sh", "mh", "twos"),
    flags: fc.record({ fallback: fc.boolean(), port: fc.boolean(), third: fc.boolean() }),
    persistence: fc.option(
      fc.record({
        timeoutS: fc.integer({ min: 1, max: 86_400 }),
        netmask: fc.integer({ min: 1, max: 32 }).map((length) => (-1 << (32 - length)) | 0),
      }),
    ),
    onePacket: fc.boolean(),
    engine: fc.option(fc.constant("sip")),
    servers: fc.uniqueArray(server, { maxLength: 4, selector: (each) => each.address }),
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

/** Services that one host can have beside one another. */
export const virtualServices = fc.uniqueArray(virtualService, {
  maxLength: 4,
  selector: ({ selector }) =>
    selector.kind === "fwmark"
      ? `${selector.mark}`
      : `${selector.protocol} ${selector.address} ${selector.port}`,
});
