/**
 * Interface names as small integers, one table for the process, so that a rule's `-i` compares two integers and compiled
 * rules can be shared by hosts. Ids never leave the process.
 */
const ids = new Map<string, number>();
const names: string[] = [];

/** The id of a name, made on first sight. */
export function internInterfaceName(name: string): number {
  let id = ids.get(name);
  if (id === undefined) {
    id = names.length;
    names.push(name);
    ids.set(name, id);
  }
  return id;
}

export function interfaceName(id: number): string {
  const name = names[id];
  if (name === undefined) throw new RangeError(`no interface name has id ${id}`);
  return name;
}
