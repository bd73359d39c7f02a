import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Protocol } from "../../../src/proxy/names.ts";
import { endpointNames, isServiceChain, portNames } from "../../../src/proxy/nftables/names.ts";
import { type ServicePort, servicePorts } from "../../../src/proxy/service-ports.ts";
import { service } from "../objects.ts";

function portOf(name: string, portName: string, protocol = "TCP"): ServicePort {
  const spec = {
    clusterIP: "10.96.0.1",
    ports: [{ ...(portName === "" ? {} : { name: portName }), port: 80, protocol }],
  };
  const [port] = servicePorts([service(name, spec)], "IPv4");
  if (port === undefined) throw new Error(`no port of ${name}`);
  return port;
}

describe("names of chains", () => {
  it("of a port, and of one without a name", () => {
    expect(portNames(portOf("shop/web", "http"))).toEqual({
      service: "service-KHN6ECMT-shop/web/tcp/http",
      local: "local-KHN6ECMT-shop/web/tcp/http",
      external: "external-KHN6ECMT-shop/web/tcp/http",
      firewall: "firewall-KHN6ECMT-shop/web/tcp/http",
    });
    expect(portNames(portOf("ns6/no-effect", "")).service).toBe("service-3JP3LZJL-ns6/no-effect/tcp/");
  });

  it("of an endpoint, IPv4 and IPv6", () => {
    const port = portOf("shop/web", "http");
    expect(endpointNames(port, { ip: "10.1.2.3", port: 8080 })).toEqual({
      endpoint: "endpoint-3KV7TXIP-shop/web/tcp/http__10.1.2.3/8080",
      affinity: "affinity-3KV7TXIP-shop/web/tcp/http__10.1.2.3/8080",
    });
    expect(endpointNames(port, { ip: "2001:db8::7", port: 8080 }).endpoint).toBe(
      "endpoint-3ZELUXQW-shop/web/tcp/http__2001.db8..7/8080",
    );
  });

  it("none is longer than the kernel takes, and what was cut is told apart by its hash", () => {
    const name = fc.integer({ min: 1, max: 63 }).map((length) => "a".repeat(length));
    fc.assert(
      fc.property(name, name, name, (namespace, short, portName) => {
        const port = portOf(`${namespace}/${short}`, portName, "SCTP");
        const ip = "2001:db8:1111:2222:3333:4444:5555:6666";
        const names = [
          ...Object.values(portNames(port)),
          ...Object.values(endpointNames(port, { ip, port: 65_535 })),
        ];
        for (const each of names) expect(each.length).toBeLessThanOrEqual(256);
        const other = endpointNames(port, { ip: ip.replace("6666", "6667"), port: 65_535 });
        expect(names).not.toContain(other.endpoint);
      }),
      { numRuns: 50 },
    );
  });

  it("kube-proxy's own have no slash", () => {
    expect(["services", "reject-chain", "nat-output"].filter(isServiceChain)).toEqual([]);
    expect(isServiceChain(portNames(portOf("a/b", "")).local)).toBe(true);
  });
});

const ROOT = join(import.meta.dirname, "../../..");
const { HOPSCOPE_WILD = join(ROOT, "../shared/wild") } = process.env;
const DUMP = join(HOPSCOPE_WILD, "nft-kube-proxy-flannel/nft-a-list-table-kube-proxy.truncated.txt");
const reason = existsSync(DUMP) ? "" : ` (skipped: no file ${DUMP}; HOPSCOPE_WILD names its folder)`;

describe("names in a real node's table", () => {
  it.skipIf(reason !== "")(`are made again from what stands in them${reason}`, () => {
    const text = readFileSync(DUMP, "utf8");
    const found = [
      ...text.matchAll(
        /\b(service|external|endpoint)-([A-Z2-7]{8})-([a-z0-9-]+)\/([a-z0-9-]+)\/(tcp|udp)\/([a-z0-9-]*)(?:__([\d.]+)\/(\d+))?/g,
      ),
    ];
    expect(found.length).toBeGreaterThan(20);
    for (const [whole, kind = "", , namespace, short, protocol, portName = "", ip, number] of found) {
      const port = portOf(`${namespace}/${short}`, portName, (protocol as Protocol).toUpperCase());
      const made =
        ip === undefined
          ? portNames(port)[kind as "service" | "external"]
          : endpointNames(port, { ip, port: Number(number) }).endpoint;
      expect(made).toBe(whole);
    }
  });
});
