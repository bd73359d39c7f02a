import { NameIds } from "../name-ids.ts";

const interfaces = new NameIds();

/** The name of an interface as a number, so that a rule's `-i` compares two integers. */
export function internInterfaceName(name: string): number {
  return interfaces.of(name);
}

/** @param id as `internInterfaceName` gave it */
export function interfaceName(id: number): string {
  return interfaces.name(id);
}
