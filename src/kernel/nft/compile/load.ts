import { symmetricHash } from "../../../packet/flow-hash.ts";
import { CHOICE_NUMGEN } from "../../chooser.ts";
import { jhashWords, reciprocalScale, swap32 } from "../../nat/jhash.ts";
import type { BinaryOperator, NftExpression } from "../expression.ts";
import { typesOf } from "../fields.ts";
import { compileCt, readId } from "./load-ct.ts";
import { compileExthdr } from "./load-exthdr.ts";
import { compileFib } from "./load-fib.ts";
import { compileHeaderBits } from "./load-header-bits.ts";
import { compileMeta } from "./load-meta.ts";
import { compilePayload, isOfTransport } from "./load-payload.ts";
import { compileRaw } from "./load-raw.ts";
import { compileRt } from "./load-rt.ts";
import { compileSocket } from "./load-socket.ts";
import { compileSetSource } from "./look-up.ts";
import type { NftRun } from "./nft-run.ts";
import type { Load, Read } from "./read.ts";
import type { NftUnknown } from "./unknown-step.ts";
import { NFT_BREAK } from "./verdict.ts";
import { foldWords, isShift, operate, wordsOfType } from "./words.ts";

/**
 * null: the walk does not know what the expression reads.
 *
 * @param asks who loads sees to bits that are not known (`Load.mayBeAny`)
 */
export function compileLoad(expression: NftExpression, asks = false): Load | null {
  switch (expression.kind) {
    case "payload": {
      const { protocol, field } = expression;
      const load = shared(`payload ${protocol} ${field}`, () => {
        const own = sized(compilePayload(protocol, field), expression);
        if (own !== null) return isOfTransport(protocol) ? { ...own, unsure: true } : own;
        const bits = sized(compileHeaderBits(protocol, field), expression);
        return bits === null ? null : { ...bits, unsure: true, mayBeAny: true };
      });
      return load?.mayBeAny === true && !asks ? null : load;
    }
    case "raw-payload":
      return compileRaw(expression, asks);
    case "meta":
      return shared(`meta ${expression.key}`, () => scalar(compileMeta(expression.key)));
    case "ct":
      if (expression.key === "id") return asks ? { words: 1, unsure: true, load: readId } : null;
      return sized(compileCt(expression.key, expression.direction), expression);
    case "fib":
      return scalar(compileFib(expression.flags, expression.result));
    case "numgen":
      return compileNumgen(expression);
    case "hash":
      return compileHash(expression);
    case "binary":
      return compileBinary(expression, asks);
    case "concat":
      return compileConcat(expression.parts, asks);
    case "map":
      return compileMap(expression);
    case "other":
      return scalar(compileSocket(expression.text)) ?? compileExthdr(expression.text);
    case "rt":
      return sized(compileRt(expression), expression);
    default: {
      const words = foldWords(expression);
      return words === null ? null : immediate(words);
    }
  }
}

const loads = new Map<string, Load | null>();

/** One load for all rules that read the same, where it remembers nothing. */
function shared(key: string, compile: () => Load | null): Load | null {
  let load = loads.get(key);
  if (load === undefined) {
    load = compile();
    loads.set(key, load);
  }
  return load;
}

/** A value in as many registers as its type takes. */
function sized(read: Read | null, expression: NftExpression): Load | null {
  const [type = "integer"] = typesOf(expression);
  return read === null ? null : { words: wordsOfType(type), load: read };
}

function scalar(read: Read | null): Load | null {
  return read === null ? null : { words: 1, load: read };
}

function immediate(words: readonly number[]): Load {
  if (words.length === 1) {
    const word = words[0] as number;
    return {
      words: 1,
      load: (run, at) => {
        run.regs[at] = word;
        return true;
      },
    };
  }
  return {
    words: words.length,
    load: (run, at) => {
      for (let i = 0; i < words.length; i++) run.regs[at + i] = words[i] as number;
      return true;
    },
  };
}

function compileConcat(parts: readonly NftExpression[], asks: boolean): Load | null {
  const loads: Load[] = [];
  for (const part of parts) {
    const load = compileLoad(part, asks);
    if (load === null) return null;
    loads.push(load);
  }
  return {
    words: loads.reduce((sum, { words }) => sum + words, 0),
    unsure: loads.some(({ unsure }) => unsure === true),
    mayBeAny: loads.some(({ mayBeAny }) => mayBeAny === true),
    load: (run, at) => {
      let place = at;
      for (let i = 0; i < loads.length; i++) {
        const part = loads[i] as Load;
        if (!part.load(run, place)) return false;
        place += part.words;
      }
      return true;
    },
  };
}

/** `nft_bitwise`. */
function compileBinary(
  { op, left, right }: Extract<NftExpression, { kind: "binary" }>,
  asks: boolean,
): Load | null {
  const from = compileLoad(left, asks);
  if (from === null || (from.words > 1 && isShift(op))) return null;
  const folded = foldWords(right);
  if (from.words > 1) return folded?.length === from.words ? onWords(op, from, folded) : null;
  if (folded?.length === 1) {
    const operand = folded[0] as number;
    return {
      words: 1,
      unsure: from.unsure === true,
      load: (run, at) => {
        if (!from.load(run, at)) return false;
        run.regs[at] = operate(op, run.regs[at] as number, operand);
        return true;
      },
    };
  }
  const other = compileLoad(right);
  if (other === null || other.words !== 1 || from.mayBeAny === true) return null;
  return {
    words: 1,
    load: (run, at) => {
      if (!from.load(run, at) || !other.load(run, at + 1)) return false;
      run.regs[at] = operate(op, run.regs[at] as number, run.regs[at + 1] as number);
      return true;
    },
  };
}

function onWords(op: BinaryOperator, from: Load, operand: readonly number[]): Load {
  return {
    words: from.words,
    load: (run, at) => {
      if (!from.load(run, at)) return false;
      for (let i = 0; i < operand.length; i++) {
        run.regs[at + i] = operate(op, run.regs[at + i] as number, operand[i] as number);
      }
      return true;
    },
  };
}

/** `nft_numgen`: counters go round from 0; random numbers are a choice at each evaluation. */
function compileNumgen({ mode, modulus, offset }: Extract<NftExpression, { kind: "numgen" }>): Load | null {
  if (mode === "random") {
    return shared(`numgen ${modulus} ${offset}`, () => ({
      words: 1,
      load: (run, at) => {
        run.regs[at] = run.stack.chooser.pick(CHOICE_NUMGEN, modulus) + offset;
        return true;
      },
    }));
  }
  const owner = {};
  return {
    words: 1,
    load: (run, at) => {
      const state = run.stack.matchState(owner, 1);
      const next = state.get(0);
      state.set(0, next + 1 < modulus ? next + 1 : 0);
      run.regs[at] = next + offset;
      return true;
    },
  };
}

/** Values that lie in the machine's own byte order in a register, not in the network's. */
const HOST_ORDER: ReadonlySet<string> = new Set(["mark", "iface_index", "uid", "gid", "integer"]);

/** Bytes of a value in its register, where they are not four. */
const BYTES: Readonly<Record<string, number>> = {
  inet_service: 2,
  inet_proto: 1,
  icmp_type: 1,
  icmp_code: 1,
  icmpv6_type: 1,
  icmpv6_code: 1,
};

/**
 * `nft_hash`: jhash of the key's bytes with the rule's seed. With a seed the kernel drew, and for symhash, whose keys are
 * the kernel's secret, the outcome is a choice that every packet of the flow shares.
 */
function compileHash(hash: Extract<NftExpression, { kind: "hash" }>): Load | null {
  const { type, key, modulus, seed, offset } = hash;
  if (type === "symhash" || key === null) {
    const weights = new Array<number>(modulus).fill(1);
    return {
      words: 1,
      load: (run, at) => {
        const key = symmetricHash(run.packet);
        run.regs[at] = run.stack.chooser.flow(CHOICE_NUMGEN, key, modulus, weights) + offset;
        return true;
      },
    };
  }
  const from = compileLoad(key);
  const types = typesOf(key);
  if (from === null || from.words !== types.reduce((sum, type) => sum + wordsOfType(type), 0)) return null;
  if (seed === null) {
    const weights = new Array<number>(modulus).fill(1);
    const owner = {};
    return {
      words: 1,
      load: (run, at) => {
        if (!from.load(run, at)) return false;
        let key0 = run.stack.host;
        for (let i = 0; i < from.words; i++) key0 = (Math.imul(key0, 31) ^ (run.regs[at + i] as number)) | 0;
        const drawn = numberOfSeed(run, owner);
        run.regs[at] = run.stack.chooser.flow(CHOICE_NUMGEN, key0, drawn, weights) + offset;
        return true;
      },
    };
  }
  // A part of a concatenation is padded to whole registers; a key alone has its own length.
  const length = types.length === 1 ? (BYTES[types[0] as string] ?? from.words * 4) : from.words * 4;
  const words = types.flatMap((type) => new Array<string>(wordsOfType(type)).fill(type));
  const inHostOrder = words.map((each) => HOST_ORDER.has(each));
  const shifts = words.map((each) => 32 - 8 * (BYTES[each] ?? 4));
  return {
    words: 1,
    load: (run, at) => {
      if (!from.load(run, at)) return false;
      const { regs } = run;
      for (let i = 0; i < from.words; i++) {
        const word = regs[at + i] as number;
        // As a little-endian machine reads the bytes that stand in the register.
        if (inHostOrder[i] !== true) regs[at + i] = swap32(word << (shifts[i] as number));
      }
      regs[at] = (reciprocalScale(jhashWords(regs, at, length, seed), modulus) + offset) | 0;
      return true;
    },
  };
}

/** Each expression without a seed draws its own (`nft_jhash_init`): a number by which its host's are told apart, negative. */
function numberOfSeed({ stack }: NftRun, owner: object): number {
  const own = stack.matchState(owner, 1);
  if (own.get(0) === 0) {
    const drawn = stack.matchState(SEEDS_DRAWN, 1);
    drawn.set(0, drawn.get(0) - 1);
    own.set(0, drawn.get(0));
  }
  return own.get(0);
}

const SEEDS_DRAWN = {};

/** A map's value for a key. */
function compileMap({ key, data }: Extract<NftExpression, { kind: "map" }>): Load | null {
  const from = compileLoad(key);
  if (from === null) return null;
  const dataTypes = data.kind === "set" ? dataTypesOf(data) : null;
  const source = compileSetSource(data, typesOf(key), dataTypes);
  const missing: NftUnknown = { kind: "nft", text: `map @${source.name}, which is not in the dump` };
  const forgetful: NftUnknown = { kind: "nft", text: `what elements of map @${source.name} hold` };
  const words = dataTypes === null ? 1 : dataTypes.reduce((sum, type) => sum + wordsOfType(type), 0);
  return {
    words,
    load: (run, at) => {
      if (!from.load(run, at)) return false;
      const set = source.of(run);
      if (set === null || set.index.keyWords !== from.words) {
        run.stack.unknownTargets.add(missing);
        return false;
      }
      if (!run.sets.find(set, run.regs, at, run.stack.now)) return false;
      if (set.index.forgetful) run.stack.unknownTargets.add(forgetful);
      if (run.sets.askFound(set, run, at) === NFT_BREAK) return false;
      run.sets.readData(run.regs, at);
      return true;
    },
  };
}

function dataTypesOf(set: Extract<NftExpression, { kind: "set" }>): readonly string[] {
  const data = set.elements[0]?.data;
  return data?.kind === "value" ? typesOf(data.value) : ["integer"];
}
