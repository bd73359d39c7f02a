import { duplicate } from "../../netfilter/duplicate.ts";
import type { NftFamily } from "../ruleset.ts";
import type { NftStatement } from "../statement.ts";
import { compileLoad } from "./load.ts";
import { addressIn } from "./load-payload.ts";
import { netdevEgress } from "./netdev-egress.ts";
import type { NftRun } from "./nft-run.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";

type Duplicate = Extract<NftStatement, { kind: "dup" }>;

/** `nft_dup_netdev_eval`, `nft_dup_ipv4_eval`, `nft_dup_ipv6_eval`. null: the walk cannot tell where to. */
export function compileDuplicate({ device, address }: Duplicate, family: NftFamily): Step | null {
  const name = device?.kind === "constant" && typeof device.value === "string" ? device.value : null;
  if (device !== null && name === null) return null;
  if (family === "netdev") return address === null && name !== null ? toDevice(name) : null;
  const to = address === null ? null : compileLoad(address);
  if (to === null || (family !== "ip" && family !== "ip6")) return null;
  const words = family === "ip6" ? 4 : 1;
  if (to.words !== words) return null;
  return (run) => {
    if (!to.load(run, 0)) return NFT_BREAK;
    const gateway = words === 4 ? addressIn(run.regs, 0) : (run.regs[0] as number);
    const oif = name === null ? 0 : (run.stack.net.deviceNamed(name)?.ifindex ?? -1);
    if (oif >= 0) duplicateFor(run, gateway, oif);
    return NFT_CONTINUE;
  };
}

/** `nf_dup_netdev_egress`: the frame as it is leaves by a device too. */
function toDevice(name: string): Step {
  return (run) => {
    const { stack, packet } = run;
    const out = stack.net.deviceNamed(name);
    if (out === null) return NFT_BREAK;
    netdevEgress(run, out, stack.pool.clone(packet));
    return NFT_CONTINUE;
  };
}

/** The copy's way goes through chains of its own. */
function duplicateFor(run: NftRun, gateway: number, oif: number): void {
  const { stack, packet, table, hook } = run;
  duplicate(stack, packet, hook, gateway, oif);
  run.packet = packet;
  run.table = table;
  run.hook = hook;
}
