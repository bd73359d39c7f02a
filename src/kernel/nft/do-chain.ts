import { hashOf } from "../../packet/flow-hash.ts";
import { ETH_P_ARP, type Packet } from "../../packet/packet.ts";
import { DROPPED_BY_POLICY, DROPPED_BY_RULE } from "../netfilter/dropped-by.ts";
import { NF_ACCEPT, NF_DROP, type NfVerdict } from "../netfilter/hook.ts";
import type { Stack } from "../stack.ts";
import { OP_NFT_CHAIN_END, OP_NFT_POLICY, OP_NFT_RULE } from "../tape.ts";
import type { CompiledNftChain, CompiledNftTable } from "./compile/nft-table.ts";
import type { NftUnknown } from "./compile/unknown-step.ts";
import { NFT_BREAK, NFT_CONTINUE, NFT_GOTO, NFT_JUMP } from "./compile/verdict.ts";
import type { NftRule } from "./ruleset.ts";

/** `NFT_JUMP_STACK_SIZE` is 16; a dump may hold what the kernel would have refused. */
const DEPTH_AT_MOST = 1024;

/**
 * `nft_do_chain`: a packet through a base chain to a verdict. Rules are evaluated one by one, as the kernel does; what
 * makes large rule sets cheap are their maps. This is code that runs per packet.
 *
 * @param base place of the base chain in its table
 */
export function nftDoChain(
  stack: Stack,
  table: CompiledNftTable,
  base: number,
  hook: number,
  packet: Packet,
): NfVerdict {
  const { engine, nft: run, jumpStack: jumps } = stack;
  // ARP frames meet chains at an ingress alone, and are no part of a trace.
  const tape = packet.ethType === ETH_P_ARP ? null : engine.tape;
  if (engine.tracesPackets) hashOf(packet);
  run.packet = packet;
  run.table = table;
  run.hook = hook;
  const bottom = jumps.top;
  const tableBits = table.number << 24;
  let place = base;
  let chain = table.chains[place] as CompiledNftChain;
  let i = 0;
  /** Rules evaluated since the last record. */
  let evaluated = 0;
  for (;;) {
    let verdict: number = NFT_CONTINUE;
    const { code, start, length } = chain;
    for (; i < length; i++) {
      evaluated++;
      verdict = code.evaluate(start, i, run);
      if (verdict === NFT_BREAK) {
        verdict = NFT_CONTINUE;
        continue;
      }
      if (tape !== null) {
        tape.words6(OP_NFT_RULE, stack.host, packet.number, packet.mark, tableBits | place, i, evaluated);
        engine.rulesEvaluated += evaluated;
        evaluated = 0;
      }
      if (verdict !== NFT_CONTINUE) break;
    }
    if (verdict >= 0) {
      engine.rulesEvaluated += evaluated;
      jumps.top = bottom;
      if (verdict === NF_DROP) stack.dropBy = DROPPED_BY_RULE;
      return verdict as NfVerdict;
    }
    if (verdict === NFT_JUMP || verdict === NFT_GOTO) {
      const next = table.chainPlaces.of(run.target);
      if (next < 0) {
        // A dump that was cut short: nobody knows what the chain does, and the verdict says so.
        stack.unknownTargets.add(missingChain(table, place, i));
        if (verdict === NFT_JUMP) {
          i++;
          continue;
        }
      } else {
        if (verdict === NFT_JUMP) {
          if (jumps.top >= DEPTH_AT_MOST)
            throw new Error(`chains of table ${table.plain.name} jump in a circle`);
          jumps.chain[jumps.top] = place;
          jumps.index[jumps.top] = i + 1;
          jumps.top++;
        }
        place = next;
        chain = table.chains[place] as CompiledNftChain;
        i = 0;
        continue;
      }
    } else if (verdict === NFT_CONTINUE && place !== base && tape !== null) {
      tape.words6(
        OP_NFT_CHAIN_END,
        stack.host,
        packet.number,
        packet.mark,
        tableBits | place,
        length,
        evaluated,
      );
      engine.rulesEvaluated += evaluated;
      evaluated = 0;
    }
    // NFT_RETURN, or the chain's end: back behind the jump, or to the policy.
    if (jumps.top === bottom) break;
    jumps.top--;
    place = jumps.chain[jumps.top] as number;
    i = jumps.index[jumps.top] as number;
    chain = table.chains[place] as CompiledNftChain;
  }
  engine.rulesEvaluated += evaluated;
  chain = table.chains[base] as CompiledNftChain;
  tape?.words6(
    OP_NFT_POLICY,
    stack.host,
    packet.number,
    packet.mark,
    tableBits | base,
    chain.length,
    evaluated,
  );
  if (chain.plain.base?.policy !== "drop") return NF_ACCEPT;
  stack.dropBy = DROPPED_BY_POLICY;
  return NF_DROP;
}

const missing = new WeakMap<NftRule, NftUnknown>();

function missingChain(table: CompiledNftTable, place: number, index: number): NftUnknown {
  const chain = table.chains[place] as CompiledNftChain;
  const rule = chain.plain.rules[index] as NftRule;
  let unknown = missing.get(rule);
  if (unknown === undefined) {
    const { family, name } = table.plain;
    unknown = {
      kind: "nft",
      text: `rule ${index + 1} of chain ${chain.plain.name} in table ${family} ${name}: the chain it goes to is not in the dump`,
    };
    missing.set(rule, unknown);
  }
  return unknown;
}
