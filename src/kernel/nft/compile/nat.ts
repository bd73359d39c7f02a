import { intern, word6 } from "../../../address/ip6-handle.ts";
import { type Manip, NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC } from "../../nat/manip.ts";
import { natSetup } from "../../nat/nat.ts";
import { OneAddress } from "../../nat/range.ts";
import { masquerade, redirect } from "../../nat/targets.ts";
import { NF_ACCEPT } from "../../netfilter/hook.ts";
import type { NftExpression } from "../expression.ts";
import { typesOf } from "../fields.ts";
import type { NftFamily } from "../ruleset.ts";
import type { NftStatement } from "../statement.ts";
import { compileLoad } from "./load.ts";
import { addressIn } from "./load-payload.ts";
import type { Read } from "./read.ts";
import type { Inline, Step } from "./step.ts";
import { NFT_BREAK } from "./verdict.ts";
import { boundsOf } from "./words.ts";

/**
 * Registers in which a translation finds its range: first and last address, as packets hold them, first and last port.
 */
const MIN_ADDRESS = 0;
const MAX_ADDRESS = 1;
const MIN_PORT = 2;
const MAX_PORT = 3;
/** Where a map looks up and answers. */
const SCRATCH = 8;

/** In the place of a port that is not there. */
const NO_PORT = -1;

type NatStatement = Extract<NftStatement, { kind: "nat" }>;

/** `nft_nat`, `nft_masq`, `nft_redir`. null: the walk cannot tell what to translate to. */
export function compileNat(nat: NatStatement, table: NftFamily): Step | Inline | null {
  const { address, port } = nat;
  const family = familyOfNat(nat, table);
  const words = constantRange(address, port, family === 6 ? 4 : 1);
  if (words !== null) return { kind: "fill", words, step: translationOfRegisters(nat, family) };
  const from = address === null ? null : compileAddress(address, family === 6 ? 4 : 1);
  const ports = port === null ? null : compilePort(port);
  if ((address !== null && from === null) || (port !== null && ports === null)) return null;
  return translation(nat, family, from, ports);
}

/** What the registers from MIN_ADDRESS to MAX_PORT hold of constants; null where there is no address, or more to find out. */
function constantRange(
  address: NftExpression | null,
  port: NftExpression | null,
  words: 1 | 4,
): readonly number[] | null {
  const [first = null, second = port, ...others] =
    address === null ? [] : address.kind === "concat" ? address.parts : [address];
  const both = first === null ? null : boundsOf(first);
  if (both === null || both.from.length !== words || others.length > 0) return null;
  const addresses = [onPath(both.from), onPath(both.to)];
  if (second === null) return [...addresses, NO_PORT, NO_PORT];
  const ports = boundsOf(second);
  return ports === null ? null : [...addresses, ports.from[0] as number, ports.to[0] as number];
}

const translations = new Map<string, Step>();

/** The translation to what stands in registers: one for all rules that ask for the same kind of it. */
function translationOfRegisters(nat: NatStatement, family: 4 | 6 | 0): Step {
  const key = `${nat.type} ${family} ${nat.prefix} ${nat.flags.join(" ")}`;
  let step = translations.get(key);
  if (step === undefined) {
    step = translation(nat, family, () => true, null);
    translations.set(key, step);
  }
  return step;
}

/** Translate to what the registers hold once the address and the ports, where there are any, were put into them. */
function translation(
  { type, address, flags, prefix }: NatStatement,
  family: 4 | 6 | 0,
  from: Read | null,
  ports: Read | null,
): Step {
  const range = new OneAddress();
  range.random = flags.includes("random") || flags.includes("fully-random");
  range.persistent = flags.includes("persistent");
  range.mapAddresses = address !== null;
  const manip: Manip = type === "snat" || type === "masquerade" ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST;
  return (run) => {
    const { regs, packet, stack } = run;
    // nft sees to it that a translation to addresses of one family meets that family only.
    if (family !== 0 && packet.family !== family) return NFT_BREAK;
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
      const own = manip === NF_NAT_MANIP_SRC ? packet.src : packet.dst;
      range.set(exchangeNetwork(packet.family, own, range.minAddress, range.maxAddress));
    }
    return natSetup(stack, packet.ct, range, manip);
  };
}

/** The family of the addresses it translates to; 0: it names none. */
function familyOfNat({ family, address }: NatStatement, table: NftFamily): 4 | 6 | 0 {
  if (address === null) return 0;
  const named = family ?? table;
  if (named === "ip" || named === "ip6") return named === "ip6" ? 6 : 4;
  return typesOf(address)[0] === "ipv6_addr" ? 6 : 4;
}

/** `nf_nat_setup_netmap`: the bits that first and last address share are exchanged, the host part is kept. Runs per packet. */
function exchangeNetwork(family: number, own: number, min: number, max: number): number {
  if (family !== 6) return exchanged(own, min, max);
  return intern(
    exchanged(word6(own, 0), word6(min, 0), word6(max, 0)),
    exchanged(word6(own, 1), word6(min, 1), word6(max, 1)),
    exchanged(word6(own, 2), word6(min, 2), word6(max, 2)),
    exchanged(word6(own, 3), word6(min, 3), word6(max, 3)),
  );
}

function exchanged(own: number, min: number, max: number): number {
  const mask = ~(min ^ max);
  return (own & ~mask) | (min & mask);
}

/**
 * An address, a range of them, or what a map says, with a port if it does.
 *
 * @param words of an address
 */
function compileAddress(address: NftExpression, words: 1 | 4): Read | null {
  const parts = address.kind === "concat" ? address.parts : [address];
  const both = boundsOf(parts[0] as NftExpression);
  if (both !== null && both.from.length === words) {
    const min = onPath(both.from);
    const max = onPath(both.to);
    // With a constant port it is a constant range.
    if (parts.length > 1) return null;
    return (run, at) => fill(run.regs, at, min, max, NO_PORT, NO_PORT);
  }
  if (address.kind === "map") return compileAddressMap(address, words);
  const load = compileLoad(address);
  if (load === null || load.words !== words) return null;
  return (run, at) => {
    if (!load.load(run, SCRATCH)) return false;
    const value = addressAt(run.regs, SCRATCH, words);
    return fill(run.regs, at, value, value, NO_PORT, NO_PORT);
  };
}

/** The address of constant words as packets hold it. */
function onPath(words: readonly number[]): number {
  return addressAt(Int32Array.from(words), 0, words.length === 4 ? 4 : 1);
}

/** The address in registers as packets hold it. Runs per packet. */
function addressAt(regs: Int32Array, at: number, words: 1 | 4): number {
  return words === 4 ? addressIn(regs, at) : (regs[at] as number);
}

function fill(
  regs: Int32Array,
  at: number,
  min: number,
  max: number,
  minPort: number | undefined,
  maxPort: number | undefined,
): boolean {
  regs[at] = min;
  regs[at + 1] = max;
  regs[at + 2] = minPort ?? 0;
  regs[at + 3] = maxPort ?? 0;
  return true;
}

/** A map's values lie in registers as first words, then last words. Whether they hold ports the map itself says. */
function compileAddressMap(
  address: Extract<NftExpression, { kind: "map" }>,
  addressWords: 1 | 4,
): Read | null {
  const load = compileLoad(address);
  if (load === null) return null;
  return (run, at) => {
    const { regs, sets } = run;
    if (!load.load(run, SCRATCH)) return false;
    const words = sets.foundDataWords();
    const withPort = words > addressWords;
    return fill(
      regs,
      at,
      addressAt(regs, SCRATCH, addressWords),
      addressAt(regs, SCRATCH + words, addressWords),
      withPort ? regs[SCRATCH + addressWords] : NO_PORT,
      withPort ? regs[SCRATCH + words + addressWords] : NO_PORT,
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
