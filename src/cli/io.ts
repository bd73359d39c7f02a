import process from "node:process";
import { isatty } from "node:tty";

/** Everything a command touches outside: handed in, so that a test can run a command without a process. */
export interface Io {
  write(text: string): void;
  writeBytes(bytes: Uint8Array): void;
  /** To stderr: progress and errors. */
  warn(text: string): void;
  readStdin(): Promise<Buffer>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Columns of the terminal that stdout is, null when it is none. */
  readonly columns: number | null;
  readonly warnsOnTerminal: boolean;
  readonly stdinIsTerminal: boolean;
}

export const PROCESS_IO: Io = {
  write: (text) => void process.stdout.write(text),
  writeBytes: (bytes) => void process.stdout.write(bytes),
  warn: (text) => void process.stderr.write(text),
  async readStdin() {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  },
  env: process.env,
  columns: isatty(1) ? (process.stdout.columns ?? null) : null,
  warnsOnTerminal: isatty(2),
  stdinIsTerminal: isatty(0),
};
