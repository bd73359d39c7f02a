import { isJsonObject, type Json } from "../../kernel/json-fields.ts";
import { readArguments } from "../arguments.ts";
import { goQuote } from "../chain-name.ts";
import { CniFailure, fail } from "../cni-error.ts";
import { requireIpamTypes } from "../field-types.ts";
import { formatIp, type Ip, parseIp, parseIpNet } from "../ip.ts";
import { field, list, object, objects, text, texts } from "../json.ts";
import { parseCniRoute, parseDns, requireIp, requireIpNet } from "../result.ts";
import { type Allocation, allocate } from "./allocator.ts";
import { type Ipam, type IpamCall, type IpamResult, requireOneEach } from "./ipam.ts";
import { overlap, type RangeSet, rangeOf, readRangeSet } from "./range.ts";
import type { Store } from "./store.ts";

/** The `host-local` plugin: addresses of this node's own ranges, remembered on this node. */
export const HOST_LOCAL: Ipam = { add, del, check };

function add(call: IpamCall): IpamResult {
  const sets = rangeSets(call);
  const ipam = object(call.config, "ipam");
  const store = storeOf(call);
  const requested = requestedAddresses(call);
  const taken: Allocation[] = [];
  const release = () => {
    for (const { address } of taken) store.release(formatIp(address.ip));
  };
  for (const [i, set] of sets.entries()) {
    const wanted = requested.findIndex((ip) => rangeOf(set, ip) !== undefined);
    const [ip = null] = wanted < 0 ? [] : requested.splice(wanted, 1);
    try {
      taken.push(allocate(store, set, i, call, ip));
    } catch (error) {
      if (!(error instanceof CniFailure)) throw error;
      release();
      fail(`failed to allocate for range ${i}: ${error.error.msg}`);
    }
  }
  if (requested.length > 0) {
    release();
    fail(`failed to allocate all requested IPs: ${requested.map(formatIp).join(" ")}`);
  }
  return {
    ips: taken.map(({ address, gateway }) => ({ interface: null, address, gateway })),
    routes: objects(ipam, "routes").map(parseCniRoute),
    dns: parseDns(object(ipam, "dns")),
  };
}

function del(call: IpamCall): void {
  rangeSets(call);
  storeOf(call).releaseAll(call);
}

function check(call: IpamCall): void {
  rangeSets(call);
  if (storeOf(call).addressesOf(call).length === 0) {
    fail(`host-local: Failed to find address added by container ${call.containerId}`);
  }
}

function storeOf(call: IpamCall): Store {
  return call.store(call.network, text(object(call.config, "ipam"), "dataDir"));
}

/** The sets of `ranges`, and before them the one range that older configurations write at the top. */
function rangeSets({ args, config }: Pick<IpamCall, "args" | "config">): readonly RangeSet[] {
  const ipam = field(config, "ipam");
  if (!isJsonObject(ipam)) return fail("IPAM config missing 'ipam' key");
  requireIpamTypes("host-local", ipam);
  const top = text(ipam, "subnet") === "" ? [] : [[ipam]];
  const items = [...top, ...list(ipam, "ranges"), ...list(object(config, "runtimeConfig"), "ipRanges")];
  if (items.length === 0) fail("no IP ranges specified");
  const written = items.map((set) =>
    (Array.isArray(set) ? (set as readonly unknown[]) : []).filter(isJsonObject),
  );
  // What is no address at all is the decoder's complaint, and not that of the set.
  for (const range of [ipam, ...written.flat()]) {
    if (range["subnet"] !== undefined) requireIpNet(text(range, "subnet"));
    for (const name of ["rangeStart", "rangeEnd", "gateway"]) {
      const value = text(range, name);
      if (value !== "") requireIp(value);
    }
  }
  objects(ipam, "routes").map(parseCniRoute);
  requestedAddresses({ args, config });
  const sets = written.map((set, i) => {
    try {
      return readRangeSet(set);
    } catch (error) {
      if (!(error instanceof CniFailure)) throw error;
      return fail(`invalid range set ${i}: ${error.error.msg}`);
    }
  });
  requireOneEach(
    config,
    sets.flatMap(([first]) => (first === undefined ? [] : [first.subnet.ip.family])),
  );
  for (const [i, set] of sets.entries()) {
    const other = sets.slice(0, i).findIndex((before) => before.some((a) => set.some((b) => overlap(a, b))));
    if (other >= 0) fail(`range set ${other} overlaps with ${i}`);
  }
  return sets;
}

/** Fails for ranges, routes or addresses that are none, whoever calls. */
export function requireRanges(config: Json): void {
  rangeSets({ args: "", config: { cniVersion: "1.0.0", ...config } });
}

/** Addresses that somebody asked for: `CNI_ARGS`' `IP`, `args.cni.ips`, `runtimeConfig.ips`. */
function requestedAddresses({ args, config }: Pick<IpamCall, "args" | "config">): Ip[] {
  const own = readArguments(args, ["IP"]).get("IP");
  const named = [
    ...(own === undefined ? [] : own.split(",")),
    ...texts(object(object(config, "args"), "cni"), "ips"),
    ...texts(object(config, "runtimeConfig"), "ips"),
  ];
  const ipOf = (name: string) => parseIpNet(name)?.ip ?? parseIp(name);
  for (const name of own === undefined ? [] : own.split(",")) {
    if (ipOf(name) !== undefined) continue;
    fail(`ARGS: error parsing value of pair ${goQuote(`IP=${own}`)}: invalid IP address ${name}`);
  }
  return named.map((name) => ipOf(name) ?? requireIp(name));
}
