import { type Manip, NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC, natSetup, OneAddress } from "../../nat/nat.ts";
import { masquerade, redirect } from "../../nat/targets.ts";
import { NF_ACCEPT } from "../../netfilter/hook.ts";
import type { NftExpression } from "../expression.ts";
import { typesOf } from "../fields.ts";
import type { NftStatement } from "../statement.ts";
import { compileLoad } from "./load.ts";
import type { Read } from "./read.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK } from "./verdict.ts";
import { boundsOf } from "./words.ts";

/** Registers in which a translation finds its range: first and last address, first and last port. */
const MIN_ADDRESS = 0;
const MAX_ADDRESS = 1;
const MIN_PORT = 2;
const MAX_PORT = 3;
/** Where a map looks up and answers. */
const SCRATCH = 8;

/** In the place of a port that is not there. */
const NO_PORT = -1;

/** `nft_nat`, `nft_masq`, `nft_redir`. null: the walk cannot tell what to translate to. */
export function compileNat(nat: Extract<NftStatement, { kind: "nat" }>): Step | null {
  const { type, family, address, port, flags, prefix } = nat;
  // nft sees to it that a translation to addresses of one family meets that family only.
  if (family === "ip6" || (address !== null && typesOf(address)[0] === "ipv6_addr")) return () => NFT_BREAK;
  const from = address === null ? null : compileAddress(address);
  const ports = port === null ? null : compilePort(port);
  if ((address !== null && from === null) || (port !== null && ports === null)) return null;
  const range = new OneAddress();
  range.random = flags.includes("random") || flags.includes("fully-random");
  range.persistent = flags.includes("persistent");
  range.mapAddresses = address !== null;
  const manip: Manip = type === "snat" || type === "masquerade" ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST;
  return (run) => {
    const { regs, packet, stack } = run;
    if (packet.ct < 0) return NF_ACCEPT;
    if (from !== null) {
      if (!from(run, MIN_ADDRESS)) return NFT_BREAK;
      range.minAddress = regs[MIN_ADDRESS] as number;
      range.maxAddress = regs[MAX_ADDRESS] as number;
    }
    if (ports !== null && !ports(run, MIN_PORT)) return NFT_BREAK;
    // A map's value has a port with it where the map is declared so.
    range.ports = ports !== null || (from !== null && (regs[MIN_PORT] as number) >= 0);
    if (range.ports) {
      range.minPort = regs[MIN_PORT] as number;
      range.maxPort = regs[MAX_PORT] as number;
    }
    if (type === "masquerade") return masquerade(stack, packet, range);
    if (type === "redirect") return redirect(stack, packet, run.hook, range);
    if (prefix) {
      // `nf_nat_setup_netmap`: the host part is kept.
      const mask = ~((regs[MIN_ADDRESS] as number) ^ (regs[MAX_ADDRESS] as number));
      const own = manip === NF_NAT_MANIP_SRC ? packet.src : packet.dst;
      range.set((own & ~mask) | ((regs[MIN_ADDRESS] as number) & mask));
    }
    return natSetup(stack, packet.ct, range, manip);
  };
}

/** An address, a range of them, or what a map says, with a port if it does. */
function compileAddress(address: NftExpression): Read | null {
  const bounds = boundsOf(address);
  if (bounds !== null && bounds.from.length === 1) {
    const min = bounds.from[0] as number;
    const max = bounds.to[0] as number;
    return (run, at) => fill(run.regs, at, min, max, NO_PORT, NO_PORT);
  }
  if (address.kind === "concat") {
    const both = boundsOf(address.parts[0] as NftExpression);
    const port = boundsOf(address.parts[1] as NftExpression);
    if (both === null || port === null) return null;
    return (run, at) => fill(run.regs, at, both.from[0], both.to[0], port.from[0], port.to[0]);
  }
  if (address.kind !== "map") {
    const load = compileLoad(address);
    if (load === null || load.words !== 1) return null;
    return (run, at) => {
      if (!load.load(run, SCRATCH)) return false;
      const value = run.regs[SCRATCH];
      return fill(run.regs, at, value, value, NO_PORT, NO_PORT);
    };
  }
  return compileAddressMap(address);
}

function fill(
  regs: Int32Array,
  at: number,
  min: number | undefined,
  max: number | undefined,
  minPort: number | undefined,
  maxPort: number | undefined,
): boolean {
  regs[at] = min ?? 0;
  regs[at + 1] = max ?? 0;
  regs[at + 2] = minPort ?? 0;
  regs[at + 3] = maxPort ?? 0;
  return true;
}

/** A map's values lie in registers as first words, then last words. Whether they hold ports the map itself says. */
function compileAddressMap(address: Extract<NftExpression, { kind: "map" }>): Read | null {
  const load = compileLoad(address);
  if (load === null) return null;
  return (run, at) => {
    const { regs, sets } = run;
    if (!load.load(run, SCRATCH)) return false;
    const words = sets.foundDataWords();
    const withPort = words > 1;
    return fill(
      regs,
      at,
      regs[SCRATCH],
      regs[SCRATCH + words],
      withPort ? regs[SCRATCH + 1] : NO_PORT,
      withPort ? regs[SCRATCH + words + 1] : NO_PORT,
    );
  };
}

function compilePort(port: NftExpression): Read | null {
  const bounds = boundsOf(port);
  if (bounds !== null) {
    const min = bounds.from[0] as number;
    const max = bounds.to[0] as number;
    return (run, at) => {
      run.regs[at] = min;
      run.regs[at + 1] = max;
      return true;
    };
  }
  const load = compileLoad(port);
  if (load === null || load.words !== 1) return null;
  return (run, at) => {
    if (!load.load(run, SCRATCH)) return false;
    const value = run.regs[SCRATCH] as number;
    run.regs[at] = value;
    run.regs[at + 1] = value;
    return true;
  };
}
