import type { KnownBytes } from "../../packet/wire/known-bytes.ts";

/** The classic packet filter (net/core/filter.c, bpf(4)): its programs checked and run. */

/** `struct sock_filter`. */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  /** Unsigned. */
  readonly k: number;
}

/** `BPF_MAXINSNS` of the match (`XT_BPF_MAX_NUM_INSTR`). */
const MOST_INSTRUCTIONS = 64;
const MEMORY_WORDS = 16;

const LD = 0;
const LDX = 1;
const ST = 2;
const STX = 3;
const ALU = 4;
const JMP = 5;
const RET = 6;
const MISC = 7;

const IMM = 0x00;
const ABS = 0x20;
const IND = 0x40;
const MEM = 0x60;
const LEN = 0x80;
const MSH = 0xa0;

/** Operations of ALU by their bits: the last is XOR. */
const ADD = 0x00;
const SUB = 0x10;
const MUL = 0x20;
const DIV = 0x30;
const OR = 0x40;
const AND = 0x50;
const LSH = 0x60;
const RSH = 0x70;
const NEG = 0x80;
const MOD = 0x90;
const XOR = 0xa0;

const JA = 0x00;
const JEQ = 0x10;
const JGT = 0x20;
const JGE = 0x30;
const JSET = 0x40;

const OPERATES_ON_X = 0x08;

/** `chk_code_allowed`: every code that there is. */
const CODES: ReadonlySet<number> = new Set([
  ...[ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, MOD, XOR].flatMap((op) => [ALU | op, ALU | op | OPERATES_ON_X]),
  ALU | NEG,
  // Words, halfwords and bytes.
  ...[0x00, 0x08, 0x10].flatMap((size) => [LD | ABS | size, LD | IND | size]),
  LD | LEN,
  LD | IMM,
  LD | MEM,
  LDX | LEN,
  LDX | IMM,
  LDX | MEM,
  LDX | MSH | 0x10,
  ST,
  STX,
  MISC,
  MISC | 0x80,
  RET,
  RET | 0x10,
  JMP | JA,
  ...[JEQ, JGT, JGE, JSET].flatMap((op) => [JMP | op, JMP | op | OPERATES_ON_X]),
]);

/** What the kernel would refuse (`bpf_check_classic`), null for nothing. */
export function faultOfProgram(program: readonly BpfInstruction[]): string | null {
  if (program.length === 0 || program.length > MOST_INSTRUCTIONS)
    return `a program has 1 to ${MOST_INSTRUCTIONS} instructions`;
  for (const [at, { code, jt, jf, k }] of program.entries()) {
    const left = program.length - at - 1;
    const kind = code & 7;
    if (!CODES.has(code)) return `there is no instruction ${code}`;
    if ((code === (ALU | DIV) || code === (ALU | MOD)) && k === 0) return "nothing is divided by zero";
    if ((code === (ALU | LSH) || code === (ALU | RSH)) && k >= 32)
      return "a word is shifted by less than 32 bits";
    const usesMemory = kind === ST || kind === STX || code === (LD | MEM) || code === (LDX | MEM);
    if (usesMemory && k >= MEMORY_WORDS) return `there are ${MEMORY_WORDS} words of memory, no ${k}`;
    const furthest = code === (JMP | JA) ? k : kind === JMP ? Math.max(jt, jf) : -1;
    if (furthest >= left) return "a jump leads out of the program";
  }
  if (((program.at(-1) as BpfInstruction).code & 7) !== RET) return "the last instruction must be a return";
  return null;
}

/** A register whose value may not be known: then it is null. */
type Register = number | null;

/** Offsets from here on ask something else than the packet's bytes (`SKF_AD_OFF`, `SKF_NET_OFF`, `SKF_LL_OFF`). */
const SPECIAL = 0x80000000;
const NETWORK_HEADER = 0xfff00000;

/**
 * Runs a program that the kernel takes.
 *
 * @returns its result, unsigned; null where that depends on bytes that are not known
 */
export function runBpf(program: readonly BpfInstruction[], packet: KnownBytes): number | null {
  const memory: Register[] = new Array(MEMORY_WORDS).fill(0);
  let a: Register = 0;
  let x: Register = 0;
  for (let pc = 0; pc < program.length; pc++) {
    const { code, jt, jf, k } = program[pc] as BpfInstruction;
    const operand: Register = (code & OPERATES_ON_X) === 0 ? k : x;
    switch (code & 7) {
      case LD: {
        const mode = code & 0xe0;
        if (mode === IMM) a = k;
        else if (mode === MEM) a = memory[k] as Register;
        else if (mode === LEN) a = packet.bytes.length;
        else {
          if (mode === IND && x === null) return null;
          const loaded = load(
            packet,
            mode === IND ? (k + (x ?? 0)) >>> 0 : k,
            WIDTHS[(code >> 3) & 3] as number,
          );
          if (loaded === "outside") return 0;
          if (loaded === "special") return null;
          a = loaded;
        }
        break;
      }
      case LDX: {
        const mode = code & 0xe0;
        if (mode === IMM) x = k;
        else if (mode === MEM) x = memory[k] as Register;
        else if (mode === LEN) x = packet.bytes.length;
        else {
          const loaded = load(packet, k, 1);
          if (loaded === "outside") return 0;
          if (loaded === "special") return null;
          x = loaded === null ? null : (loaded & 15) * 4;
        }
        break;
      }
      case ST:
        memory[k] = a;
        break;
      case STX:
        memory[k] = x;
        break;
      case ALU: {
        const operation = code & 0xf0;
        if ((operation === DIV || operation === MOD) && operand === 0) return 0;
        a = calculated(operation, a, operand);
        break;
      }
      case JMP: {
        const operation = code & 0xf0;
        if (operation === JA) {
          pc += k;
          break;
        }
        if (a === null || operand === null) return null;
        pc += holds(operation, a, operand) ? jt : jf;
        break;
      }
      case RET:
        return (code & 0x18) === 0x10 ? a : k;
      default:
        if (code === MISC) x = a;
        else a = x;
    }
  }
  return 0;
}

const WIDTHS = [4, 2, 1];

function load({ bytes, known }: KnownBytes, offset: number, width: number): Register | "outside" | "special" {
  const at = offset >= NETWORK_HEADER ? offset - NETWORK_HEADER : offset;
  if (offset >= SPECIAL && (offset < NETWORK_HEADER || at >= 0xff000)) return "special";
  if (at + width > bytes.length) return "outside";
  let value = 0;
  for (let i = 0; i < width; i++) {
    if (known[at + i] !== 0xff) return null;
    value = value * 256 + (bytes[at + i] as number);
  }
  return value;
}

function calculated(operation: number, a: Register, operand: Register): Register {
  if (a === null || (operand === null && operation !== NEG)) return null;
  const b = operand ?? 0;
  switch (operation) {
    case ADD:
      return (a + b) >>> 0;
    case SUB:
      return (a - b) >>> 0;
    case MUL:
      return Math.imul(a, b) >>> 0;
    case DIV:
      return Math.floor(a / b);
    case MOD:
      return a % b;
    case OR:
      return (a | b) >>> 0;
    case AND:
      return (a & b) >>> 0;
    case LSH:
      return (a << b) >>> 0;
    case RSH:
      return a >>> b;
    case NEG:
      return -a >>> 0;
    default:
      return (a ^ b) >>> 0;
  }
}

function holds(operation: number, a: number, b: number): boolean {
  switch (operation) {
    case JEQ:
      return a === b;
    case JGT:
      return a > b;
    case JGE:
      return a >= b;
    default:
      return (a & b) !== 0;
  }
}
