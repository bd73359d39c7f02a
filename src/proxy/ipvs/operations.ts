import { type Family, type IpAddress, parseIp } from "../../address/ip.ts";
import { MAC_ZERO, type Mac } from "../../address/mac.ts";
import type { Device, InterfaceAddress, InterfaceAddress6 } from "../../kernel/device/device.ts";
import type { Host } from "../../kernel/host.ts";
import { readAdd } from "../../kernel/ipset/add-line.ts";
import type { Ipset, IpsetEntry } from "../../kernel/ipset/ipset.ts";
import { Words } from "../../kernel/ipset/line-words.ts";
import {
  addressBits,
  NO_FLAGS,
  type RealServer,
  type VirtualService,
  type VirtualServiceSelector,
} from "../../kernel/ipvs/virtual-service.ts";
import type { Chain, Ruleset } from "../../kernel/netfilter/rule.ts";
import type { Operation } from "../../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import { kernelRoutes, kernelRoutes6 } from "../../kernel/route/kernel-routes.ts";
import type { Route, Route6 } from "../../kernel/route/route.ts";
import { familyNumber, type IpFamily } from "../canonical-address.ts";
import type { Endpoint } from "../endpoints.ts";
import { MARK_DROP_CHAIN } from "../iptables/fixed-rules.ts";
import { type FreshNodeOptions, rulesetAfter } from "../iptables/fresh-node.ts";
import { hookOperations } from "../iptables/operations.ts";
import { parseTable } from "../iptables/parsed-rules.ts";
import type { VirtualServer } from "./port-state.ts";
import type { NodeState } from "./proxier.ts";
import { ipvsHooks } from "./rule-lines.ts";
import { emptySet, type KubeSet } from "./sets.ts";

export const DUMMY_DEVICE = "kube-ipvs0";
const DUMMY_MTU = 1500;

/**
 * The first sync of a node, but for the rules (`freshNodeRuleset`): device and addresses, virtual services, sets. The second
 * family's finds the device there.
 */
export function freshNodeOperations(state: NodeState, host: Host, mac: Mac): Operation[] {
  const ifindex = Math.max(0, ...host.devices.map((device) => device.ifindex)) + 1;
  const isThere = host.devices.some(({ name }) => name === DUMMY_DEVICE);
  const addresses = dummyAddresses(state);
  return [
    ...(isThere ? [] : [{ kind: "link-add" as const, device: { ...dummyDevice(state), ifindex, mac } }]),
    ...addresses.map((address): Operation => ({ kind: "address-add", address })),
    ...dummyRoutes(state, addresses).map((route): Operation => ({ kind: "route-add", route })),
    { kind: "ipvs-restore", services: virtualServices(state) },
    { kind: "ipset-restore", sets: ipsets(state) },
  ];
}

/** It stays down; its addresses are the node's all the same. */
function dummyDevice({ origin }: NodeState): Device {
  return {
    ifindex: 0,
    name: DUMMY_DEVICE,
    mac: MAC_ZERO,
    mtu: DUMMY_MTU,
    up: false,
    carrier: true,
    noArp: true,
    master: null,
    detail: { kind: "dummy" },
    port: null,
    origin,
  };
}

/** An address of either family, as an interface has it. */
export type DummyAddress = InterfaceAddress | InterfaceAddress6;

/** The addresses of kube-ipvs0. */
export function dummyAddresses({ bound }: NodeState): DummyAddress[] {
  return bound.flatMap(({ address, origin }) => dummyAddress(address, origin) ?? []);
}

/** The routes that the kernel keeps for some of them. */
export function dummyRoutes(state: NodeState, addresses: readonly DummyAddress[]): (Route | Route6)[] {
  const device = dummyDevice(state);
  return [
    ...kernelRoutes(device, addresses.filter(isOfIpv4), null),
    ...kernelRoutes6(
      device,
      addresses.filter((address): address is InterfaceAddress6 => !isOfIpv4(address)),
      true,
      null,
    ),
  ];
}

function isOfIpv4(address: DummyAddress): address is InterfaceAddress {
  return typeof address.address === "number";
}

/** The rules of a node after the first sync, as its `iptables-save` shows them. */
export function freshNodeRuleset(state: NodeState, options: FreshNodeOptions): Ruleset {
  return rulesetAfter(
    { features: state.features, family: state.configuration.family },
    { ...options, canaries: false },
    (before) => ruleOperations(state, before),
  );
}

/** The rules of a sync: they are written in full each time, as there are few. */
export function ruleOperations(state: NodeState, current: Ruleset | null): Operation[] {
  const family = familyNumber(state.configuration.family);
  return [
    ...hookOperations(ipvsHooks(state.features), state.origin, current, family),
    { kind: "iptables-restore", family, ruleset: ruleset(state, current), noflush: true },
  ];
}

/** The text that kube-proxy gives to `iptables-restore --noflush --counters`. */
export function restoreText({ rules }: NodeState): string {
  const table = (name: string, chains: readonly string[], lines: readonly string[]): string[] => [
    `*${name}`,
    ...chains.map((chain) => `:${chain} - [0:0]`),
    ...lines,
    "COMMIT",
  ];
  return [...table("nat", rules.natChains, rules.nat), ...table("filter", rules.filterChains, rules.filter)]
    .map((line) => `${line}\n`)
    .join("");
}

/**
 * In the kernel's own form. In which order kube-proxy adds real servers it leaves to chance, so where a scheduler
 * begins is not known.
 */
export function virtualServices(state: NodeState): VirtualService[] {
  return state.servers.flatMap((server) => virtualService(server, state) ?? []);
}

/** null for one of no address that can be read. */
export function virtualService(server: VirtualServer, { configuration }: NodeState): VirtualService | null {
  const { scheduler } = configuration.ipvs;
  const family = familyNumber(configuration.family);
  const selector = selectorOf(server, family);
  if (selector === null) return null;
  return {
    selector,
    scheduler,
    flags: scheduler === "mh" ? { ...NO_FLAGS, port: true } : NO_FLAGS,
    persistence:
      server.persistentS === null
        ? null
        : { timeoutS: server.persistentS, prefixLength: addressBits(family) },
    onePacket: false,
    engine: null,
    servers: server.servers.flatMap((endpoint) => realServer(endpoint, server.origin) ?? []).reverse(),
    ordered: false,
    origin: server.origin,
  };
}

function selectorOf(
  { address: text, port, protocol }: VirtualServer,
  family: Family,
): VirtualServiceSelector | null {
  const address = parseIp(text);
  return address === undefined ? null : { kind: "address", family, protocol, address, port };
}

function realServer(endpoint: Endpoint, origin: Origin): RealServer | null {
  const address: IpAddress | undefined = parseIp(endpoint.ip);
  if (address === undefined) return null;
  return {
    address,
    port: endpoint.port,
    forwarding: { kind: "masq" },
    weight: 1,
    upper: 0,
    lower: 0,
    active: 0,
    inactive: 0,
    origin: endpoint.origin === ORIGIN_NONE ? origin : endpoint.origin,
  };
}

function dummyAddress(text: string, origin: Origin): DummyAddress | null {
  const address = parseIp(text);
  if (address === undefined) return null;
  if (typeof address !== "number")
    return { dev: DUMMY_DEVICE, address, length: 128, scope: "global", peer: null, flags: [], origin };
  return {
    dev: DUMMY_DEVICE,
    address,
    length: 32,
    broadcast: null,
    scope: "global",
    secondary: false,
    peer: null,
    label: DUMMY_DEVICE,
    origin,
  };
}

/** An entry that its set does not take, such as the range 0.0.0.0/0, is not there: kube-proxy only logs that it failed. */
export function ipsets({ sets, configuration, origin }: NodeState): Ipset[] {
  return [...sets].map(([name, entries]) => {
    const { family } = configuration;
    const all = [...entries].flatMap(([text, of]) => entryOf(name, family, text, of) ?? []);
    return { ...emptySet(name, family, origin), entries: all };
  });
}

/** null for one that its set does not take. */
export function entryOf(name: KubeSet, family: IpFamily, text: string, origin: Origin): IpsetEntry | null {
  // Which set it is says how the text is read; that and who it is for are the same on many nodes.
  const key = `${name} ${text} ${origin}`;
  const known = parsedEntries.get(key);
  if (known !== undefined) return known;
  const read = readAdd(new Words(text), emptySet(name, family, origin), origin);
  const made = typeof read === "string" ? null : read;
  if (parsedEntries.size >= MOST_ENTRIES) parsedEntries.clear();
  parsedEntries.set(key, made);
  return made;
}

const parsedEntries = new Map<string, IpsetEntry | null>();
const MOST_ENTRIES = 200_000;

function ruleset({ rules, origin, features, configuration }: NodeState, current: Ruleset | null): Ruleset {
  const family = familyNumber(configuration.family);
  // The kubelet's chain is left alone where there is one, and else made, empty.
  const isMissing = !features.filterDrops && current?.tables.get("nat")?.chains.has(MARK_DROP_CHAIN) !== true;
  const nat = parseTable("nat", [...rules.natChains, MARK_DROP_CHAIN], rules.nat, origin, family).chains;
  const filter = parseTable("filter", rules.filterChains, rules.filter, origin, family).chains;
  const natChains = isMissing ? [MARK_DROP_CHAIN, ...rules.natChains] : rules.natChains;
  const only = (chains: ReadonlyMap<string, Chain>, names: readonly string[]): Map<string, Chain> =>
    new Map(names.map((name) => [name, chains.get(name) as Chain]));
  return {
    backend: "nft",
    tables: new Map([
      ["nat", { name: "nat", chains: only(nat, natChains) }],
      ["filter", { name: "filter", chains: only(filter, rules.filterChains) }],
    ]),
  };
}
