import { IPPROTO_TCP, IPPROTO_UDP } from "../../../packet/packet.ts";
import { findProxy, giveToProxy } from "../../netfilter/tproxy-action.ts";
import { UnknownTest } from "../../netfilter/unknown.ts";
import type { NftStatement } from "../statement.ts";
import { compileLoad } from "./load.ts";
import { addressIn } from "./load-payload.ts";
import type { Step } from "./step.ts";
import type { NftUnknown } from "./unknown-step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";

/**
 * `nft_tproxy_eval`: the packet is given to the socket of its connection, or to one that listens where the rule says; where there is
 * none that may speak for others, the rule ends. null: the walk cannot tell where to.
 *
 * @param text the statement in nft's words
 */
export function compileTproxy(
  { family, address, port }: Extract<NftStatement, { kind: "tproxy" }>,
  text: string,
): Step | null {
  const to = address === null ? null : compileLoad(address);
  const at = port === null ? null : compileLoad(port);
  if ((address !== null && to === null) || (port !== null && at?.words !== 1)) return null;
  const only = family === "ip6" || to?.words === 4 ? 6 : family === "ip" || to !== null ? 4 : 0;
  const unknown: NftUnknown = { kind: "nft", text };
  const test = new UnknownTest(unknown);
  return (run) => {
    const { packet, stack, regs } = run;
    const { protocol } = packet;
    if ((protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) || packet.fragOffset !== 0) return NFT_BREAK;
    if (only !== 0 && packet.family !== only) return NFT_BREAK;
    if (at !== null && !at.load(run, 0)) return NFT_BREAK;
    const ownPort = at === null ? 0 : (regs[0] as number);
    if (to !== null && !to.load(run, 0)) return NFT_BREAK;
    const ownAddress = to === null ? 0 : to.words === 4 ? addressIn(regs, 0) : (regs[0] as number);
    const proxy = findProxy(stack, packet, ownAddress, ownPort);
    if (proxy === null || !(proxy.socket.transparent ?? test.test(packet, stack))) return NFT_BREAK;
    giveToProxy(packet, proxy);
    return NFT_CONTINUE;
  };
}
