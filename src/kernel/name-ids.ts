/**
 * Names as small integers, counted from 0 as they are first seen: comparing two is comparing numbers, and an array may have a place for
 * each. One table of a kind for the whole process, so that compiled rules are shared by hosts; ids never leave the process.
 */
export class NameIds {
  private readonly ids = new Map<string, number>();
  private readonly names: string[] = [];

  /** The id of a name, made on first sight. */
  of(name: string): number {
    let id = this.ids.get(name);
    if (id === undefined) {
      id = this.names.length;
      this.names.push(name);
      this.ids.set(name, id);
    }
    return id;
  }

  /** @throws RangeError for an id that `of` never gave */
  name(id: number): string {
    const name = this.names[id];
    if (name === undefined) throw new RangeError(`no name has id ${id}`);
    return name;
  }
}
