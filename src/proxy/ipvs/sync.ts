import { elementKey } from "../../kernel/ipset/element-text.ts";
import type { IpsetEntry } from "../../kernel/ipset/ipset.ts";
import {
  type RealServer,
  selectorKey,
  serverKey,
  type VirtualService,
  type VirtualServiceSelector,
} from "../../kernel/ipvs/virtual-service.ts";
import type { Ruleset } from "../../kernel/netfilter/rule.ts";
import type { Operation } from "../../kernel/operation.ts";
import { dummyAddresses, dummyRoutes, ipsets, ruleOperations, virtualServices } from "./operations.ts";
import type { NodeState } from "./proxier.ts";

/** What a sync looks at on the node. */
export interface Found {
  readonly iptables: Ruleset | null;
  /** Connections of a real server, active and not. */
  readonly connections: (selector: VirtualServiceSelector, server: RealServer) => number;
  /** Real servers that an earlier sync let run dry (`drainKey`). */
  readonly draining: ReadonlySet<string>;
}

export interface Sync {
  readonly operations: readonly Operation[];
  /** Real servers of weight 0, there only for the connections they still have. */
  readonly draining: ReadonlySet<string>;
}

export function drainKey(selector: VirtualServiceSelector, server: RealServer): string {
  return `${selectorKey(selector)} ${serverKey(server)}`;
}

/**
 * From one state of a node to the next: single virtual services, real servers, addresses and entries of sets; the rules,
 * which are few, whole.
 */
export function syncOperations(state: NodeState, before: NodeState, found: Found): Sync {
  const { operations, draining } = serverOperations(virtualServices(state), virtualServices(before), found);
  return {
    operations: [
      ...operations,
      ...addressOperations(state, before),
      ...setOperations(state, before),
      ...ruleOperations(state, found.iptables),
    ],
    draining,
  };
}

function serverOperations(
  now: readonly VirtualService[],
  before: readonly VirtualService[],
  found: Found,
): Sync {
  const old = byKey(before, ({ selector }) => selectorKey(selector));
  const wanted = byKey(now, ({ selector }) => selectorKey(selector));
  const operations: Operation[] = [];
  const draining = new Set<string>();
  for (const [key, service] of wanted) {
    const was = old.get(key);
    const { selector } = service;
    if (was === undefined) {
      operations.push({ kind: "virtual-server-add", service: { ...service, servers: [] } });
    } else if (!isSameService(service, was)) operations.push({ kind: "virtual-server-edit", service });
    const had = byKey(was?.servers ?? [], serverKey);
    const has = byKey(service.servers, serverKey);
    // The one that is added last comes to stand first.
    for (const server of [...service.servers].reverse()) {
      if (had.has(serverKey(server))) continue;
      const isDraining = found.draining.has(drainKey(selector, server));
      operations.push({ kind: isDraining ? "real-server-edit" : "real-server-add", selector, server });
    }
    for (const [serverName, server] of had) {
      if (!has.has(serverName)) operations.push(removal(selector, server, found, draining));
    }
    for (const name of found.draining) {
      const isBack = service.servers.some((server) => drainKey(selector, server) === name);
      if (name.startsWith(`${key} `) && !isBack) draining.add(name);
    }
  }
  for (const [key, { selector }] of old) {
    if (!wanted.has(key)) operations.push({ kind: "virtual-server-delete", selector });
  }
  return { operations, draining };
}

/** One of TCP with connections only gets no more of them; of UDP and SCTP it goes at once. */
function removal(
  selector: VirtualServiceSelector,
  server: RealServer,
  { connections }: Found,
  draining: Set<string>,
): Operation {
  const isTcp = selector.kind === "address" && selector.protocol === "tcp";
  if (!isTcp || connections(selector, server) === 0) return { kind: "real-server-delete", selector, server };
  draining.add(drainKey(selector, server));
  return { kind: "real-server-edit", selector, server: { ...server, weight: 0 } };
}

function isSameService(a: VirtualService, b: VirtualService): boolean {
  return a.scheduler === b.scheduler && a.persistence?.timeoutS === b.persistence?.timeoutS;
}

function addressOperations(state: NodeState, before: NodeState): Operation[] {
  const old = byKey(dummyAddresses(before), ({ address }) => String(address));
  const now = byKey(dummyAddresses(state), ({ address }) => String(address));
  const added = [...now].flatMap(([key, address]) => (old.has(key) ? [] : [address]));
  const gone = [...old].flatMap(([key, address]) => (now.has(key) ? [] : [address]));
  return [
    ...added.map((address): Operation => ({ kind: "address-add", address })),
    ...dummyRoutes(state, added).map((route): Operation => ({ kind: "route-add", route })),
    ...dummyRoutes(before, gone).map((route): Operation => ({ kind: "route-delete", route })),
    ...gone.map((address): Operation => ({ kind: "address-delete", address })),
  ];
}

function setOperations(state: NodeState, before: NodeState): Operation[] {
  const old = new Map(ipsets(before).map((set) => [set.name, set]));
  return ipsets(state).flatMap((set) => {
    const keyOf = ({ parts }: IpsetEntry): string => elementKey(parts, set.type);
    const had = byKey(old.get(set.name)?.entries ?? [], keyOf);
    const has = byKey(set.entries, keyOf);
    return [
      ...[...had].flatMap(([key, entry]): Operation[] =>
        has.has(key) ? [] : [{ kind: "ipset-delete", set: set.name, entry }],
      ),
      ...[...has].flatMap(([key, entry]): Operation[] =>
        had.has(key) ? [] : [{ kind: "ipset-add", set: set.name, entry, exist: true }],
      ),
    ];
  });
}

function byKey<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T> {
  return new Map(list.map((item) => [keyOf(item), item]));
}
