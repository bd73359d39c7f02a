import * as STEP from "./destination-code.ts";

/** A place in the code, known once that is written. */
export class Label {
  place = -1;
  /** Steps lead here, or may yet. */
  used = false;
}

/** Writes the code of a narrowed table, step by step (`destination-code.ts`). */
export class StepWriter {
  private readonly words: number[] = [];
  private readonly named: { readonly at: number; readonly label: Label }[] = [];
  /** Rules evaluated that no step has counted yet. */
  uncounted = 0;

  get length(): number {
    return this.words.length;
  }

  step(kind: number, ...operands: number[]): void {
    this.words.push(kind | (this.uncounted << STEP.KIND_BITS), ...operands);
    this.uncounted = 0;
  }

  /** Take back all steps from a place on, which nothing leads behind; what the first of them counted is uncounted again. */
  takeBack(to: number): void {
    this.uncounted += (this.words[to] as number) >>> STEP.KIND_BITS;
    this.words.length = to;
    while (this.named.length > 0 && (this.named.at(-1)?.at ?? 0) >= to) this.named.pop();
  }

  /** An operand that is a place. */
  place(label: Label): void {
    this.named.push({ at: this.words.push(-1) - 1, label });
    label.used = true;
  }

  /** A label's place is here. Who comes here from elsewhere has been counted for already. */
  mark(label: Label): void {
    if (label.used && this.uncounted > 0) this.step(STEP.S_PASS);
    label.place = this.words.length;
  }

  /** All that was written, every place known. */
  code(): Int32Array {
    for (const { at, label } of this.named) this.words[at] = label.place;
    return Int32Array.from(this.words);
  }
}
