import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { emptyHost } from "../../src/kernel/host.ts";
import type { Json } from "../../src/kernel/json-fields.ts";
import { dhcpOf } from "../../src/world/dhcp/configuration.ts";
import { addressFor, withLease, withLeases } from "../../src/world/dhcp/lease-server.ts";
import { hopscope } from "./cli.ts";

/** DHCP as a user meets it: leases of containers by `cni`, and hosts of a snapshot that are configured by it. */

const folder = mkdtempSync(join(tmpdir(), "hopscope-dhcp-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
function file(content: unknown): string {
  const path = join(folder, `file-${made++}.json`);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

const SERVER: Json = {
  device: "eth0",
  subnet: "10.60.0.0/24",
  rangeStart: "10.60.0.5",
  rangeEnd: "10.60.0.6",
  routers: ["10.60.0.1"],
};

function host(n: number, addresses: readonly string[], more: Json = {}): Json {
  const flags = ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"];
  const link = { ifindex: 2, ifname: "eth0", flags, mtu: 1500, link_type: "ether" };
  return {
    links: [{ ...link, address: `02:00:00:00:00:0${n}`, linkinfo: { info_kind: "veth" } }],
    addrs: [
      {
        ifname: "eth0",
        addr_info: addresses.map((local) => ({ family: "inet", local, prefixlen: 24, scope: "global" })),
      },
    ],
    sysctl: { "net.ipv4.ip_forward": "0" },
    sockets: "tcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:*\n",
    ...more,
  };
}

const net = (servers: readonly Json[], daemon = true) =>
  file({
    hosts: {
      node: host(1, ["192.168.50.11"], daemon ? { dhcp: { daemon: "/run/cni/dhcp.sock" } } : {}),
      server: host(2, ["10.60.0.1"], { dhcp: { servers } }),
    },
    wires: [["node", "eth0", "server", "eth0"]],
  });

const CONF = file({
  cniVersion: "1.0.0",
  name: "lan",
  type: "macvlan",
  master: "eth0",
  ipam: { type: "dhcp" },
});

/** A node kept between calls. */
class Node {
  readonly #state = mkdtempSync(join(folder, "state-"));
  #first: readonly string[];

  constructor(source: string) {
    this.#first = ["-f", source];
  }

  async call(verb: string, container: string, ...more: readonly string[]) {
    const first = this.#first;
    this.#first = [];
    const who = ["--conf", CONF, "--container", container, "--netns", container, "--state", this.#state];
    const { code, out } = await hopscope(["cni", verb, ...who, ...first, ...more]);
    const said = (out === "" ? {} : JSON.parse(out)) as { msg?: string; ips?: { address: string }[] };
    return { code, told: said.msg ?? said.ips?.[0]?.address ?? "" };
  }

  leases(): Json[] {
    const { hosts } = JSON.parse(readFileSync(join(this.#state, "world.json"), "utf8")) as {
      hosts: { server: { dhcp: { servers: { leases?: Json[] }[] } } };
    };
    return hosts.server.dhcp.servers[0]?.leases ?? [];
  }

  /** Is the container's interface up? */
  isUp(container: string): boolean {
    const { hosts } = JSON.parse(readFileSync(join(this.#state, "world.json"), "utf8")) as {
      hosts: Record<string, { links: { ifname: string; flags: string[] }[] }>;
    };
    return hosts[container]?.links.find(({ ifname }) => ifname === "eth0")?.flags.includes("UP") ?? false;
  }

  known(): string[] {
    return readdirSync(join(this.#state, "dhcp"));
  }

  /** The servers change between two calls. */
  change(change: (server: Json) => Json): void {
    const path = join(this.#state, "world.json");
    const world = JSON.parse(readFileSync(path, "utf8")) as {
      hosts: { server: { dhcp: { servers: Json[] } } };
    };
    const { dhcp } = world.hosts.server;
    dhcp.servers = dhcp.servers.map(change);
    writeFileSync(path, JSON.stringify(world));
  }
}

describe("the dhcp plugin", () => {
  it("leases in turn, gives back at DEL, and the server remembers who had what", async () => {
    const node = new Node(net([SERVER]));
    expect(await node.call("add", "c1")).toEqual({ code: 0, told: "10.60.0.5/24" });
    expect(await node.call("add", "c2")).toEqual({ code: 0, told: "10.60.0.6/24" });
    expect(await node.call("add", "c3")).toEqual({
      code: 1,
      told: "error calling DHCP.Allocate: no more tries",
    });
    expect(await node.call("del", "c1")).toEqual({ code: 0, told: "" });
    expect(node.leases().map(({ address, expires }) => [address, expires])).toEqual([
      ["10.60.0.6", 3600],
      ["10.60.0.5", 0],
    ]);
    expect(node.known()).toEqual(["c2_lan_eth0.json"]);
  });

  it("a lease is prolonged by the clock, and ends with its server", async () => {
    const node = new Node(net([SERVER]));
    await node.call("add", "c1", "--time", "100");
    expect(node.leases()).toEqual([{ client: "c1/lan/eth0", address: "10.60.0.5", expires: 3700 }]);
    // Ten years of renewals, half an hour apart.
    await node.call("check", "c1", "--time", "315360100");
    expect(node.leases()).toEqual([{ client: "c1/lan/eth0", address: "10.60.0.5", expires: 315_363_700 }]);
    node.change((server) => ({ ...server, stopped: true }));
    await node.call("check", "c1", "--time", "315363600");
    expect(node.isUp("c1")).toBe(true);
    await node.call("check", "c1", "--time", "315363701");
    expect(node.known()).toEqual([]);
  });

  it("a lease whose server forgot it is had anew at its rebinding, under an address that the interface does not take", async () => {
    const node = new Node(net([SERVER]));
    await node.call("add", "c1");
    node.change((server) => ({ ...server, leases: [] }));
    // The server asks for 10.60.0.5 before it gives it away, and the container itself answers.
    expect(await node.call("add", "c2", "--time", "3599")).toEqual({
      code: 1,
      told: "error calling DHCP.Allocate: no more tries",
    });
    expect(node.leases()).toEqual([{ client: "c1/lan/eth0", address: "10.60.0.6", expires: 3150 + 3600 }]);
    expect(node.isUp("c1")).toBe(true);
  });

  it.each([
    [
      "no daemon",
      net([SERVER], false),
      "error dialing DHCP daemon: dial unix /run/cni/dhcp.sock: connect: no such file or directory",
    ],
    ["a dead server", net([{ ...SERVER, stopped: true }]), "error calling DHCP.Allocate: no more tries"],
    ["no server", net([]), "error calling DHCP.Allocate: no more tries"],
  ])("%s fails ADD", async (_name, source, told) => {
    expect(await new Node(source).call("add", "c1")).toEqual({ code: 1, told });
  });

  it("a server behind a wall of its own hears nobody", async () => {
    const deaf = JSON.parse(readFileSync(net([SERVER]), "utf8")) as { hosts: { server: Json } };
    deaf.hosts.server = {
      ...deaf.hosts.server,
      iptablesSave: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -m udp --dport 67 -j DROP\nCOMMIT\n",
    };
    expect((await new Node(file(deaf)).call("add", "c1")).told).toContain("no more tries");
  });

  it("the clock goes on only", async () => {
    const node = new Node(net([SERVER]));
    await node.call("add", "c1", "--time", "100");
    expect(await node.call("check", "c1", "--time", "99")).toEqual({ code: 2, told: "" });
    expect(await node.call("check", "c1", "--time", "soon")).toEqual({ code: 2, told: "" });
  });
});

describe("a host configured by DHCP", () => {
  const machine = (servers: readonly Json[], more: Json = {}) =>
    file({
      hosts: {
        pc: host(1, [], { dhcp: { clients: ["eth0"] } }),
        server: host(2, ["10.60.0.1"], { dhcp: { servers }, ...more }),
      },
      wires: [["pc", "eth0", "server", "eth0"]],
    });
  const asked = async (source: string, to: string) => {
    const { code, out } = await hopscope(["trace", "-f", source, "host/pc", to]);
    return { code, out };
  };

  it("has address, route and MTU of its lease", async () => {
    const source = machine([{ ...SERVER, mtu: 1400 }]);
    const { code, out } = await asked(source, "10.60.0.1:80");
    expect(code).toBe(0);
    expect(out).toContain("10.60.0.5");
    const { out: state } = await hopscope(["export", "-f", source, "--node", "pc", "--format", "ip"]);
    expect(state).toMatch(/mtu 1400/);
    expect(state).toMatch(/^ip route append default via 10\.60\.0\.1 dev eth0 .*proto dhcp/m);
  });

  it("without an answer takes an address of the link's own, the same each time (RFC 3927)", async () => {
    const addressOf = async (source: string) => {
      const { out } = await hopscope(["export", "-f", source, "--node", "pc", "--format", "ip"]);
      return /ip addr add (169\.254\.\d+\.\d+)\/16/.exec(out)?.[1] ?? "none";
    };
    const one = await addressOf(machine([]));
    expect(one).toMatch(/^169\.254\./);
    expect(await addressOf(machine([{ ...SERVER, stopped: true }]))).toBe(one);
    // Somebody has it: another one is drawn.
    const taken = {
      addrs: [{ ifname: "eth0", addr_info: [{ family: "inet", local: one, prefixlen: 16, scope: "link" }] }],
    };
    const other = await addressOf(machine([], taken));
    expect(other).toMatch(/^169\.254\./);
    expect(other).not.toBe(one);
  });

  it.each([
    [{ clients: ["eth7"] }, 'there is no device "eth7"'],
    [{ servers: [{ ...SERVER, device: "eth7" }] }, 'there is no device "eth7"'],
    [{ servers: [{ ...SERVER, subnet: "10.60.0.0/33" }] }, "hosts.pc.dhcp.servers[0].subnet"],
    [{ servers: [{ ...SERVER, subnet: "10.60.0.7/24" }] }, "has host bits"],
    [{ servers: [SERVER] }, "eth0 has no address of it, so the server could not answer"],
    [{ servers: [{ ...SERVER, rangeStart: "10.61.0.1" }] }, "is no address of the subnet"],
    [{ servers: [{ ...SERVER, rangeStart: "10.60.0.9" }] }, "the pool would be empty"],
    [{ servers: [{ ...SERVER, leasetime: 5 }] }, "is no field of this"],
    [{ server: [] }, "is no field of this"],
    [{ servers: 7 }, "7 is not a list"],
  ])("%j: %s", async (dhcp, message) => {
    const { code, out, err } = await hopscope([
      "trace",
      "-f",
      file({ hosts: { pc: host(1, [], { dhcp }) } }),
      "host/pc",
      "10.60.0.1:80",
    ]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(message);
  });
});

describe("the lease server", () => {
  const step = fc.record({
    id: fc.constantFrom("a", "b", "c", "d", "e"),
    does: fc.constantFrom("ask", "ask", "ask", "release"),
    passes: fc.constantFrom(0, 1, 60, 5000),
  });

  const seed = Number(process.env["CNI_SEED"] ?? 20_261);

  it(`gives no address to two at once, keeps each with its client, and refuses only when all are given (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let server = {
          ...emptyHost("server", "external"),
          unmodelled: new Map<string, unknown>([
            ["dhcp", { servers: [{ ...SERVER, serverIdentifier: "10.60.0.1", rangeEnd: "10.60.0.8" }] }],
          ]),
        };
        let now = 0;
        const held = new Map<string, { address: number; expires: number }>();
        for (const { id, does, passes } of steps) {
          now += passes;
          const [own] = dhcpOf(server).servers;
          if (own === undefined) throw new Error("no server");
          const before = held.get(id);
          if (does === "release" && (before === undefined || before.expires <= now)) continue;
          const address =
            does === "release"
              ? (before?.address ?? null)
              : addressFor(server, own, { id, mac: 0, wanted: null }, now, () => false);
          const living = [...held].filter(([other, { expires }]) => other !== id && expires > now);
          if (address === null) {
            expect(living).toHaveLength(4);
            continue;
          }
          expect(living.map(([, lease]) => lease.address)).not.toContain(address);
          if (before !== undefined && before.expires > now) expect(address).toBe(before.address);
          const expires = does === "release" ? now : now + own.leaseTime;
          held.set(id, { address, expires });
          const leases = withLease(own, { client: id, address, expires });
          server = { ...server, unmodelled: new Map([["dhcp", withLeases(server, own, leases)]]) };
        }
      }),
      { seed, numRuns: 500 },
    );
  });
});
