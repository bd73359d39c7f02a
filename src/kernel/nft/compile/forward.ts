import { NF_STOLEN } from "../../netfilter/hook.ts";
import type { NftStatement } from "../statement.ts";
import { netdevEgress } from "./netdev-egress.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK } from "./verdict.ts";

/** `nft_fwd_netdev_eval`: the frame leaves by another device at once, as it is. null: by way of a neighbour. */
export function compileForward({ device, address }: Extract<NftStatement, { kind: "fwd" }>): Step | null {
  if (address !== null || device.kind !== "constant" || typeof device.value !== "string") return null;
  const name = device.value;
  return (run) => {
    const { stack, packet } = run;
    const out = stack.net.deviceNamed(name);
    if (out === null) return NFT_BREAK;
    netdevEgress(run, out, packet);
    return NF_STOLEN;
  };
}
