import { NF_INET_FORWARD, NF_INET_PRE_ROUTING } from "../../netfilter/hook.ts";
import { isLimitedBroadcast, isMulticast, isZeronet } from "../../route/output-route.ts";
import { RTN_LOCAL } from "../../route/types.ts";
import type { NftRun } from "./nft-run.ts";
import type { Read } from "./read.ts";

/** `nft_fib` (net/ipv4/netfilter/nft_fib_ipv4.c): what the routes say of a packet's source or destination. */
export function compileFib(flags: readonly string[], result: "type" | "oif" | "oifname"): Read | null {
  const ofSource = flags.includes("saddr");
  if (ofSource === flags.includes("daddr")) return null;
  const withIn = flags.includes("iif");
  const withOut = flags.includes("oif");
  if (result === "type") {
    return (run, at) => {
      const { packet, stack } = run;
      const device = withIn ? stack.inIf : withOut ? stack.outIf : 0;
      run.regs[at] = stack.addressType(ofSource ? packet.src : packet.dst, device);
      return true;
    };
  }
  const withMark = flags.includes("mark");
  return (run, at) => {
    run.regs[at] = lookUp(run, ofSource, withIn, withOut, withMark);
    return true;
  };
}

/** `nft_fib4_eval`: the handle of the name of the device that the way leads through, -1 for none. Runs per packet. */
function lookUp(
  run: NftRun,
  ofSource: boolean,
  withIn: boolean,
  withOut: boolean,
  withMark: boolean,
): number {
  const { packet, stack } = run;
  if (run.hook === NF_INET_PRE_ROUTING && stack.isLoopback(stack.inIf)) return stack.inName;
  if (isZeronet(packet.src) && (isLimitedBroadcast(packet.dst) || isMulticast(packet.dst))) {
    return stack.nameOf(packet.dev);
  }
  const { flow, fibResult: found } = stack;
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
  flow.proto = 0;
  flow.uid = 0;
  flow.hasPorts = false;
  stack.net.fib.lookup(flow, found, stack.deviceName);
  const { route } = found;
  if (found.error !== 0 || route === null || route.type === RTN_LOCAL) return -1;
  const wanted = withOut ? stack.outIf : withIn ? stack.inIf : 0;
  if (wanted === 0) return route.nextHops[0]?.dev?.nameId ?? -1;
  for (let i = 0; i < route.nextHops.length; i++) {
    if (route.nextHops[i]?.dev?.ifindex === wanted) return stack.nameOf(wanted);
  }
  return -1;
}
