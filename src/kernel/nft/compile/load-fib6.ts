import { groupScope6, IP6_ANY, type Ip6, isLinkLocal6, isMulticast6 } from "../../../address/ip6-handle.ts";
import { IPPROTO_ICMPV6 } from "../../../packet/packet.ts";
import type { NetDevice } from "../../device/net-device.ts";
import { EACCES, EINVAL } from "../../errno.ts";
import { NF_INET_FORWARD } from "../../netfilter/hook.ts";
import type { FibRoute } from "../../route/fib.ts";
import { needsDevice } from "../../route/output-route6.ts";
import {
  RTN_ANYCAST,
  RTN_BLACKHOLE,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTN_UNSPEC,
} from "../../route/types.ts";
import type { FibKey } from "./load-fib.ts";
import type { NftRun } from "./nft-run.ts";

/** What the routes say of a packet of IPv6 (net/ipv6/netfilter/nft_fib_ipv6.c). Runs per packet. */

/** `__nft_fib6_eval_type`: the type of the address, as the way of a packet of this host's to it shows it. */
export function fibType6(run: NftRun, key: FibKey): number {
  const { stack } = run;
  const { net, fibResult: found } = stack;
  const device = stack.device(key.withIn ? stack.inIf : key.withOut ? stack.outIf : 0);
  const address = ask(run, key, device);
  const { flow } = stack;
  flow.viaOnly = needsDevice(address);
  flow.neighbours = net.forwarding6 ? null : stack.failedNeighbours;
  net.fib6.lookup(flow, found, stack.deviceName);
  const { route, error } = found;
  if (error !== 0 || route === null) return typeOfError(error);
  if (route.type === RTN_ANYCAST || isOwnNetwork(route, address)) return RTN_ANYCAST;
  if (device === null ? route.type === RTN_LOCAL : hasAddress(device, address)) return RTN_LOCAL;
  if (isMulticast6(address)) return RTN_MULTICAST;
  return address === IP6_ANY ? RTN_UNSPEC : RTN_UNICAST;
}

/** `nft_fib6_eval`: the handle of the name of the device that the way leads through, -1 for none. */
export function fibDevice6(run: NftRun, key: FibKey): number {
  const { stack, packet } = run;
  // A question after an address one does not have yet (`nft_fib_v6_skip_icmpv6`).
  if (packet.protocol === IPPROTO_ICMPV6 && packet.src === IP6_ANY && isLinkLocalScope(packet.dst)) {
    return stack.inName;
  }
  const wanted = key.withOut ? stack.outIf : key.withIn ? stack.inIf : 0;
  const address = ask(run, key, stack.device(wanted));
  const { flow, fibResult: found } = stack;
  flow.viaOnly = isLinkLocalScope(address);
  flow.neighbours = null;
  // Of several ways the one through a device with the other end's address (`rt6_device_match`).
  if (flow.via === 0) flow.via = deviceWith(run, flow.saddr);
  stack.net.fib6.lookup(flow, found, stack.deviceName);
  const { route } = found;
  if (found.error !== 0 || route === null) return -1;
  if (route.type === RTN_LOCAL || route.type === RTN_ANYCAST) return -1;
  const device = route.nextHops[found.hop]?.dev ?? null;
  if (device === null || (wanted !== 0 && device.ifindex !== wanted)) return -1;
  return device.nameId;
}

/** `nft_fib6_flowi_init`. @returns the address that is looked up */
function ask(run: NftRun, { ofSource, withIn, withMark }: FibKey, device: NetDevice | null): Ip6 {
  const { packet, stack } = run;
  const { flow } = stack;
  flow.daddr = ofSource ? packet.src : packet.dst;
  flow.saddr = ofSource ? packet.dst : packet.src;
  flow.iif =
    ofSource && withIn && run.hook === NF_INET_FORWARD ? stack.outIf : (stack.net.loopback?.ifindex ?? 1);
  flow.oif = isLinkLocalScope(flow.daddr) ? (device?.ifindex ?? packet.dev) : 0;
  flow.via = flow.oif;
  flow.mark = withMark ? packet.mark : 0;
  flow.tos = packet.tos & 0xfc;
  flow.proto = packet.protocol;
  flow.uid = 0;
  flow.hasPorts = false;
  return flow.daddr;
}

/** `IPV6_ADDR_LINKLOCAL`: link-local addresses, and groups of the link's scope. */
function isLinkLocalScope(address: Ip6): boolean {
  return isLinkLocal6(address) || (isMulticast6(address) && groupScope6(address) === LINK_SCOPE);
}

const LINK_SCOPE = 2;

function typeOfError(error: number): number {
  if (error === EINVAL) return RTN_BLACKHOLE;
  return error === EACCES ? RTN_PROHIBIT : RTN_UNREACHABLE;
}

/** `ipv6_anycast_destination`: an on-link network's own address is its routers'. */
function isOwnNetwork({ address, length, nextHops }: FibRoute, asked: Ip6): boolean {
  return length < 127 && asked === address && nextHops[0]?.hasGateway === false;
}

function hasAddress({ addresses6 }: NetDevice, address: Ip6): boolean {
  for (let i = 0; i < addresses6.length; i++) {
    const own = addresses6[i] as (typeof addresses6)[number];
    if (own.usable && own.address === address) return true;
  }
  return false;
}

/** ifindex of the first device that has an address, 0 none. */
function deviceWith({ stack }: NftRun, address: Ip6): number {
  const { devices } = stack.net;
  for (let i = 0; i < devices.length; i++) {
    const device = devices[i] as NetDevice;
    if (hasAddress(device, address)) return device.ifindex;
  }
  return 0;
}
