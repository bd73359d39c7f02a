import { ETH_P_ARP, PACKET_LOOPBACK } from "../../../packet/packet.ts";
import {
  NF_INET_FORWARD,
  NF_INET_INGRESS,
  NF_INET_LOCAL_IN,
  NF_INET_PRE_ROUTING,
} from "../../netfilter/hook.ts";
import { isLimitedBroadcast, isLocalMulticast, isMulticast, isZeronet } from "../../route/output-route.ts";
import { RTN_LOCAL } from "../../route/types.ts";
import { fibDevice6, fibType6 } from "./load-fib6.ts";
import type { NftRun } from "./nft-run.ts";
import type { Read } from "./read.ts";

/** What is looked up, and by which device. */
export interface FibKey {
  /** The packet's source; its destination otherwise. */
  readonly ofSource: boolean;
  readonly withIn: boolean;
  readonly withOut: boolean;
  readonly withMark: boolean;
}

/** `nft_fib` (net/netfilter/nft_fib.c): what the routes say of a packet's source or destination. */
export function compileFib(flags: readonly string[], result: "type" | "oif" | "oifname"): Read | null {
  const key: FibKey = {
    ofSource: flags.includes("saddr"),
    withIn: flags.includes("iif"),
    withOut: flags.includes("oif"),
    withMark: flags.includes("mark"),
  };
  if (key.ofSource === flags.includes("daddr")) return null;
  if (result === "type") {
    return (run, at) => {
      if (run.packet.ethType === ETH_P_ARP) return false;
      run.regs[at] = run.packet.family === 6 ? fibType6(run, key) : fibType(run, key);
      return true;
    };
  }
  return (run, at) => {
    const { packet, stack, hook } = run;
    if (packet.ethType === ETH_P_ARP) return false;
    const cameIn = hook === NF_INET_PRE_ROUTING || hook === NF_INET_LOCAL_IN || hook === NF_INET_INGRESS;
    // `nft_fib_can_skip`
    if (cameIn && (packet.pktType === PACKET_LOOPBACK || stack.isLoopback(stack.inIf)))
      run.regs[at] = stack.inName;
    else run.regs[at] = packet.family === 6 ? fibDevice6(run, key) : fibDevice(run, key);
    return true;
  };
}

/** `nft_fib4_eval_type`. Runs per packet. */
function fibType({ stack, packet }: NftRun, { ofSource, withIn, withOut }: FibKey): number {
  const device = withIn ? stack.inIf : withOut ? stack.outIf : 0;
  return stack.addressType(ofSource ? packet.src : packet.dst, device);
}

/** `nft_fib4_eval`: the handle of the name of the device that the way leads through, -1 for none. Runs per packet. */
function fibDevice(run: NftRun, { ofSource, withIn, withOut, withMark }: FibKey): number {
  const { packet, stack } = run;
  if (isZeronet(packet.src) && (isLimitedBroadcast(packet.dst) || isLocalMulticast(packet.dst))) {
    return stack.nameOf(packet.dev);
  }
  const { flow, fibResult: found } = stack;
  const wanted = withOut ? stack.outIf : withIn ? stack.inIf : 0;
  const target = ofSource ? packet.src : packet.dst;
  const other = ofSource ? packet.dst : packet.src;
  flow.daddr = target;
  // `get_saddr`
  flow.saddr = isMulticast(other) || isLimitedBroadcast(other) || isZeronet(other) ? 0 : other;
  flow.oif = 0;
  flow.iif =
    ofSource && withIn && run.hook === NF_INET_FORWARD ? stack.outIf : (stack.net.loopback?.ifindex ?? 1);
  flow.mark = withMark ? packet.mark : 0;
  flow.tos = packet.tos & 0x1e;
  flow.proto = packet.protocol;
  flow.uid = 0;
  flow.hasPorts = false;
  flow.inVrf = stack.device(wanted === 0 ? packet.dev : wanted)?.vrf?.ifindex ?? 0;
  stack.net.fib.lookup(flow, found, stack.deviceName);
  const { route } = found;
  if (found.error !== 0 || route === null || route.type === RTN_LOCAL) return -1;
  if (wanted === 0) return route.nextHops[0]?.dev?.nameId ?? -1;
  for (let i = 0; i < route.nextHops.length; i++) {
    if (route.nextHops[i]?.dev?.ifindex === wanted) return stack.nameOf(wanted);
  }
  return -1;
}
