/**
 * The undo journal of a Session. `mark()` opens a layer, `rollback(mark)` takes back everything written since in
 * O(changes), `commit(mark)` keeps it. While no layer is open nothing is recorded.
 *
 * Integer cells and closures share one ordered log, so that a table that was rebuilt and then written is undone in the
 * right order. This is code that runs per packet.
 */
export class Journal {
  private readonly stores: Cells[] = [];
  private log = new Int32Array(3 * 256);
  private top = 0;
  private readonly undos: (() => void)[] = [];
  private readonly marks: number[] = [];
  /** Is a layer open? */
  open = false;

  /** @internal */
  register(cells: Cells): number {
    this.stores.push(cells);
    return this.stores.length - 1;
  }

  /** Open a layer; returns its handle for `rollback` and `commit`. Layers nest and close in reverse order. */
  mark(): number {
    this.marks.push(this.top);
    this.open = true;
    return this.marks.length;
  }

  /** Take back everything written since the mark, and close it. */
  rollback(mark: number): void {
    this.expectInnermost(mark);
    const to = this.marks.pop() as number;
    const log = this.log;
    for (let at = this.top - 3; at >= to; at -= 3) {
      const store = log[at] as number;
      if (store < 0) (this.undos.pop() as () => void)();
      else (this.stores[store] as Cells).data[log[at + 1] as number] = log[at + 2] as number;
    }
    this.top = to;
    this.open = this.marks.length > 0;
  }

  /** Keep what was written since the mark, and close it. An outer layer can still take it back. */
  commit(mark: number): void {
    this.expectInnermost(mark);
    this.marks.pop();
    if (this.marks.length === 0) {
      this.top = 0;
      this.undos.length = 0;
      this.open = false;
    }
  }

  /** Write what was there before any layer was opened: state that is met for the first time. */
  unrecorded(action: () => void): void {
    const { open } = this;
    this.open = false;
    action();
    this.open = open;
  }

  /** Record how to take back a change that is no integer cell. */
  undo(action: () => void): void {
    if (!this.open) return;
    this.undos.push(action);
    this.record(-1, 0, 0);
  }

  /** @internal */
  record(store: number, index: number, old: number): void {
    if (this.top + 3 > this.log.length) {
      const larger = new Int32Array(this.log.length * 2);
      larger.set(this.log);
      this.log = larger;
    }
    this.log[this.top] = store;
    this.log[this.top + 1] = index;
    this.log[this.top + 2] = old;
    this.top += 3;
  }

  private expectInnermost(mark: number): void {
    if (mark !== this.marks.length)
      throw new Error(`journal layer ${mark} closed while ${this.marks.length} is the innermost`);
  }
}

/** An array of integers whose writes the journal can take back. Read `data` directly; write only through `set` and `rewritten`. */
export class Cells {
  data: Int32Array;
  private readonly id: number;
  private readonly journal: Journal;

  constructor(journal: Journal, size: number) {
    this.journal = journal;
    this.data = new Int32Array(size);
    this.id = journal.register(this);
  }

  set(index: number, value: number): void {
    if (this.journal.open) this.journal.record(this.id, index, this.data[index] as number);
    this.data[index] = value;
  }

  /** `data`, of which so many cells from `index` on are about to be written one by one. */
  rewritten(index: number, count: number): Int32Array {
    if (this.journal.open) {
      for (let i = index; i < index + count; i++) this.journal.record(this.id, i, this.data[i] as number);
    }
    return this.data;
  }

  /** Replace the whole array (a table rebuilt larger); taken back as one change. */
  replace(data: Int32Array): void {
    const old = this.data;
    this.journal.undo(() => {
      this.data = old;
    });
    this.data = data;
  }

  /** Grow to at least `size`, keeping what is there. Growing alone needs no undo. */
  grow(size: number): void {
    if (size <= this.data.length) return;
    const larger = new Int32Array(Math.max(size, this.data.length * 2));
    larger.set(this.data);
    this.data = larger;
  }
}
