import {
  commonPrefix6,
  groupScope6,
  IP6_ANY,
  IP6_LOOPBACK,
  type Ip6,
  isLinkLocal6,
  isMulticast6,
  word6,
} from "../../address/ip6-handle.ts";
import type { CompiledAddress6, NetDevice } from "../device/net-device.ts";
import type { Stack } from "../stack.ts";

/** Source address selection (RFC 6724, `ipv6_dev_get_saddr` of net/ipv6/addrconf.c). Runs per packet. */

const SCOPE_LINK = 2;
const SCOPE_SITE = 5;
const SCOPE_GLOBAL = 14;

/** `__ipv6_addr_src_scope`: unique local addresses are global here. */
function scopeOf(address: Ip6): number {
  if (isMulticast6(address)) return groupScope6(address);
  if (isLinkLocal6(address) || address === IP6_LOOPBACK) return SCOPE_LINK;
  return word6(address, 0) >>> 22 === 0x3fb ? SCOPE_SITE : SCOPE_GLOBAL;
}

/** The kernel's table of policies (`ip6addrlbl_init_table`), as nobody changes it. */
function labelOf(address: Ip6): number {
  const first = word6(address, 0);
  if (address === IP6_LOOPBACK) return 0;
  if (first === 0 && word6(address, 1) === 0) {
    if (word6(address, 2) === 0) return 3;
    if (word6(address, 2) === 0xffff) return 4;
    return 1;
  }
  if (first === 0x20010000) return 6;
  if (first >>> 4 === 0x2001001) return 7;
  if (first >>> 16 === 0x2002) return 2;
  if (first >>> 16 === 0x3ffe) return 12;
  if (first >>> 25 === 0xfc >>> 1) return 5;
  if (first >>> 22 === 0x3fb) return 11;
  return 1;
}

/** 2001:10::/28, which names no place (RFC 4843). */
function isOrchid(address: Ip6): boolean {
  return word6(address, 0) >>> 4 === 0x2001001;
}

/**
 * The address to speak with towards `dst`.
 *
 * @param out the device it goes out by, null where no route says one
 * @returns IP6_ANY where there is none (EADDRNOTAVAIL)
 */
export function selectSource6(stack: Stack, out: NetDevice | null, dst: Ip6): Ip6 {
  const scope = scopeOf(dst);
  // A group and a neighbour are spoken to from the same link.
  if (out !== null && (isMulticast6(dst) || scope <= SCOPE_LINK || out.conf6.useOifAddressesOnly)) {
    return bestOf(out, out, dst, scope, null)?.address ?? IP6_ANY;
  }
  let best: CompiledAddress6 | null = null;
  let bestOn: NetDevice | null = null;
  const vrf = out?.vrf ?? null;
  if (out !== null && vrf !== null) {
    // `ipv6_get_saddr_master`: the device's own, then the VRF's, before any other device of it. Where there was a choice, all others
    // are looked at all the same: `scopedist` of what has been compared is never 0 or more.
    best = bestOf(out, out, dst, scope, null);
    if (vrf !== out) best = bestOf(vrf, out, dst, scope, best, best === null ? null : out);
    const candidates = candidatesOn(out) + (vrf === out ? 0 : candidatesOn(vrf));
    if (best !== null && candidates === 1) return best.address;
    bestOn = best === null ? null : out.addresses6.includes(best) ? out : vrf;
  }
  for (const dev of stack.net.devices) {
    if (dev.vrf !== vrf) continue;
    const found = bestOf(dev, out, dst, scope, best, bestOn);
    if (found !== best) bestOn = dev;
    best = found;
  }
  return best?.address ?? IP6_ANY;
}

function candidatesOn(dev: NetDevice): number {
  return !dev.holdsAddresses6 || dev.conf6.disabled
    ? 0
    : dev.addresses6.filter(({ usable }) => usable).length;
}

/** `__ipv6_dev_get_saddr`: the best of a device's addresses and the best so far. */
function bestOf(
  dev: NetDevice,
  out: NetDevice | null,
  dst: Ip6,
  scope: number,
  before: CompiledAddress6 | null,
  beforeOn: NetDevice | null = null,
): CompiledAddress6 | null {
  let best = before;
  let bestOn = beforeOn;
  if (!dev.holdsAddresses6 || dev.conf6.disabled) return best;
  for (let i = 0; i < dev.addresses6.length; i++) {
    const candidate = dev.addresses6[i] as CompiledAddress6;
    if (!candidate.usable) continue;
    if (best === null || isBetter(candidate, dev, best, bestOn as NetDevice, out, dst, scope)) {
      best = candidate;
      bestOn = dev;
    }
  }
  return best;
}

/** The rules of RFC 6724 5 in their order (`ipv6_get_saddr_eval`); of equals the one before stays. */
function isBetter(
  one: CompiledAddress6,
  oneOn: NetDevice,
  other: CompiledAddress6,
  otherOn: NetDevice,
  out: NetDevice | null,
  dst: Ip6,
  scope: number,
): boolean {
  // 1: the same address
  let differing = +(one.address === dst) - +(other.address === dst);
  // 2: appropriate scope
  if (differing === 0) differing = scopePoints(one.address, scope) - scopePoints(other.address, scope);
  // 3: avoid deprecated addresses
  if (differing === 0) differing = +isPreferred(one) - +isPreferred(other);
  // 5: the outgoing interface
  if (differing === 0 && out !== null) differing = +(oneOn === out) - +(otherOn === out);
  // 6: matching label
  if (differing === 0) {
    const label = labelOf(dst);
    differing = +(labelOf(one.address) === label) - +(labelOf(other.address) === label);
  }
  // 7: public addresses before temporary ones, or the other way round (use_tempaddr)
  if (differing === 0) differing = +isOfPrivacy(one, oneOn) - +isOfPrivacy(other, otherOn);
  if (differing === 0) {
    const orchid = isOrchid(dst);
    differing = +(isOrchid(one.address) === orchid) - +(isOrchid(other.address) === orchid);
  }
  // 8: longest matching prefix
  if (differing === 0) differing = matching(one, dst) - matching(other, dst);
  return differing > 0;
}

function scopePoints(address: Ip6, scope: number): number {
  const own = scopeOf(address);
  return own >= scope ? -own : own - 128;
}

function isOfPrivacy({ temporary }: CompiledAddress6, { conf6 }: NetDevice): boolean {
  return temporary === conf6.prefersTemporary;
}

function isPreferred({ address, deprecated }: CompiledAddress6): boolean {
  return !deprecated || address === IP6_LOOPBACK;
}

function matching({ address, length }: CompiledAddress6, dst: Ip6): number {
  return Math.min(commonPrefix6(address, dst), length);
}
