import type { Packet } from "../../../packet/packet.ts";
import { knownBytes } from "../../../packet/wire/known-bytes.ts";
import { type BpfInstruction, faultOfProgram, runBpf } from "../bpf-program.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { quoteString } from "../save/quote.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";

/** A program of the classic packet filter, over the packet from its IP header on (net/netfilter/xt_bpf.c). */
export interface BpfMatch extends Match {
  readonly kind: "bpf";
  /** null: the program is pinned at `path`. */
  readonly program: readonly BpfInstruction[] | null;
  readonly path: string;
}

export const bpf: MatchModule<BpfMatch> = {
  kind: "bpf",
  needsConntrack: false,

  parse(reader) {
    let match: BpfMatch | null = null;
    const take = (read: () => BpfMatch) => () => {
      if (match !== null) reader.fail("--bytecode and --object-pinned exclude each other");
      match = read();
    };
    reader.options({
      "--bytecode": take(() => ({
        kind: "bpf",
        program: readProgram(reader, reader.word("a program")),
        path: "",
      })),
      "--object-pinned": take(() => ({ kind: "bpf", program: null, path: reader.word("a path") })),
    });
    if (match === null) reader.fail("it needs --bytecode or --object-pinned");
    return match ?? { kind: "bpf", program: [], path: "" };
  },

  format: ({ program, path }) =>
    program === null
      ? `--object-pinned ${path}`
      : `--bytecode ${quoteString([program.length, ...program.map(({ code, jt, jf, k }) => `${code} ${jt} ${jf} ${k}`)].join(","))}`,

  /** A pinned program stands on the machine alone. */
  compile: (match) => (match.program === null ? null : new BpfTest(match, match.program)),
};

/** `4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0`: how many there are, then each one's code, jumps and constant. */
function readProgram(reader: ArgumentReader, text: string): BpfInstruction[] {
  const [length, ...lines] = text.replace(/,$/, "").split(",");
  const program = lines.map((line): BpfInstruction => {
    const numbers = line.trim().split(/\s+/).map(Number);
    const [code = -1, jt = -1, jf = -1, k = -1] = numbers;
    const fits = [code <= 0xffff, jt <= 0xff, jf <= 0xff, k <= 0xffffffff].every(Boolean);
    if (numbers.length !== 4 || !fits || numbers.some((n) => !Number.isInteger(n) || n < 0))
      reader.failValue(`${JSON.stringify(line)} is no instruction such as 6 0 0 1`);
    return { code, jt, jf, k };
  });
  if (Number(length) !== program.length)
    reader.failValue(`${length} instructions are announced and ${program.length} are there`);
  const fault = faultOfProgram(program);
  if (fault !== null) reader.failValue(fault);
  return program;
}

class BpfTest extends UnsureTest implements MatchTest {
  private readonly program: readonly BpfInstruction[];

  constructor(match: BpfMatch, program: readonly BpfInstruction[]) {
    super(match);
    this.program = program;
  }

  test(packet: Packet, context: RuleContext): boolean {
    const result = runBpf(this.program, knownBytes(packet));
    return result === null ? this.ask(packet, context) : result !== 0;
  }
}
