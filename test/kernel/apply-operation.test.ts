import { describe, expect, it } from "vitest";
import { parseIpv4 } from "../../src/address/ipv4.ts";
import { internMac } from "../../src/address/mac.ts";
import { parseAddressOrPrefix4 } from "../../src/address/prefix.ts";
import { applyOperations } from "../../src/kernel/apply-operation.ts";
import type { Device, InterfaceAddress } from "../../src/kernel/device/device.ts";
import { emptyHost, type Host } from "../../src/kernel/host.ts";
import type { Rule, Ruleset } from "../../src/kernel/netfilter/rule.ts";
import { formatIptablesSave } from "../../src/kernel/netfilter/save/format.ts";
import { parseIptablesSave } from "../../src/kernel/netfilter/save/parse.ts";
import type { Operation } from "../../src/kernel/operation.ts";
import type { Route } from "../../src/kernel/route/route.ts";

function device(name: string, ifindex: number, more: Partial<Device> = {}): Device {
  return {
    ifindex,
    name,
    mac: internMac("02:00:00:00:00:01"),
    mtu: 1500,
    up: true,
    carrier: true,
    noArp: false,
    master: null,
    detail: { kind: "veth" },
    port: null,
    origin: 0,
    ...more,
  };
}

function address(dev: string, text: string): InterfaceAddress {
  const { address, length } = prefix(text);
  return {
    dev,
    address,
    length,
    broadcast: null,
    scope: "global",
    secondary: false,
    peer: null,
    label: null,
    origin: 0,
  };
}

function route(dst: string, dev: string, more: Partial<Route> = {}): Route {
  return {
    type: "unicast",
    dst: prefix(dst),
    table: "main",
    protocol: null,
    scope: "link",
    prefsrc: null,
    metric: 0,
    tos: 0,
    mtu: 0,
    nextHops: [{ dev, gateway: null, weight: 1, onlink: false, dead: false }],
    origin: 0,
    ...more,
  };
}

function prefix(text: string) {
  const found = parseAddressOrPrefix4(text);
  if (found === undefined) throw new Error(text);
  return found;
}

function rules(text: string): Ruleset {
  const parsed = parseIptablesSave(text, { backend: "legacy" });
  if (parsed.kind !== "ok") throw new Error(JSON.stringify(parsed.errors));
  return parsed.ruleset;
}

function rule(text: string): Rule {
  const parsed = rules(`*filter\n:INPUT ACCEPT [0:0]\n:C - [0:0]\n-A INPUT ${text}\nCOMMIT\n`);
  const found = parsed.tables.get("filter")?.chains.get("INPUT")?.rules[0];
  if (found === undefined) throw new Error(text);
  return found;
}

function applied(host: Host, ...operations: Operation[]): Host {
  const result = applyOperations(host, operations);
  if (result.kind !== "ok") throw new Error(result.errors.map(({ message }) => message).join("\n"));
  return result.host;
}

const ETH0: Operation = { kind: "link-add", device: device("eth0", 2) };
const CNI0: Operation = { kind: "link-add", device: device("cni0", 3) };
const NODE = applied(emptyHost("node", "node"), ETH0, CNI0, {
  kind: "iptables-restore",
  ruleset: rules("*filter\n:INPUT ACCEPT [0:0]\n:C - [0:0]\n-A INPUT -j C\n-A C -j ACCEPT\nCOMMIT\n"),
  noflush: false,
});

describe("what stands in the way of an operation", () => {
  it.each<[string, Operation, string]>([
    ["a device twice", ETH0, 'there is a device "eth0" already'],
    [
      "an index twice",
      { kind: "link-add", device: device("eth1", 3) },
      "eth1 cannot have the index 3: it is that of cni0",
    ],
    [
      "a port of nothing",
      { kind: "link-add", device: device("p0", 4, { master: "br0" }) },
      'p0 is a port: the host has no device "br0": it has eth0, cni0, p0',
    ],
    [
      "deleting what is not there",
      { kind: "link-delete", name: "eht0" },
      'the host has no device "eht0" (did you mean "eth0"?): it has eth0, cni0',
    ],
    [
      "setting what is not there",
      { kind: "link-set", name: "wg0", up: true },
      'the host has no device "wg0": it has eth0, cni0',
    ],
    [
      "an address of nothing",
      { kind: "address-add", address: address("lo", "10.0.0.1/8") },
      'the host has no device "lo": it has eth0, cni0',
    ],
    [
      "deleting an address that is not there",
      { kind: "address-delete", address: address("eth0", "10.0.0.1/8") },
      "eth0 has no address 10.0.0.1/8",
    ],
    [
      "a route by nothing",
      { kind: "route-add", route: route("10.0.0.0/8", "eth9") },
      'the route to 10.0.0.0/8: the host has no device "eth9" (did you mean "eth0"?): it has eth0, cni0',
    ],
    [
      "replacing by a route by nothing",
      { kind: "route-replace", route: route("10.0.0.0/8", "x") },
      'the route to 10.0.0.0/8: the host has no device "x": it has eth0, cni0',
    ],
    [
      "deleting a route that is not there",
      { kind: "route-delete", route: route("10.0.0.0/8", "eth0") },
      "table main has no such route to 10.0.0.0/8",
    ],
    [
      "inserting behind the end",
      { kind: "iptables-insert", table: "filter", chain: "C", index: 3, rule: rule("-j DROP") },
      "cannot insert at 3: chain C of table filter has 1 rule, so 1 to 2",
    ],
    [
      "inserting before the first",
      { kind: "iptables-insert", table: "filter", chain: "C", index: 0, rule: rule("-j DROP") },
      "cannot insert at 0: chain C of table filter has 1 rule, so 1 to 2",
    ],
    [
      "a chain that is not there",
      { kind: "iptables-insert", table: "filter", chain: "D", index: 1, rule: rule("-j DROP") },
      'table filter has no chain "D"',
    ],
    [
      "a table that is not there",
      { kind: "iptables-insert", table: "nap", chain: "C", index: 1, rule: rule("-j DROP") },
      'no table "nap": iptables has filter, nat, mangle, raw, security',
    ],
    [
      "a jump to nowhere",
      { kind: "iptables-insert", table: "nat", chain: "OUTPUT", index: 1, rule: rule("-j C") },
      "table nat has no chain C to jump to",
    ],
    [
      "deleting behind the end",
      { kind: "iptables-delete", table: "filter", chain: "INPUT", index: 2 },
      "cannot delete rule 2: chain INPUT of table filter has 1 rule",
    ],
  ])("%s", (_, operation, message) => {
    expect(applyOperations(NODE, [operation])).toEqual({ kind: "invalid", errors: [{ operation, message }] });
  });

  it("each thing twice", () => {
    const twice: Operation[] = [
      { kind: "address-add", address: address("eth0", "10.0.0.1/8") },
      { kind: "route-add", route: route("10.0.0.0/8", "eth0") },
      {
        kind: "fdb-append",
        entry: {
          mac: internMac("02:00:00:00:00:02"),
          dev: "eth0",
          master: null,
          state: "permanent",
          dst: null,
          vlan: null,
          origin: 0,
        },
      },
      {
        kind: "socket-open",
        socket: {
          proto: "tcp",
          families: [4],
          address: null,
          dev: null,
          port: 80,
          app: { kind: "line" },
          origin: 0,
        },
      },
    ];
    const host = applied(NODE, ...twice);
    const again = applyOperations(host, twice);
    expect(again.kind === "invalid" && again.errors.map(({ message }) => message)).toEqual([
      "eth0 has the address 10.0.0.1/8 already",
      "table main has this route to 10.0.0.0/8 already",
      "eth0 has this entry for 02:00:00:00:00:02 already",
      "tcp port 80 is in use already",
    ]);
  });
});

describe("applying operations", () => {
  it("tells all errors, and changes nothing when there is one", () => {
    const result = applyOperations(NODE, [
      { kind: "link-set", name: "eth0", up: false },
      { kind: "link-delete", name: "a" },
      { kind: "link-delete", name: "b" },
    ]);
    expect(result.kind === "invalid" && result.errors).toHaveLength(2);
    expect(NODE.devices[0]?.up).toBe(true);
  });

  it("shares what it does not touch", () => {
    const host = applied(NODE, { kind: "route-add", route: route("10.0.0.0/8", "eth0") });
    const { routes, ...rest } = host;
    const { routes: before, ...same } = NODE;
    for (const [name, value] of Object.entries(rest))
      expect(value, name).toBe(same[name as keyof typeof same]);
    expect([before.length, routes.length]).toEqual([0, 1]);
    expect(applied(NODE).devices).toBe(NODE.devices);
  });

  it("shares the tables and chains that it does not touch", () => {
    const insert: Operation = {
      kind: "iptables-insert",
      table: "filter",
      chain: "INPUT",
      index: 1,
      rule: rule("-j DROP"),
    };
    const host = applied(NODE, insert, {
      kind: "iptables-insert",
      table: "nat",
      chain: "OUTPUT",
      index: null,
      rule: rule("-j ACCEPT"),
    });
    const chains = (of: Host) => of.iptables?.tables.get("filter")?.chains;
    expect(chains(host)?.get("C")).toBe(chains(NODE)?.get("C"));
    expect(chains(host)?.get("INPUT")?.rules).toHaveLength(2);
    expect(chains(NODE)?.get("INPUT")?.rules).toHaveLength(1);
    expect(host.iptables?.tables.get("nat")?.chains.get("OUTPUT")?.rules).toHaveLength(1);
    expect(NODE.iptables?.tables.has("nat")).toBe(false);
  });

  it("takes with a device all that hangs on it", () => {
    const host = applied(
      NODE,
      { kind: "link-add", device: device("p0", 4, { master: "cni0" }) },
      { kind: "address-add", address: address("cni0", "10.0.0.1/8") },
      { kind: "route-add", route: route("10.0.0.0/8", "cni0") },
      { kind: "route-add", route: route("11.0.0.0/8", "eth0") },
      { kind: "link-delete", name: "cni0" },
    );
    expect(host.devices.map(({ name, master }) => [name, master])).toEqual([
      ["eth0", null],
      ["p0", null],
    ]);
    expect(host.addresses).toEqual([]);
    expect(host.routes).toEqual([route("11.0.0.0/8", "eth0")]);
    expect(applied(host, CNI0).devices).toHaveLength(3);
  });

  it("replaces the first route of a prefix, tos and metric, or adds it", () => {
    const host = applied(
      NODE,
      { kind: "route-add", route: route("10.0.0.0/8", "eth0") },
      { kind: "route-add", route: route("10.0.0.0/8", "eth0", { metric: 5 }) },
      { kind: "route-replace", route: route("10.0.0.0/8", "cni0") },
      { kind: "route-replace", route: route("11.0.0.0/8", "cni0") },
      { kind: "route-delete", route: route("10.0.0.0/8", "eth0", { metric: 5, nextHops: [] }) },
    );
    expect(host.routes).toEqual([route("10.0.0.0/8", "cni0"), route("11.0.0.0/8", "cni0")]);
  });

  it("replaces a neighbour in its place", () => {
    const dst = parseIpv4("10.0.0.9") ?? 0;
    const entry = { dst, dev: "eth0", state: "stale", proxy: false, origin: 0 } as const;
    const host = applied(
      NODE,
      { kind: "neighbour-replace", neighbour: { ...entry, lladdr: internMac("02:00:00:00:00:09") } },
      { kind: "neighbour-replace", neighbour: { ...entry, lladdr: null } },
    );
    expect(host.neighbours).toEqual([{ ...entry, lladdr: null }]);
  });

  it("keeps rules by priority, equal ones as they came", () => {
    const make = (priority: number, iif: string): Operation => ({
      kind: "rule-add",
      rule: {
        priority,
        iif,
        src: null,
        dst: null,
        oif: null,
        fwmark: null,
        tos: 0,
        ipproto: null,
        sport: null,
        dport: null,
        uidRange: null,
        not: false,
        action: { kind: "nop" },
        origin: 0,
      },
    });
    const host = applied(NODE, make(100, "a"), make(0, "b"), make(100, "c"), make(50, "d"));
    expect(host.rules.map(({ iif }) => iif)).toEqual(["b", "d", "a", "c"]);
  });

  it("a list that was assumed takes any socket, a listed one is replaced whole", () => {
    const assumed = applied(NODE, { kind: "sockets", sockets: { kind: "assumed" } });
    const socket = {
      proto: "tcp",
      families: [4],
      address: null,
      dev: null,
      port: 80,
      app: { kind: "line" },
      origin: 0,
    } as const;
    expect(applied(assumed, { kind: "socket-open", socket }).sockets).toEqual({ kind: "assumed" });
    expect(
      applied(assumed, { kind: "sockets", sockets: { kind: "listed", sockets: [socket] } }).sockets,
    ).toEqual({
      kind: "listed",
      sockets: [socket],
    });
  });
});

describe("iptables-restore", () => {
  const text = (host: Host) => (host.iptables === null ? "" : formatIptablesSave(host.iptables));

  it("replaces the tables that it names, and no other", () => {
    const nat = rules("*nat\n:OUTPUT DROP [0:0]\nCOMMIT\n");
    const host = applied(NODE, { kind: "iptables-restore", ruleset: nat, noflush: false });
    expect(host.iptables?.tables.get("filter")).toBe(NODE.iptables?.tables.get("filter"));
    expect(host.iptables?.tables.get("nat")?.chains.get("OUTPUT")?.policy).toBe("DROP");
  });

  it("with noflush empties the user's chains that it names, and appends to built-in ones", () => {
    const part = rules(
      "*filter\n:INPUT DROP [0:0]\n:C - [0:0]\n:D - [0:0]\n-A INPUT -j D\n-A C -j D\nCOMMIT\n",
    );
    const host = applied(NODE, { kind: "iptables-restore", ruleset: part, noflush: true });
    expect(text(host)).toBe(
      "*filter\n:INPUT DROP [0:0]\n:C - [0:0]\n:D - [0:0]\n-A INPUT -j C\n-A INPUT -j D\n-A C -j D\nCOMMIT\n",
    );
    expect(text(NODE)).toContain("-A C -j ACCEPT");
  });

  it("with noflush a chain that is written as it stands stays the same value; one word changed makes it new", () => {
    const before = applied(NODE, {
      kind: "iptables-restore",
      ruleset: rules("*filter\n:C - [0:0]\n:D - [0:0]\n-A C -p tcp -j D\n-A C -j D\nCOMMIT\n"),
      noflush: false,
    });
    const written = (word: string) =>
      applied(before, {
        kind: "iptables-restore",
        ruleset: rules(`*filter\n:C - [0:0]\n:D - [0:0]\n-A C -p ${word} -j D\n-A C -j D\nCOMMIT\n`),
        noflush: true,
      })
        .iptables?.tables.get("filter")
        ?.chains.get("C");
    const chain = before.iptables?.tables.get("filter")?.chains.get("C");
    expect(written("tcp")).toBe(chain);
    expect(written("udp")).not.toBe(chain);
    expect(written("udp")?.rules[0]?.protocol?.value).toBe(17);
  });

  it("refuses a jump to a chain that neither it nor the table has", () => {
    const whole = rules("*filter\n:INPUT ACCEPT [0:0]\n:C - [0:0]\n-A INPUT -j C\nCOMMIT\n");
    const filter = whole.tables.get("filter");
    const input = filter?.chains.get("INPUT");
    if (input === undefined) throw new Error("no chain");
    const part: Ruleset = {
      backend: "legacy",
      tables: new Map([["filter", { name: "filter", chains: new Map([["INPUT", input]]) }]]),
    };
    const refused = applyOperations(emptyHost("a", "node"), [
      { kind: "iptables-restore", ruleset: part, noflush: true },
    ]);
    expect(refused).toMatchObject({
      kind: "invalid",
      errors: [{ message: "chain INPUT of table filter jumps to C, which does not exist" }],
    });
    expect(applyOperations(NODE, [{ kind: "iptables-restore", ruleset: part, noflush: true }]).kind).toBe(
      "ok",
    );
  });

  it("many operations on one chain cost as many steps, not their square", () => {
    const count = 50_000;
    const append: Operation = {
      kind: "iptables-insert",
      table: "filter",
      chain: "C",
      index: null,
      rule: rule("-j DROP"),
    };
    const host = applied(NODE, ...new Array<Operation>(count).fill(append));
    expect(host.iptables?.tables.get("filter")?.chains.get("C")?.rules).toHaveLength(count + 1);
  });
});
