import type { Ipv4 } from "../../address/ipv4.ts";
import { DHCP_FIELD, dhcpOf } from "../../world/dhcp/configuration.ts";
import type { GivenLease, HeldLease } from "../../world/dhcp/exchange.ts";
import { lengthOfClass } from "../../world/dhcp/route-class.ts";
import { NO_ORIGINS } from "../../world/origins.ts";
import type { WireEnd, World } from "../../world/world.ts";
import { CniFailure, fail } from "../cni-error.ts";
import { fromIpv4 } from "../ip.ts";
import { object, text } from "../json.ts";
import type { Machine } from "../machine.ts";
import type { Netns } from "../netns.ts";
import { openNetns, type PluginCall } from "../plugin/plugin.ts";
import { type CniRoute, NO_DNS } from "../result.ts";
import { allLeases, forget, type KnownLease, leaseOf, remember } from "./dhcp-leases.ts";
import { type DhcpOptions, readDhcpOptions } from "./dhcp-options.ts";
import type { Ipam, IpamResult } from "./ipam.ts";

/**
 * The `dhcp` plugin and the daemon it asks: a lease through the container's own interface, which must be there by then, is kept
 * until DEL. The daemon is a program of the node (`dhcp daemon`): the field `dhcp` of a snapshot's host says that it runs.
 */
export function dhcpIpam(call: PluginCall): Ipam {
  return {
    add: () => allocate(call),
    // CHECK asks the server as ADD does.
    check: () => void allocate(call),
    del: () => release(call),
  };
}

const DEFAULT_SOCKET = "/run/cni/dhcp.sock";

/** Options by number: RFC 2132, RFC 3442. */
const ROUTER = 3;
const STATIC_ROUTE = 33;
const CLASSLESS_ROUTE = 121;

function dial({ config, machine }: PluginCall): void {
  const path = text(object(config, "ipam"), "daemonSocketPath") || DEFAULT_SOCKET;
  if (dhcpOf(machine.node.host).daemon === path) return;
  fail(`error dialing DHCP daemon: dial unix ${path}: connect: no such file or directory`);
}

function allocate(call: PluginCall): IpamResult {
  dial(call);
  try {
    return bind(call, readDhcpOptions(call));
  } catch (error) {
    if (error instanceof CniFailure) fail(`error calling DHCP.Allocate: ${error.error.msg}`);
    throw error;
  }
}

function bind(call: PluginCall, options: DhcpOptions): IpamResult {
  const { machine, ifName, netns } = call;
  const pod = openNetns(call);
  if (pod.device(ifName) === undefined) fail(`error looking up ${JSON.stringify(ifName)}: Link not found`);
  setUp(machine, pod, ifName);
  const client = { host: pod.name, device: ifName };
  const id = options.clientId ?? clientIdOf(call);
  const { dhcp, now } = machine.around;
  const given = dhcp?.acquire(worldOf(machine), { client, id, now }) ?? null;
  // What the daemon says when it has asked often enough, and whatever the reason.
  if (given === null) return fail("no more tries");
  keepMemory(machine, given);
  remember(machine.files, clientIdOf(call), known(given, { client, id, now }, netns));
  return resultOf(given, options.requested);
}

/** The daemon's own name for who asks, and the client identifier. */
function clientIdOf({ containerId, network, ifName }: PluginCall): string {
  return `${containerId}/${network}/${ifName}`;
}

/** A link that is down is set up, and the other end of its cable sees it. */
function setUp(machine: Machine, pod: Netns, ifName: string): void {
  pod.setUp(ifName);
  const peer = machine.peerOf({ host: pod.name, device: ifName });
  if (peer !== undefined) machine.hostOf(peer)?.setCarrier(peer.device, true);
}

function known(
  { address, server, identifier }: GivenLease,
  { client, id, now }: Pick<HeldLease, "client" | "id" | "now">,
  netns: string,
): KnownLease {
  const { leaseTime, renewalTime, rebindingTime } = server;
  const expires = now + leaseTime;
  return {
    ...{ id, netns, ifName: client.device, address, identifier },
    ...{ acquired: now, renewal: now + renewalTime, rebinding: now + rebindingTime, expires },
  };
}

/** The server's host as it is after the exchange. */
function keepMemory(machine: Machine, { at, memory }: { at: WireEnd; memory: GivenLease["memory"] }): void {
  machine.hostOf(at)?.do({ kind: "unmodelled", name: DHCP_FIELD, value: memory });
}

function worldOf(machine: Machine): World {
  const { hosts, wires } = machine.finish();
  return { hosts, wires, origins: NO_ORIGINS };
}

/** What the daemon reads of the ACK: a server says of these only what was asked for, but for the mask. */
function resultOf({ address, server }: GivenLease, requested: ReadonlySet<number>): IpamResult {
  const { routers, staticRoutes, classlessRoutes, subnet } = server;
  // One router is a gateway; several are none (`parseRouter`).
  const [router, second] = requested.has(ROUTER) ? routers : [];
  const gateway = router === undefined || second !== undefined ? null : fromIpv4(router);
  const classless = requested.has(CLASSLESS_ROUTE) ? classlessRoutes : [];
  const classed = requested.has(STATIC_ROUTE) ? staticRoutes : [];
  const routes =
    classless.length > 0
      ? classless.map(({ dst, gw }) => route(dst.address, dst.length, gw))
      : [
          ...classed.map(({ dst, gw }) => route(dst, lengthOfClass(dst), gw)),
          ...(gateway === null || router === undefined ? [] : [route(0, 0, router)]),
        ];
  const ip = { ip: fromIpv4(address), length: subnet.length };
  return { ips: [{ interface: null, address: ip, gateway }], routes, dns: NO_DNS };
}

function route(dst: Ipv4, length: number, gw: Ipv4): CniRoute {
  return { dst: { ip: fromIpv4(dst), length }, gw: fromIpv4(gw), more: {} };
}

/** A lease nobody knows of is no mistake; one whose interface is gone cannot be given back, and ends by itself. */
function release(call: PluginCall): void {
  dial(call);
  const { machine } = call;
  const lease = leaseOf(machine.files, clientIdOf(call));
  forget(machine.files, clientIdOf(call));
  if (lease === undefined) return;
  const held = heldOf(machine, lease);
  const heard = held === null ? null : (machine.around.dhcp?.release(worldOf(machine), held) ?? null);
  if (heard !== null) keepMemory(machine, heard);
}

function heldOf(machine: Machine, lease: KnownLease): HeldLease | null {
  const pod = machine.netns(lease.netns);
  if (pod?.device(lease.ifName) === undefined) return null;
  const { id, address, identifier } = lease;
  const client = { host: pod.name, device: lease.ifName };
  const { now } = machine.around;
  return { client, id, now, last: now, address, identifier };
}

/**
 * What the daemon did of itself up to now (`DHCPLease.maintain`): asked its server again when half the time was over, anybody
 * when seven eighths were, and took the interface down when the lease ended. The network was all the while as it is now.
 */
export function keepLeases(machine: Machine): void {
  const { dhcp, now } = machine.around;
  for (const { key, lease } of allLeases(machine.files)) {
    const held = heldOf(machine, lease);
    if (held === null || dhcp === null) continue;
    let current = lease;
    while (current.renewal <= now) {
      const next = renewed(machine, current, held);
      if (next === null) break;
      current = next;
    }
    if (current !== lease) remember(machine.files, key, current);
    if (current.expires > now) continue;
    machine.netns(lease.netns)?.setDown(lease.ifName);
    forget(machine.files, key);
  }
}

/** The lease prolonged from its renewal on, or had anew at its rebinding; null: nobody answered in time. */
function renewed(machine: Machine, lease: KnownLease, held: HeldLease): KnownLease | null {
  const { dhcp, now } = machine.around;
  const { renewal, rebinding, identifier } = lease;
  const period = Math.max(1, renewal - lease.acquired);
  const last = renewal + Math.floor((now - renewal) / period) * period;
  const again = dhcp?.renew(worldOf(machine), { ...held, identifier, now: renewal, last }) ?? null;
  if (again !== null) {
    keepMemory(machine, again);
    return known(again, { ...held, now: last }, lease.netns);
  }
  if (rebinding > now) return null;
  const given = dhcp?.acquire(worldOf(machine), { ...held, now: rebinding }) ?? null;
  if (given === null) return null;
  keepMemory(machine, given);
  return known(given, { ...held, now: rebinding }, lease.netns);
}
