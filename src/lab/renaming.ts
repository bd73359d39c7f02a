/**
 * A renaming of ports that the kernel chose freely: which number ours stands for in the recording. It must be consistent,
 * and two of ours never stand for one (VXLAN's source ports excepted, which are hashes and may meet).
 */
export class Renaming {
  private readonly forward: Map<number, number>;
  private readonly backward: Map<number, number>;
  private readonly free: ReadonlySet<number>;
  private readonly hashes: ReadonlySet<number>;

  /**
   * @param free our ports that were free choice
   * @param hashes our VXLAN source ports
   */
  constructor(
    free: ReadonlySet<number>,
    hashes: ReadonlySet<number>,
    forward: ReadonlyMap<number, number> = new Map(),
    backward: ReadonlyMap<number, number> = new Map(),
  ) {
    this.free = free;
    this.hashes = hashes;
    this.forward = new Map(forward);
    this.backward = new Map(backward);
  }

  /** May our port stand for the recorded one? Remembers it when it may. */
  accepts(ours: number, recorded: number): boolean {
    if (this.hashes.has(ours)) {
      const known = this.forward.get(ours);
      if (known !== undefined) return known === recorded;
      this.forward.set(ours, recorded);
      return true;
    }
    if (!this.free.has(ours)) return ours === recorded;
    const known = this.forward.get(ours);
    if (known !== undefined) return known === recorded;
    if (this.backward.has(recorded)) return false;
    this.forward.set(ours, recorded);
    this.backward.set(recorded, ours);
    return true;
  }

  /** A copy to try something with. */
  fork(): Renaming {
    return new Renaming(this.free, this.hashes, this.forward, this.backward);
  }

  /** Take over what a copy learned. */
  adopt(copy: Renaming): void {
    for (const [ours, recorded] of copy.forward) this.forward.set(ours, recorded);
    for (const [recorded, ours] of copy.backward) this.backward.set(recorded, ours);
  }

  /** The same knowledge for a later probe, whose free ports are more, beside hashes of earlier ones that are still tracked. */
  with(free: ReadonlySet<number>, hashes: ReadonlySet<number>): Renaming {
    return new Renaming(free, new Set([...this.hashes, ...hashes]), this.forward, this.backward);
  }
}
