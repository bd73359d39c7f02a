import {
  type RealServer,
  selectorKey,
  serverKey,
  type VirtualService,
  type VirtualServiceSelector,
} from "../../kernel/ipvs/virtual-service.ts";
import type { Ruleset } from "../../kernel/netfilter/rule.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { between, spliceOf } from "../splice.ts";
import {
  type DummyAddress,
  dummyAddresses,
  dummyRoutes,
  entryOf,
  ruleOperations,
  virtualService,
} from "./operations.ts";
import type { PortState, VirtualServer } from "./port-state.ts";
import { type NodeState, withPorts } from "./proxier.ts";
import { setName } from "./sets.ts";

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

function drainKey(selector: VirtualServiceSelector, server: RealServer): string {
  return `${selectorKey(selector)} ${serverKey(server)}`;
}

/**
 * From one state of a node to the next: single virtual services, real servers, addresses and entries of sets; the rules,
 * which are few, whole.
 */
export function syncOperations(state: NodeState, before: NodeState, found: Found): Sync {
  const [now, old] = concerned(state, before);
  const { operations, draining } = serverOperations(now, old, found);
  return {
    operations: [
      ...operations,
      ...addressOperations(now, old),
      ...setOperations(now, old),
      ...ruleOperations(state, found.iptables),
    ],
    draining,
  };
}

/**
 * Both states with only those ports that are not the very same in both, and those that share an address, a node port or an
 * entry of a set with them: all else stays as it is.
 */
function concerned(state: NodeState, before: NodeState): readonly [NodeState, NodeState] {
  if (state.configuration !== before.configuration || nodeKey(state) !== nodeKey(before))
    return [state, before];
  const splice = spliceOf(before.ports, state.ports);
  const middle = between(state.ports, splice);
  const old = between(before.ports, splice);
  const kept = new Set(old);
  const given = new Set(middle);
  const claims = new Set(
    [...middle.filter((port) => !kept.has(port)), ...old.filter((port) => !given.has(port))].flatMap(
      (port) => [...claimsOf(port, state.own)],
    ),
  );
  const isConcerned = (port: PortState): boolean => {
    for (const claim of claimsOf(port, state.own)) if (claims.has(claim)) return true;
    return false;
  };
  return [
    withPorts(state, state.ports.filter(isConcerned)),
    withPorts(before, before.ports.filter(isConcerned)),
  ];
}

function nodeKey({ own, nodePortIps, features }: NodeState): string {
  return JSON.stringify([own, nodePortIps, features]);
}

/** What two ports may both lay claim to. */
function* claimsOf(
  { servers, entries, nodePort }: PortState,
  own: readonly string[],
): Iterable<string | number> {
  for (const { address, port } of servers) {
    yield address;
    // Of one of the node's own addresses a node port may be the same.
    if (own.includes(address)) yield port;
  }
  for (const { text } of entries) yield text;
  if (nodePort !== null) yield nodePort.port;
}

function serverOperations(state: NodeState, before: NodeState, found: Found): Sync {
  const old = byKey(before.servers, nameOf);
  const wanted = byKey(state.servers, nameOf);
  const changed = [...wanted.keys()].filter((key) => !isSame(wanted.get(key), old.get(key)));
  const gone = [...old.keys()].filter((key) => !wanted.has(key));
  const operations: Operation[] = [];
  const draining = new Set(found.draining);
  for (const key of changed) {
    const service = kernelForm(wanted.get(key), state);
    const was = kernelForm(old.get(key), before);
    if (service !== null) operations.push(...changesOf(service, was, found, draining));
  }
  for (const key of gone) {
    const service = kernelForm(old.get(key), before);
    if (service === null) continue;
    const { selector } = service;
    operations.push({ kind: "virtual-server-delete", selector });
    for (const name of found.draining)
      if (name.startsWith(`${selectorKey(selector)} `)) draining.delete(name);
  }
  return { operations, draining };
}

function nameOf({ protocol, address, port }: VirtualServer): string {
  return `${protocol} ${address} ${port}`;
}

/** Of a port that stayed as it was both are made of the very same endpoints. */
function isSame(a: VirtualServer | undefined, b: VirtualServer | undefined): boolean {
  return a !== undefined && a.servers === b?.servers && a.persistentS === b.persistentS;
}

function kernelForm(server: VirtualServer | undefined, state: NodeState): VirtualService | null {
  return server === undefined ? null : virtualService(server, state);
}

function changesOf(
  service: VirtualService,
  was: VirtualService | null,
  found: Found,
  draining: Set<string>,
): Operation[] {
  const { selector } = service;
  const operations: Operation[] = [];
  if (was === null) operations.push({ kind: "virtual-server-add", service: { ...service, servers: [] } });
  else if (!isSameService(service, was)) operations.push({ kind: "virtual-server-edit", service });
  const had = byKey(was?.servers ?? [], serverKey);
  const has = byKey(service.servers, serverKey);
  // The one that is added last comes to stand first.
  for (const server of [...service.servers].reverse()) {
    if (had.has(serverKey(server))) continue;
    const isDraining = draining.delete(drainKey(selector, server));
    operations.push({ kind: isDraining ? "real-server-edit" : "real-server-add", selector, server });
  }
  for (const [name, server] of had) {
    if (!has.has(name)) operations.push(removal(selector, server, found, draining));
  }
  return operations;
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
  const key = ({ address }: DummyAddress): string => String(address);
  const old = byKey(dummyAddresses(before), key);
  const now = byKey(dummyAddresses(state), key);
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
  const { family } = state.configuration;
  return [...state.sets].flatMap(([name, entries]) => {
    const old = before.sets.get(name) ?? new Map<string, Origin>();
    const change = (kind: "ipset-delete" | "ipset-add", text: string, origin: Origin): Operation[] => {
      const entry = entryOf(name, family, text, origin);
      if (entry === null) return [];
      const set = setName(name, family);
      return [kind === "ipset-add" ? { kind, set, entry, exist: true } : { kind, set, entry }];
    };
    return [
      ...[...old].flatMap(([text, origin]) =>
        entries.has(text) ? [] : change("ipset-delete", text, origin),
      ),
      ...[...entries].flatMap(([text, origin]) => (old.has(text) ? [] : change("ipset-add", text, origin))),
    ];
  });
}

function byKey<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T> {
  return new Map(list.map((item) => [keyOf(item), item]));
}
