import type { Family } from "../../address/ip.ts";
import { parseIpv4 } from "../../address/ipv4.ts";
import type { Json } from "../../kernel/json-fields.ts";
import { chainName, goQuote, ownerComment } from "../chain-name.ts";
import { fail } from "../cni-error.ts";
import { bitsOf, containsIp, formatIp, formatIpNet, type IpNet, networkOf } from "../ip.ts";
import { IptablesTable } from "../iptables.ts";
import { field, flag, integer, object, objects, text, texts } from "../json.ts";
import type { Netns } from "../netns.ts";
import type { CniResult } from "../result.ts";
import type { Plugin, PluginCall } from "./plugin.ts";

/**
 * The `portmap` plugin: ports of the node translated to a container's. All of it in the table `nat`:
 *
 *     PREROUTING, OUTPUT → CNI-HOSTPORT-DNAT → CNI-DN-<container> → DNAT
 *                                                     └→ CNI-HOSTPORT-SETMARK (the container to itself, and localhost)
 *     POSTROUTING → CNI-HOSTPORT-MASQ → MASQUERADE what is marked
 */
export const PORTMAP: Plugin = { add, del, check };

const DNAT = "CNI-HOSTPORT-DNAT";
const MASQ = "CNI-HOSTPORT-MASQ";
const SETMARK = "CNI-HOSTPORT-SETMARK";

const LOCAL = `-m addrtype --dst-type LOCAL -j ${DNAT}`;

/** What the match `multiport` takes. */
const MULTIPORT_MAX = 15;

interface Mapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: string;
  readonly hostIp: string;
}

interface Config {
  readonly snat: boolean;
  readonly markBit: number;
  /** null: the plugin's own. */
  readonly externalSetMarkChain: string | null;
  readonly conditions: Readonly<Record<Family, readonly string[]>>;
  readonly mappings: readonly Mapping[];
}

/** Fails for options that are none, whatever ports there are. */
export function requirePortmapOptions(config: Json): void {
  readConfig({ config });
}

function readConfig({ config }: Pick<PluginCall, "config">): Config {
  const isExternal = field(config, "externalSetMarkChain") !== undefined;
  if (isExternal && field(config, "markMasqBit") !== undefined) {
    fail("failed to parse config: Cannot specify externalSetMarkChain and markMasqBit");
  }
  const markBit = integer(config, "markMasqBit", 13);
  if (markBit < 0 || markBit > 31) fail("failed to parse config: MasqMarkBit must be between 0 and 31");
  const mappings = objects(object(config, "runtimeConfig"), "portMappings").map(readMapping);
  return {
    snat: flag(config, "snat", true),
    markBit,
    externalSetMarkChain: isExternal ? text(config, "externalSetMarkChain") : null,
    conditions: { 4: texts(config, "conditionsV4"), 6: texts(config, "conditionsV6") },
    mappings,
  };
}

function readMapping(json: Json): Mapping {
  const hostPort = integer(json, "hostPort");
  const containerPort = integer(json, "containerPort");
  if (containerPort <= 0) fail(`failed to parse config: Invalid container port number: ${containerPort}`);
  if (hostPort <= 0) fail(`failed to parse config: Invalid host port number: ${hostPort}`);
  const protocol = text(json, "protocol");
  return { hostPort, containerPort, protocol, hostIp: text(json, "hostIP") };
}

function add(call: PluginCall): CniResult {
  const config = readConfig(call);
  const { prevResult, machine } = call;
  if (prevResult === null) fail("must be called as chained plugin");
  if (config.mappings.length === 0) return prevResult;
  for (const family of [4, 6] as const) {
    const address = containerAddress(prevResult, call.ifName, family);
    if (address !== null) forwardPorts(call, config, address, machine.node);
  }
  return prevResult;
}

function forwardPorts(call: PluginCall, config: Config, address: IpNet, node: Netns): void {
  const { family } = address.ip;
  const nat = new IptablesTable(node, "nat", family);
  const chain = podChain(call);
  if (nat.hasChain(chain)) {
    nat.deleteJumps(DNAT, chain);
    nat.deleteChain(chain);
  }

  if (config.snat) {
    if (config.externalSetMarkChain === null) addMark(nat, config.markBit);
    if (config.externalSetMarkChain === null) addMasquerade(nat, config.markBit);
    const dev = family === 4 ? deviceTo(node, address) : null;
    if (dev !== null) node.sysctl(`net.ipv4.conf.${dev}.route_localnet`, "1");
  }
  nat.ensureChain(DNAT);
  nat.appendUnique("PREROUTING", LOCAL);
  nat.appendUnique("OUTPUT", LOCAL);
  nat.ensureChain(chain);
  const { externalSetMarkChain: external } = config;
  const [first] = rulesInWords(config, address);
  if (config.snat && external !== null && !nat.hasChain(external) && first !== undefined) {
    const program = family === 6 ? "ip6tables" : "iptables";
    const command = `/usr/sbin/${program} -t nat -C ${chain} ${first} --wait`;
    const reason = external === "" ? "Invalid target name (too short)" : `Chain '${external}' does not exist`;
    fail(
      `unable to setup DNAT: running [${command}]: exit status 2: ${program} v1.8.9 (nf_tables): ${reason}\nTry \`${program} -h' or '${program} --help' for more information.\n`,
    );
  }
  nat.setChain(chain, podRules(config, address));
  for (const rule of topRules(call, config, family)) nat.appendUnique(DNAT, rule);
}

function podChain({ network, containerId }: PluginCall): string {
  return chainName("CNI-DN-", network, containerId);
}

function markText(bit: number): string {
  const mark = `0x${(2 ** bit).toString(16)}`;
  return `${mark}/${mark}`;
}

function addMark(nat: IptablesTable, bit: number): void {
  nat.ensureChain(SETMARK);
  const comment = '-m comment --comment "CNI portfwd masquerade mark"';
  nat.appendUnique(SETMARK, `${comment} -j MARK --set-xmark ${markText(bit)}`);
}

function addMasquerade(nat: IptablesTable, bit: number): void {
  nat.ensureChain(MASQ);
  nat.appendUnique(MASQ, `-m mark --mark ${markText(bit)} -j MASQUERADE`);
  nat.prependUnique("POSTROUTING", `-m comment --comment "CNI portfwd requiring masquerade" -j ${MASQ}`);
}

/** One a protocol, as it is spelt, and fifteen ports: protocols by the alphabet, their ports in the order of the mappings. */
function topRules(
  call: PluginCall,
  { mappings, conditions: byFamily }: Config,
  family: Family,
): readonly string[] {
  const conditions = byFamily[family];
  const comment = goQuote(`dnat ${ownerComment(call.network, call.containerId)}`);
  const protocols = [...new Set(mappings.map(({ protocol }) => protocol))].sort();
  return protocols.flatMap((protocol) => {
    const ports = mappings.filter((mapping) => mapping.protocol === protocol).map(({ hostPort }) => hostPort);
    const before = conditions.length === 0 ? "" : `${conditions.join(" ")} `;
    return chunks([...new Set(ports)], MULTIPORT_MAX).map(
      (some) =>
        `${before}-p ${protocol.toLowerCase()} -m comment --comment ${comment} -m multiport --dports ${some.join(",")} -j ${podChain(call)}`,
    );
  });
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** By mapping: mark what the container sends to itself and what comes from localhost, then translate. */
function podRules({ mappings, snat, externalSetMarkChain }: Config, address: IpNet): readonly string[] {
  const setMark = externalSetMarkChain ?? SETMARK;
  const { family } = address.ip;
  return mappingsOf(mappings, family).flatMap(({ hostIp, isAny, protocol, hostPort, containerPort }) => {
    const dst = isAny ? "" : `-d ${hostIp}/${bitsOf(family)} `;
    const port = `${dst}-p ${protocol} -m ${protocol} --dport ${hostPort}`;
    const sources = [formatIpNet(networkOf(address)), ...(family === 4 ? ["127.0.0.1/32"] : [])];
    const marks = snat ? sources.map((src) => `-s ${src} ${port} -j ${setMark}`) : [];
    return [...marks, `${port} -j DNAT --to-destination ${destination(address, containerPort)}`];
  });
}

/** The same rules in the plugin's own words, as it prints them when it misses one. */
function rulesInWords({ mappings, snat, externalSetMarkChain }: Config, address: IpNet): readonly string[] {
  const setMark = externalSetMarkChain ?? SETMARK;
  const { family } = address.ip;
  return mappingsOf(mappings, family).flatMap((mapping) => {
    const { hostIp, isAny, protocol, hostPort, containerPort } = mapping;
    const port = `-p ${protocol} --dport ${hostPort}${isAny ? "" : ` -d ${hostIp}`}`;
    const sources = [formatIpNet(address), ...(family === 4 ? ["127.0.0.1"] : [])];
    const marks = snat ? sources.map((src) => `${port} -s ${src} -j ${setMark}`) : [];
    return [...marks, `${port} -j DNAT --to-destination ${destination(address, containerPort)}`];
  });
}

/** Those that a family's rules are made of: a host's address of the other family is not its affair. */
function mappingsOf(
  mappings: readonly Mapping[],
  family: Family,
): readonly (Mapping & { readonly isAny: boolean })[] {
  return mappings.flatMap((given) => {
    const mapping = { ...given, protocol: given.protocol.toLowerCase() };
    const { hostIp } = mapping;
    const isAny = hostIp === "" || (family === 4 ? parseIpv4(hostIp) === 0 : hostIp === "::");
    return !isAny && hostIp.includes(":") !== (family === 6) ? [] : [{ ...mapping, isAny }];
  });
}

function destination({ ip }: IpNet, port: number): string {
  return ip.family === 6 ? `[${formatIp(ip)}]:${port}` : `${formatIp(ip)}:${port}`;
}

/** The first address of a family that the container's interface has, as the plugins before gave it. */
function containerAddress({ ips, interfaces }: CniResult, ifName: string, family: 4 | 6): IpNet | null {
  const found = ips.find(({ address, interface: index }) => {
    const owner = index === null ? undefined : interfaces[index];
    return (
      address.ip.family === family && (owner === undefined || (owner.sandbox !== "" && owner.name === ifName))
    );
  });
  return found?.address ?? null;
}

/** The node's device on the way to the container: localhost may then be a source on it. */
function deviceTo(node: Netns, { ip }: IpNet): string | null {
  let best: { readonly dev: string | null; readonly length: number } = { dev: null, length: -1 };
  for (const { dst, table, nextHops, type } of node.host.routes) {
    if (table !== "main" || type !== "unicast" || dst.length <= best.length) continue;
    const net = { ip: { family: 4 as const, value: BigInt(dst.address >>> 0) }, length: dst.length };
    if (containsIp(net, ip)) best = { dev: nextHops[0]?.dev ?? null, length: dst.length };
  }
  return best.dev;
}

/** A call without mappings has nothing to take down: the runtime says on DEL what it said on ADD. */
function del(call: PluginCall): void {
  if (readConfig(call).mappings.length === 0) return;
  const chain = podChain(call);
  for (const family of [4, 6] as const) {
    const nat = new IptablesTable(call.machine.node, "nat", family);
    // The chain is made before it is emptied and deleted (`ClearChain`).
    nat.ensureChain(chain);
    nat.deleteJumps(DNAT, chain);
    nat.deleteChain(chain);
  }
}

/** Release 1.1 looks for every address's chain in both families, and for the address's own rules in it. */
function check(call: PluginCall): void {
  const config = readConfig(call);
  const { mappings } = config;
  const { prevResult, machine, release } = call;
  if (prevResult === null) fail("must be called as chained plugin");
  if (mappings.length === 0) return;
  const chain = podChain(call);
  for (const family of [4, 6] as const) {
    const address = containerAddress(prevResult, call.ifName, family);
    if (address === null) continue;
    for (const asked of release === "1.1" ? ([4, 6] as const) : [family]) {
      const told = `could not check ipv${asked} dnat:`;
      if (!new IptablesTable(machine.node, "nat", asked).hasChain(chain)) {
        fail(`${told} chain ${chain} not found in iptables table nat`);
      }
      if (asked !== family) {
        const rules = rulesInWords(config, address).map((rule) => `[${rule}]`);
        fail(`${told} rule [${rules.join(" ")}] in chain ${chain} not found in table nat`);
      }
    }
  }
}
