import type { Device } from "../../src/kernel/device/device.ts";
import type { Host } from "../../src/kernel/host.ts";
import type { Match } from "../../src/kernel/netfilter/match/match.ts";
import type { Rule, Ruleset } from "../../src/kernel/netfilter/rule.ts";
import type { Target } from "../../src/kernel/netfilter/target/target.ts";
import type { NftTable } from "../../src/kernel/nft/ruleset.ts";
import type { NftStatement } from "../../src/kernel/nft/statement.ts";
import type { World } from "../../src/world/world.ts";

/** Worlds as a model takes them that forgets something, or mistakes it for something else. */
export type Misreading = (world: World) => World;

export function hosts(change: (host: Host) => Host): Misreading {
  return (world) => ({
    ...world,
    hosts: new Map([...world.hosts].map(([name, host]) => [name, change(host)])),
  });
}

/** Rules of iptables, or of ip6tables. */
export function rules(change: (rule: Rule) => Rule, own: "iptables" | "ip6tables" = "iptables"): Misreading {
  return hosts((host) => ({ ...host, [own]: changed(host[own], change) }));
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
export function targets(
  kind: string,
  change: (target: Target) => object | null,
  own?: "iptables" | "ip6tables",
): Misreading {
  return rules(
    (rule) => (rule.target?.kind === kind ? { ...rule, target: change(rule.target) as Target | null } : rule),
    own,
  );
}

export function matches(kind: string, change: (match: Match) => object): Misreading {
  return rules((rule) => ({
    ...rule,
    matches: rule.matches.map((match) => (match.kind === kind ? (change(match) as Match) : match)),
  }));
}

export function policies(world: World): World {
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

export function settings(isMeant: (name: string) => boolean, value = "0"): Misreading {
  return hosts((host) => ({
    ...host,
    sysctl: new Map([...host.sysctl].map(([name, old]) => [name, isMeant(name) ? value : old])),
  }));
}

/** Devices as something else. */
export function devices(change: (device: Device) => Device): Misreading {
  return hosts((host) => ({ ...host, devices: host.devices.map(change) }));
}

/** Statements of nftables as others, or as none. */
export function statements(change: (statement: NftStatement) => NftStatement | null): Misreading {
  return nftTables((table) => ({
    ...table,
    chains: table.chains.map((chain) => ({
      ...chain,
      rules: chain.rules.map((rule) => ({
        ...rule,
        statements: rule.statements.flatMap((statement) => change(statement) ?? []),
      })),
    })),
  }));
}

export function nftTables(change: (table: NftTable) => NftTable | null): Misreading {
  return hosts((host) =>
    host.nft === null
      ? { ...host }
      : { ...host, nft: { tables: host.nft.tables.flatMap((table) => change(table) ?? []) } },
  );
}

/** Is it one of the rules that every namespace begins with? */
export function isUsual({ priority }: { readonly priority: number }): boolean {
  return priority === 0 || priority >= 32_766;
}
