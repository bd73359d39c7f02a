import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyOperations } from "../../../src/kernel/apply-operation.ts";
import { emptyHost } from "../../../src/kernel/host.ts";
import { ipvsadmOperations } from "../../../src/kernel/ipvs/ipvsadm-command.ts";
import { parseIpvsadm } from "../../../src/kernel/ipvs/ipvsadm-line.ts";
import {
  formatIpvsadmList,
  formatTimeouts,
  parseIpvsadmList,
  parseTimeouts,
} from "../../../src/kernel/ipvs/ipvsadm-list.ts";
import {
  formatIpvsadmSave,
  parseIpvsadmSave,
  sortedServers,
  sortedVirtualServices,
} from "../../../src/kernel/ipvs/ipvsadm-save.ts";
import { mergeVirtualServices } from "../../../src/kernel/ipvs/merge-services.ts";
import type { VirtualService } from "../../../src/kernel/ipvs/virtual-service.ts";
import type { Operation } from "../../../src/kernel/operation.ts";
import { operationText } from "../../../src/kernel/operation-text.ts";
import { readRecording, recordingNames } from "../../fixtures.ts";
import { WILD } from "../../source/wild.ts";
import { virtualService, virtualServices } from "./arbitrary-service.ts";

interface Dump {
  readonly hosts: Readonly<Record<string, { ipvs?: string; ipvsOrder?: string; ipvsTimeouts?: string }>>;
}

const dumps = recordingNames()
  .filter((name) => /ipvs-ipip\/(sched|lvs|kube)/.test(name))
  .flatMap((name) =>
    Object.entries((readRecording(name) as Dump).hosts)
      .filter(([, { ipvs }]) => ipvs !== undefined)
      .map(([host, texts]) => ({ name: `${name} ${host}`, ...texts })),
  );

describe("what the real tool printed, byte for byte", () => {
  it("is there", () => expect(dumps.length).toBeGreaterThan(50));

  it.each(dumps)("$name", ({ ipvs = "", ipvsOrder = "", ipvsTimeouts = "" }) => {
    const saved = parseIpvsadmSave(ipvs);
    const listed = parseIpvsadmList(ipvsOrder, false);
    if (saved.kind !== "ok" || listed.kind !== "ok") throw new Error("cannot be read");
    expect(formatIpvsadmSave(saved.services)).toBe(ipvs);
    expect(formatIpvsadmList(listed.services, { sorted: false })).toBe(ipvsOrder);
    const merged = mergeVirtualServices(saved.services, listed.services);
    expect(formatIpvsadmSave(merged)).toBe(ipvs);
    expect(formatIpvsadmList(merged, { sorted: false })).toBe(ipvsOrder);
    const timeouts = parseTimeouts(ipvsTimeouts);
    expect(timeouts === null ? "" : formatTimeouts(timeouts).trimEnd()).toBe(ipvsTimeouts.trimEnd());
  });
});

describe.skipIf(!existsSync(join(WILD, "ipvs-minikube")))("lists found in the wild", () => {
  it.each([
    ["ipvs-minikube/ipvsadm-Ln.txt", 10, 16],
    ["ipvs-feiskyer/ipvsadm-ln.txt", 3, 3],
  ])("%s: %i services, %i servers", (file, services, servers) => {
    const parsed = parseIpvsadmList(readFileSync(join(WILD, file), "utf8"), true);
    if (parsed.kind !== "ok") throw new Error(JSON.stringify(parsed.errors));
    expect(parsed.services).toHaveLength(services);
    expect(parsed.services.flatMap((service) => service.servers)).toHaveLength(servers);
  });
});

/** As ipvsadm sorts, and as a dump knows it. */
function asDumped(services: readonly VirtualService[]): VirtualService[] {
  return sortedVirtualServices(services).map((service) => ({
    ...service,
    servers: sortedServers(service.servers),
    ordered: service.servers.length < 2,
  }));
}

describe("laws", () => {
  it("parse ∘ format of -Sn is the identity on what ipvsadm prints", () => {
    fc.assert(
      fc.property(virtualServices, (services) => {
        const parsed = parseIpvsadmSave(formatIpvsadmSave(services));
        if (parsed.kind !== "ok") throw new Error(JSON.stringify(parsed.errors));
        expect(parsed.services).toEqual(asDumped(services));
      }),
    );
  });

  it("parse ∘ format of -Ln keeps the order, the counts and all it can show", () => {
    fc.assert(
      fc.property(virtualServices, fc.nat(1000), (services, active) => {
        const text = formatIpvsadmList(services, {
          sorted: false,
          countsOf: () => ({ active, inactive: 7 }),
        });
        const parsed = parseIpvsadmList(text, false);
        if (parsed.kind !== "ok") throw new Error(JSON.stringify(parsed.errors));
        expect(formatIpvsadmList(parsed.services, { sorted: false })).toBe(text);
        expect(parsed.services.map(({ servers }) => servers.map(({ address }) => address))).toEqual(
          services.map(({ servers }) => servers.map(({ address }) => address)),
        );
      }),
    );
  });

  it("an operation's text does what the operation does", () => {
    fc.assert(
      fc.property(virtualService, (service) => {
        const { servers, selector } = service;
        const operations: Operation[] = [
          { kind: "virtual-server-add", service: { ...service, servers: [] } },
          ...servers.map((server): Operation => ({ kind: "real-server-add", selector, server })),
        ];
        const read = operations.flatMap(operationText).flatMap((line) => {
          const parsed = parseIpvsadm(line.split(" ").slice(1), 0);
          if (parsed.kind !== "ok") throw new Error(`${line}: ${parsed.message}`);
          return ipvsadmOperations(parsed.command);
        });
        expect(read).toEqual(operations);
        const applied = applyOperations(emptyHost("a", "node"), read);
        expect(applied.kind === "ok" && applied.host.ipvs?.services[0]?.servers).toEqual(
          [...servers].reverse(),
        );
      }),
    );
  });
});

describe("a line that is wrong says so", () => {
  it.each([
    ["-A -t 10.0.0.1:80 -s rr -q", '"-q" is not built yet'],
    ["-A -s rr", "-A: a service is expected: -t, -u or -f"],
    ["-A -t 10.0.0.256:80", "above 255"],
    ["-A -t 10.0.0.1:99999", '-t: "99999" is no port from 0 to 65535'],
    ["-A -t [fd00::g]:80", "fd00::g"],
    ["-A -t fd00::1:99999 -s rr", "99999"],
    ["-A -t [fd00::1]:80 -M 255.255.0.0 -p", '-M: "255.255.0.0" is no number from 1 to 128'],
    ["-A -t 10.0.0.1:80 -6", "-6: a firewall mark comes before it"],
    ["-a -t [fd00::1]:80 -r 10.0.0.2:80 -i", "a real server of another family"],
    ["-A -t 10.0.0.1:0 -s rr", "must be persistent"],
    ["-A -t 10.0.0.1:80 -M 255.0.255.0 -p", "its ones must stand together"],
    ["-A -t 10.0.0.1:80 -M 255.255.0.0", "a netmask is a persistent service's"],
    ["-A -t 10.0.0.1:80 -b sh-up", '"sh-up" is none of'],
    ["-a -t 10.0.0.1:80", "a real server is expected"],
    ["-a -t 10.0.0.1:80 -r 10.0.0.2 -w -1", '-w: "-1" is no number'],
    ["-a -t 10.0.0.1:80 -r 10.0.0.2 -i --tun-type gro", "none of ipip, gue, gre"],
    ["-A -t 10.0.0.1:80 -D", "-D: -A was given already"],
    ["--set 900 120", "--set: a number is expected"],
    ["-A -t", "-t: ADDRESS[:PORT] is expected"],
    ["-t 10.0.0.1:80", "a command is expected"],
  ])("%s: %s", (line, message) => {
    const parsed = parseIpvsadm(line.split(" "), 0);
    expect(parsed).toMatchObject({ kind: "invalid", message: expect.stringContaining(message) });
  });

  it.each([
    [
      "TCP  10.0.0.1:80 rr\n  -> 10.1.0.1:80   Masq    1      0",
      "weight, active and inactive connections are expected",
    ],
    ["  -> 10.1.0.1:80   Masq    1      0   0", "a server without a service before it"],
    ["TCP  10.0.0.1:http rr", "is no ADDRESS:PORT"],
    ["ICMP 10.0.0.1:80 rr", "none of TCP, UDP, SCTP, FWM"],
    ["TCP  10.0.0.1:80", "the scheduler is missing"],
    ["TCP  10.0.0.1:80 rr persisting 5", "is not what ipvsadm prints"],
    ["TCP  10.0.0.1:80 rr\n  -> 10.1.0.1:80   Nat    1      0   0", "none of Masq, Route, Tunnel"],
  ])("a list with %j: %s", (text, message) => {
    const parsed = parseIpvsadmList(text, false);
    expect(parsed.kind === "invalid" && parsed.errors[0]?.message).toContain(message);
  });

  it("all faults of a dump are told, each with its line", () => {
    const parsed = parseIpvsadmSave(
      "-A -t 10.0.0.1:80 -s rr\n-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.2:80 -r 10.1.0.1:80 -m\n-D -t 10.0.0.1:80\n",
    );
    expect(parsed.kind === "invalid" && parsed.errors.map(({ line }) => line)).toEqual([2, 3, 4]);
  });
});

describe("a change that the kernel would refuse is refused", () => {
  const service = (line: string): Operation[] => {
    const parsed = parseIpvsadm(line.split(" "), 0);
    if (parsed.kind !== "ok") throw new Error(parsed.message);
    return ipvsadmOperations(parsed.command);
  };
  const start = applyOperations(emptyHost("lb", "router"), [
    ...service("-A -t 10.0.0.1:80 -s rr"),
    ...service("-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m"),
  ]);
  if (start.kind !== "ok") throw new Error("cannot begin");

  it.each([
    ["-A -t 10.0.0.1:80", "there is a virtual service -t 10.0.0.1:80 already"],
    ["-E -t 10.0.0.2:80", "there is no virtual service -t 10.0.0.2:80"],
    ["-D -u 10.0.0.1:80", "there is no virtual service -u 10.0.0.1:80"],
    ["-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m", "has a server 10.1.0.1:80 already"],
    ["-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -x 3 -y 4", "the lower threshold 4 is above the upper one, 3"],
    ["-a -t 10.0.0.1:80 -r 10.1.0.2 -i --tun-type gue", "a tunnel of type gue needs a port"],
    ["-a -t 10.0.0.1:80 -r 224.0.0.1:80 -m", "224.0.0.1 is no address of one host"],
    ["-e -t 10.0.0.1:80 -r 10.1.0.2:80 -m", "has no server 10.1.0.2:80"],
    ["-d -t 10.0.0.1:80 -r 10.1.0.2:80", "has no server 10.1.0.2:80"],
  ])("%s: %s", (line, message) => {
    const applied = applyOperations(start.host, service(line));
    expect(applied).toMatchObject({
      kind: "invalid",
      errors: [{ message: expect.stringContaining(message) }],
    });
  });

  it("--set leaves what is 0 as it is; -C clears", () => {
    const changed = applyOperations(start.host, [...service("--set 0 60 5"), ...service("-C")]);
    expect(changed.kind === "ok" && changed.host.ipvs).toEqual({
      services: [],
      timeouts: { tcpS: 900, tcpFinS: 60, udpS: 5 },
    });
  });
});
