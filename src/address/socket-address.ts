/** Addresses with ports as text: `10.0.0.1:80`, `[fd00::1]:80`. */

export function socketAddressText(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The inverse; a text without a port, such as a bare address of IPv6, is an address alone. */
export function splitSocketAddress(text: string): { readonly address: string; readonly port: number | null } {
  const [, bracketed, bare, port] = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(text) ?? [];
  const address = bracketed ?? bare;
  return address === undefined ? { address: text, port: null } : { address, port: Number(port) };
}
