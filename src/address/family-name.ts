import { type AddressFamily, IPV4, IPV6 } from "./family.ts";
import { type IpAddress, parseIp } from "./ip.ts";

/** The families as Kubernetes names them. */
export type FamilyName = AddressFamily<unknown>["name"];

/** A family by its name, for code that does not care which of the two it has. */
export function familyNamed(name: FamilyName): AddressFamily<IpAddress> {
  return (name === "IPv4" ? IPV4 : IPV6) as AddressFamily<IpAddress>;
}

/** The family in which an address or a prefix is written, whether or not it is a right one. */
export function familyOfText(text: string): FamilyName {
  return text.includes(":") ? "IPv6" : "IPv4";
}

/** The first of some texts that is an address of a family. */
export function firstOfFamily(texts: readonly string[], family: FamilyName): string | undefined {
  return texts.find((text) => familyOfText(text) === family && parseIp(text) !== undefined);
}
