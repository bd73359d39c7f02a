import { ConntrackTable } from "../../src/kernel/conntrack/table.ts";
import type { Host } from "../../src/kernel/host.ts";
import type { Match } from "../../src/kernel/netfilter/match/match.ts";
import { MATCHES } from "../../src/kernel/netfilter/match/registry.ts";
import type { Rule, Ruleset } from "../../src/kernel/netfilter/rule.ts";
import type { Target } from "../../src/kernel/netfilter/target/target.ts";
import { LINUX_PATH } from "../../src/kernel/path/linux-path.ts";
import type { RecordedProbe } from "../../src/lab/recorded.ts";
import type { World } from "../../src/world/world.ts";
import { judged } from "./probing.ts";

/**
 * Twenty ways in which the model could be wrong, each of which the live truth must find: a mutated model walks the very
 * packets that the kernel was recorded with. Most misread the world, as a model that forgets something would; the others
 * replace a part of it while they run.
 */
export interface Mutation {
  readonly name: string;
  /** The world as a model with this mistake takes it. */
  readonly misread?: (world: World) => World;
  /** Breaks the model; what it returns mends it again. */
  readonly broken?: () => () => void;
}

export const MUTATIONS: readonly Mutation[] = [
  { name: "RETURN is taken for ACCEPT", misread: targets("RETURN", () => ({ kind: "ACCEPT" })) },
  { name: "goto is taken for a jump", misread: targets("goto", (target) => ({ ...target, kind: "jump" })) },
  { name: "a mark's mask is ignored", misread: matches("mark", (match) => ({ ...match, mask: -1 })) },
  { name: "MARK sets every bit", misread: targets("MARK", (target) => ({ ...target, mask: -1 })) },
  {
    name: "REJECT answers with another code",
    misread: targets("REJECT", (target) => ({ ...target, rejectWith: "icmp-net-unreachable" })),
  },
  { name: "REJECT says nothing", misread: targets("REJECT", () => ({ kind: "DROP" })) },
  {
    name: "statistic nth is off by one",
    misread: matches("statistic", (match) => {
      const { packet, every } = match as {
        readonly packet?: number;
        readonly every?: { readonly value: number };
      };
      return packet === undefined || every === undefined
        ? match
        : { ...match, packet: (packet + 1) % Math.max(1, every.value + 1) };
    }),
  },
  {
    name: "limit lets one packet more through",
    misread: matches("limit", (match) => ({
      ...match,
      burst: (match as unknown as { burst: number }).burst + 1,
    })),
  },
  {
    name: "DNAT leaves the port",
    misread: targets("DNAT", (target) => {
      const { range } = target as unknown as { readonly range: object };
      return { ...target, range: { ...range, portMin: null, portMax: null } };
    }),
  },
  { name: "MASQUERADE does nothing", misread: targets("MASQUERADE", () => ({ kind: "ACCEPT" })) },
  { name: "a target TTL does nothing", misread: targets("TTL", () => null) },
  { name: "NOTRACK is ignored", misread: targets("CT", () => null) },
  { name: "a policy DROP is ignored", misread: policies },
  { name: "blackholes answer", misread: hosts(answeringBlackholes) },
  {
    name: "policy rules are ignored",
    misread: hosts((host) => ({ ...host, rules: host.rules.filter(isUsual) })),
  },
  { name: "rp_filter is ignored", misread: settings((name) => name.endsWith(".rp_filter")) },
  {
    name: "bridged packets are spared by iptables",
    misread: settings((name) => name.includes("bridge-nf-call"), "0"),
  },
  {
    name: "hairpin is ignored",
    misread: hosts((host) => ({
      ...host,
      devices: host.devices.map((device) =>
        device.port === null
          ? device
          : { ...device, port: { ...device.port, hairpin: !device.port.hairpin } },
      ),
    })),
  },
  { name: "a device's MTU is ignored", misread: hosts(withoutMtu) },
  {
    name: "the TTL is not decremented",
    broken: () => onTransmit((packet) => (packet.rtInput !== 0 ? 1 : 0)),
  },
  { name: "conntrack forgets to confirm", broken: unconfirmed },
  { name: "conntrack matches nothing", broken: () => blind("conntrack") },
];

/** Which mutations these recordings find: names of those that make a packet disagree that agrees without them. */
export function found(
  recorded: readonly { readonly world: World; readonly probes: readonly RecordedProbe[] }[],
  mutations: readonly Mutation[] = MUTATIONS,
): Set<string> {
  const names = new Set<string>();
  const honest = recorded.map(({ world, probes }) =>
    judged(world, probes).map(({ difference }) => difference === null),
  );
  for (const { name, misread, broken } of mutations) {
    const mend = broken?.();
    try {
      // A part that hides behind another world's compiled form would not be seen: each gets hosts of its own.
      const isFound = recorded.some(({ world, probes }, i) => {
        const taken = misread === undefined ? rules((rule) => ({ ...rule }))(world) : misread(world);
        return judged(taken, probes).some(
          ({ difference }, k) => difference !== null && (honest[i] as boolean[])[k] === true,
        );
      });
      if (isFound) names.add(name);
    } finally {
      mend?.();
    }
  }
  return names;
}

function hosts(change: (host: Host) => Host): (world: World) => World {
  return (world) => ({
    ...world,
    hosts: new Map([...world.hosts].map(([name, host]) => [name, change(host)])),
  });
}

function rules(change: (rule: Rule) => Rule): (world: World) => World {
  return hosts((host) => ({ ...host, iptables: changed(host.iptables, change) }));
}

function changed(ruleset: Ruleset | null, change: (rule: Rule) => Rule): Ruleset | null {
  if (ruleset === null) return null;
  const tables = [...ruleset.tables].map(([name, table]) => {
    const chains = [...table.chains].map(
      ([chain, value]) => [chain, { ...value, rules: value.rules.map(change) }] as const,
    );
    return [name, { ...table, chains: new Map(chains) }] as const;
  });
  return { ...ruleset, tables: new Map(tables) };
}

/** A target of a kind taken for another, null: for none. */
function targets(kind: string, change: (target: Target) => object | null): (world: World) => World {
  return rules((rule) =>
    rule.target?.kind === kind ? { ...rule, target: change(rule.target) as Target | null } : rule,
  );
}

function matches(kind: string, change: (match: Match) => object): (world: World) => World {
  return rules((rule) => ({
    ...rule,
    matches: rule.matches.map((match) => (match.kind === kind ? (change(match) as Match) : match)),
  }));
}

function policies(world: World): World {
  return hosts((host) => {
    if (host.iptables === null) return { ...host };
    const tables = [...host.iptables.tables].map(([name, table]) => {
      const chains = [...table.chains].map(
        ([chain, value]) =>
          [chain, { ...value, policy: value.policy === null ? null : "ACCEPT" } as const] as const,
      );
      return [name, { ...table, chains: new Map(chains) }] as const;
    });
    return { ...host, iptables: { ...host.iptables, tables: new Map(tables) } };
  })(world);
}

function settings(isMeant: (name: string) => boolean, value = "0"): (world: World) => World {
  return hosts((host) => ({
    ...host,
    sysctl: new Map([...host.sysctl].map(([name, old]) => [name, isMeant(name) ? value : old])),
  }));
}

function answeringBlackholes(host: Host): Host {
  return {
    ...host,
    routes: host.routes.map((route) =>
      route.type === "blackhole" ? { ...route, type: "unreachable" } : route,
    ),
  };
}

function withoutMtu(host: Host): Host {
  return { ...host, devices: host.devices.map((device) => ({ ...device, mtu: 65_535 })) };
}

function isUsual({ priority }: { readonly priority: number }): boolean {
  return priority === 0 || priority >= 32_766;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Frames leave with so much more TTL. */
function onTransmit(more: (packet: { readonly rtInput: number }) => number): () => void {
  const path = LINUX_PATH as Writable<typeof LINUX_PATH>;
  const { transmit } = path;
  path.transmit = (stack, dev, packet) => {
    packet.ttl += more(packet);
    transmit(stack, dev, packet);
  };
  return () => {
    path.transmit = transmit;
  };
}

function unconfirmed(): () => void {
  const { confirm } = ConntrackTable.prototype;
  ConntrackTable.prototype.confirm = () => true;
  return () => {
    ConntrackTable.prototype.confirm = confirm;
  };
}

/** A match that never matches. */
function blind(kind: string): () => void {
  const module = MATCHES.get(kind) as Writable<NonNullable<ReturnType<typeof MATCHES.get>>>;
  const { compile } = module;
  module.compile = () => ({ test: () => false });
  return () => {
    module.compile = compile;
  };
}
