import { sha512 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/** Names that the plugins make from a network's name and a container's id, so that DEL finds what ADD made. */

/** The longest name of a chain that iptables takes (`XT_EXTENSION_MAXNAMELEN` without its final zero). */
const MAX_CHAIN_LENGTH = 28;

export function hashText(text: string): string {
  return bytesToHex(sha512(utf8ToBytes(text)));
}

/** `CNI-` or another prefix, then as much of the hash as a chain's name has room for. */
export function chainName(prefix: string, network: string, containerId: string): string {
  return (prefix + hashText(network + containerId)).slice(0, MAX_CHAIN_LENGTH);
}

/** The comment that names a rule's owner. */
export function ownerComment(network: string, containerId: string): string {
  return `name: ${goQuote(network)} id: ${goQuote(containerId)}`;
}

/** As Go's `%q` prints a text. */
export function goQuote(text: string): string {
  return JSON.stringify(text);
}
