import { Cells, type Journal } from "../session/journal.ts";

const STRIDE = 15;
const PACKETS = 0;
const BYTES = 2;
const LABELS = 4;
const POLICY = 8;
const FLOWTABLE = 9;
const FLOW_IN = 10;
const FLOW_USED = 12;
const SENT_TO = 13;
/** 128 bits of them. */
export const LABEL_WORDS = 4;

/**
 * What only some rules ask of a connection (net/netfilter/nf_conntrack_extend.c): packets and bytes by direction, 128 labels, the
 * number of its times (`policyOf`), the flow table that carries it with the devices its directions come in by; of TCP how far each
 * direction has sent. Grown as entries are counted or labelled; of the others there is nothing. By an entry's number; runs per packet.
 */
export class ConntrackExtensions {
  private readonly cells: Cells;

  constructor(journal: Journal) {
    this.cells = new Cells(journal, 0);
  }

  /** The entry is made anew. */
  clear(ct: number): void {
    const { cells } = this;
    const at = ct * STRIDE;
    if (at >= cells.data.length) return;
    for (let i = 0; i < STRIDE; i++) cells.set(at + i, 0);
  }

  /** `nf_ct_acct_update`: a packet of one direction, its length in bytes. Counts stay below 2³¹. */
  account(ct: number, direction: number, length: number): void {
    const at = this.placeOf(ct) + direction;
    const { cells } = this;
    cells.set(at + PACKETS, (cells.data[at + PACKETS] as number) + 1);
    cells.set(at + BYTES, Math.min(0x7fffffff, (cells.data[at + BYTES] as number) + length));
  }

  packets(ct: number, direction: 0 | 1): number {
    return this.cells.data[ct * STRIDE + PACKETS + direction] ?? 0;
  }

  bytes(ct: number, direction: 0 | 1): number {
    return this.cells.data[ct * STRIDE + BYTES + direction] ?? 0;
  }

  /** Word of the labels, which hold label n in word n / 32. */
  labels(ct: number, word: number): number {
    return this.cells.data[ct * STRIDE + LABELS + word] ?? 0;
  }

  /** @param label 0 … 127 */
  hasLabel(ct: number, label: number): boolean {
    return (this.labels(ct, label >> 5) & (1 << (label & 31))) !== 0;
  }

  setLabel(ct: number, label: number): void {
    const at = this.placeOf(ct) + LABELS + (label >> 5);
    this.cells.set(at, (this.cells.data[at] as number) | (1 << (label & 31)));
  }

  /** All labels of a word. */
  setLabels(ct: number, word: number, bits: number): void {
    this.cells.set(this.placeOf(ct) + LABELS + word, bits);
  }

  /** The number of the times it keeps to, where its status says that it has such (`IPS_TIMEOUT_POLICY`). */
  policy(ct: number): number {
    return this.cells.data[ct * STRIDE + POLICY] ?? 0;
  }

  /** Its status is the caller's to set. */
  setPolicy(ct: number, policy: number): void {
    this.cells.set(this.placeOf(ct) + POLICY, policy);
  }

  /** How far a direction of TCP has sent, as `tcp_in_window` keeps it; 0: nothing is known. */
  sentTo(ct: number, direction: number): number {
    return this.cells.data[ct * STRIDE + SENT_TO + direction] ?? 0;
  }

  setSentTo(ct: number, direction: number, sent: number): void {
    if (this.sentTo(ct, direction) !== sent) this.cells.set(this.placeOf(ct) + SENT_TO + direction, sent);
  }

  /** The number of the flow table that carries its packets (`flowtableNumber`), 0 none. */
  flowtable(ct: number): number {
    return this.cells.data[ct * STRIDE + FLOWTABLE] ?? 0;
  }

  /** The device (ifindex) that packets of a direction must come in by for that. */
  flowIn(ct: number, direction: 0 | 1): number {
    return this.cells.data[ct * STRIDE + FLOW_IN + direction] ?? 0;
  }

  /** @param now virtual milliseconds: it was used then */
  setFlow(ct: number, flowtable: number, originalIn: number, replyIn: number, now: number): void {
    const at = this.placeOf(ct);
    this.cells.set(at + FLOWTABLE, flowtable);
    this.cells.set(at + FLOW_IN, originalIn);
    this.cells.set(at + FLOW_IN + 1, replyIn);
    this.cells.set(at + FLOW_USED, now);
  }

  /** When the flow table last carried a packet of it, milliseconds. */
  flowUsed(ct: number): number {
    return this.cells.data[ct * STRIDE + FLOW_USED] ?? 0;
  }

  useFlow(ct: number, now: number): void {
    this.cells.set(this.placeOf(ct) + FLOW_USED, now);
  }

  private placeOf(ct: number): number {
    this.cells.grow((ct + 1) * STRIDE);
    return ct * STRIDE;
  }
}
