import { Cells, type Journal } from "../session/journal.ts";

/** Words of a connection's labels (`NF_CT_LABELS_MAX_SIZE`: 128 bits). */
export const LABEL_WORDS = 4;
const STRIDE = LABEL_WORDS + 4;

/**
 * What few connections have (`nf_ct_ext_add`): labels, and how many packets and bytes went either way. Of an entry nobody wrote
 * anything for, all of it is zero. Runs per packet.
 */
export class ConnectionExtensions {
  private readonly cells: Cells;

  constructor(journal: Journal) {
    this.cells = new Cells(journal, 0);
  }

  /** An entry's number is given to a new connection. */
  begin(ct: number): void {
    const { cells } = this;
    const at = ct * STRIDE;
    if (at >= cells.data.length) return;
    for (let i = 0; i < STRIDE; i++) if (cells.data[at + i] !== 0) cells.set(at + i, 0);
  }

  /** Word of the labels, which hold bit n in word n / 32. */
  label(ct: number, word: number): number {
    return this.cells.data[ct * STRIDE + word] ?? 0;
  }

  /** `nf_connlabels_replace` as nft uses it: bits are only ever set. */
  addLabels(ct: number, word: number, bits: number): void {
    const at = ct * STRIDE + word;
    this.cells.grow((ct + 1) * STRIDE);
    this.cells.set(at, (this.cells.data[at] as number) | bits);
  }

  /** `nf_ct_refresh_acct`. */
  count(ct: number, direction: number, bytes: number): void {
    const at = ct * STRIDE + LABEL_WORDS + direction * 2;
    this.cells.grow((ct + 1) * STRIDE);
    this.cells.set(at, (this.cells.data[at] as number) + 1);
    this.cells.set(at + 1, (this.cells.data[at + 1] as number) + bytes);
  }

  packets(ct: number, direction: number): number {
    return this.cells.data[ct * STRIDE + LABEL_WORDS + direction * 2] ?? 0;
  }

  bytes(ct: number, direction: number): number {
    return this.cells.data[ct * STRIDE + LABEL_WORDS + direction * 2 + 1] ?? 0;
  }
}
