import { cpus, release, type } from "node:os";
import process from "node:process";

/** What is measured on: the processor, its cores, Node and the kernel. */
export function machine(): string {
  const cores = cpus();
  const model = cores[0]?.model.trim() ?? process.arch;
  return `${model}, ${cores.length} cores · Node ${process.versions.node} · ${type()} ${release()}`;
}

export function print(text = ""): void {
  process.stdout.write(`${text}\n`);
}

/** Rows under their headings; the first column to the left, numbers to the right. */
export class Table {
  private readonly rows: string[][] = [];

  constructor(...headings: string[]) {
    this.rows.push(headings);
  }

  row(...cells: string[]): void {
    this.rows.push(cells);
  }

  print(): void {
    const widths = (this.rows[0] as string[]).map((_, column) =>
      Math.max(...this.rows.map((row) => row[column]?.length ?? 0)),
    );
    for (const row of this.rows) {
      const cells = row.map((cell, column) => {
        const width = widths[column] as number;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      });
      print(`  ${cells.join("  ")}`.trimEnd());
    }
  }
}

/** The line a benchmark is for: our figure over (or under) that of something run beside it. */
export function ratio(name: string, value: number | null, goal: string, what: string): void {
  const figure = value === null ? "not measured" : times(value);
  print(`RATIO ${name}  ${figure}  (${goal})  ${what}`);
}

export function times(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}×`;
}

export function micro(nanoseconds: number): string {
  return `${(nanoseconds / 1000).toFixed(2)} µs`;
}

export function nano(nanoseconds: number): string {
  return `${nanoseconds.toFixed(2)} ns`;
}

export function milli(milliseconds: number): string {
  return `${grouped(milliseconds)} ms`;
}

/** Thousands apart. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Packets a second, from the nanoseconds of one. */
export function rate(nanoseconds: number): string {
  return `${grouped(1e9 / nanoseconds)}/s`;
}

export const NOTHING = "–";
