import { ETH_P_ARP, PACKET_OUTGOING } from "../../../packet/packet.ts";
import { internInterfaceName } from "../../device/interface-name.ts";
import type { NetDevice } from "../../device/net-device.ts";
import { NF_INET_PRE_ROUTING } from "../../netfilter/hook.ts";
import { hasSocket } from "../../netfilter/match/cgroup.ts";
import { shownPktType } from "../../netfilter/match/pkttype.ts";
import type { NftFamily } from "../ruleset.ts";
import { transportOf } from "./load-header-bits.ts";
import type { NftRun } from "./nft-run.ts";
import type { Read } from "./read.ts";

/** `nft_meta`: what stands beside the packet. Interfaces are the handles of their names, -1 where there is none. */

export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;
/** Chains of these families know no other (`nft_pf`). */
const NFPROTO: Readonly<Partial<Record<NftFamily, number>>> = { arp: 3, netdev: 5, bridge: 7 };
const ARPHRD_ETHER = 1;
const ARPHRD_NONE = 65534;
/** `ARPHRD_*` of what bears no Ethernet frames, by kind. */
const ARPHRD: Readonly<Record<string, number>> = {
  ...{ loopback: 772, ipip: 768, ip6tnl: 769, sit: 776, gre: 778, ip6gre: 823, wireguard: ARPHRD_NONE },
};

const META: Readonly<Record<string, Read>> = {
  mark: (run, at) => {
    run.regs[at] = run.packet.mark;
    return true;
  },
  l4proto: (run, at) => {
    if (run.packet.ethType === ETH_P_ARP) return false;
    run.regs[at] = transportOf(run.packet);
    return true;
  },
  nfproto: (run, at) => {
    const own = run.table === null ? undefined : NFPROTO[run.table.plain.family];
    run.regs[at] = own ?? (run.packet.family === 6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
    return true;
  },
  protocol: (run, at) => {
    run.regs[at] = run.packet.ethType;
    return true;
  },
  length: (run, at) => {
    run.regs[at] = run.length;
    return true;
  },
  iif: inName,
  iifname: inName,
  oif: outName,
  oifname: outName,
  iiftype: (run, at) => {
    const { stack } = run;
    if (stack.inIf === 0) return false;
    run.regs[at] = hardwareType(stack.device(stack.inIf));
    return true;
  },
  oiftype: (run, at) => {
    const { stack } = run;
    if (stack.outIf === 0) return false;
    run.regs[at] = hardwareType(stack.device(stack.outIf));
    return true;
  },
  pkttype: (run, at) => {
    const pktType = shownPktType(run.packet);
    run.regs[at] = pktType === PACKET_OUTGOING ? 0 : pktType;
    return true;
  },
  skuid: (run, at) => {
    if (run.packet.uid < 0) return false;
    run.regs[at] = run.packet.uid;
    return true;
  },
  sdif: slaveName,
  sdifname: slaveName,
  ibrname: (run, at) => bridgeName(run, at, run.stack.inIf),
  obrname: (run, at) => bridgeName(run, at, run.stack.outIf),
  iifgroup: (run, at) => deviceGroup(run, at, run.stack.inIf),
  oifgroup: (run, at) => deviceGroup(run, at, run.stack.outIf),
  iifkind: (run, at) => deviceKind(run, at, run.stack.inIf),
  oifkind: (run, at) => deviceKind(run, at, run.stack.outIf),
  rtclassid: realms,
  // Sockets have no classes here, and nothing is encrypted.
  cgroup: (run, at) => zeroIf(run, at, hasSocket(run.packet, run.stack)),
  ipsec: (run, at) => zeroIf(run, at, true),
  secpath: (run, at) => zeroIf(run, at, true),
  nftrace: (run, at) => {
    run.regs[at] = 0;
    return true;
  },
};

/**
 * `dst_entry.tclassid`; where a realm's name is not known, it is none that a rule names. Of what br_netfilter carries the route is
 * the bridge's own (`bridge_parent_rtable`), which has none.
 */
export function realms({ packet, regs, hook }: NftRun, at: number): boolean {
  regs[at] = packet.rtRealms;
  return packet.rtDev >= 0 || (packet.nfBridge && hook !== NF_INET_PRE_ROUTING);
}

function inName(run: Parameters<Read>[0], at: number): boolean {
  run.regs[at] = run.stack.inName;
  return true;
}

function outName(run: Parameters<Read>[0], at: number): boolean {
  run.regs[at] = run.stack.outName;
  return true;
}

/** `nft_meta_get_eval_sdif`: the device of a VRF that it came in by; another has none. */
function slaveName({ packet, stack, regs }: NftRun, at: number): boolean {
  regs[at] = packet.l3Slave === 0 ? -1 : stack.nameOf(packet.l3Slave);
  return true;
}

function zeroIf(run: NftRun, at: number, isThere: boolean): boolean {
  run.regs[at] = 0;
  return isThere;
}

function deviceGroup({ stack, regs }: NftRun, at: number, ifindex: number): boolean {
  regs[at] = stack.groupOf(ifindex);
  return ifindex !== 0;
}

/** `rtnl_link_ops->kind`: what `ip link add type` calls it; a loopback device, and a card, has none. */
function deviceKind({ stack, regs }: NftRun, at: number, ifindex: number): boolean {
  const detail = stack.device(ifindex)?.plain.detail;
  if (detail === undefined || detail.kind === "loopback" || detail.kind === "ether") return false;
  regs[at] = internInterfaceName(detail.kind === "unmodelled" ? detail.type : detail.kind);
  return true;
}

/** The bridge that a device is a port of; of another an empty name (`nft_meta_bridge_get_eval`). */
function bridgeName({ stack, regs }: NftRun, at: number, ifindex: number): boolean {
  const master = stack.device(ifindex)?.master ?? null;
  regs[at] = master?.isBridge ? master.nameId : -1;
  return true;
}

/** `net_device.type`. */
function hardwareType(device: NetDevice | null): number {
  const detail = device?.plain.detail;
  if (detail === undefined) return ARPHRD_ETHER;
  if (detail.kind === "tun") return detail.mode === "tun" ? ARPHRD_NONE : ARPHRD_ETHER;
  const kind = detail.kind === "unmodelled" ? detail.type : detail.kind;
  return (Object.hasOwn(ARPHRD, kind) ? ARPHRD[kind] : undefined) ?? ARPHRD_ETHER;
}

/** null: the walk does not know the key. */
export function compileMeta(key: string): Read | null {
  return Object.hasOwn(META, key) ? (META[key] ?? null) : null;
}
