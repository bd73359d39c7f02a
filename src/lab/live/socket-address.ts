import { formatIp, type IpAddress } from "../../address/ip.ts";
import { socketAddressText } from "../../address/socket-address.ts";
import { AF_INET, AF_INET6, type MessageHeader } from "./libc.ts";

/** `struct sockaddr_in` (ip(7)): family in the machine's order, port and address in the network's. */
const SOCKADDR_IN = 16;
/** `struct sockaddr_in6` (ipv6(7)), in which either has room. */
export const SOCKADDR = 28;

export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
  /** ifindex of the link that an address is of, 0 where it is good on all. */
  readonly scope?: number;
}

/** Where an address and what is behind it begins. */
const ADDRESS4 = 4;
const ADDRESS6 = 8;
const SCOPE6 = 24;

export function socketAddress({ address, port, scope = 0 }: Endpoint): Uint8Array {
  const isOf4 = typeof address === "number";
  const bytes = new Uint8Array(isOf4 ? SOCKADDR_IN : SOCKADDR);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isOf4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  if (isOf4) view.setInt32(ADDRESS4, address);
  else {
    bytes.set(bytesOfIp6(address), ADDRESS6);
    view.setUint32(SCOPE6, scope, true);
  }
  return bytes;
}

/** A socket of both families shows one of IPv4 as `::ffff:a.b.c.d` (RFC 4291 2.5.5.2): it is told as what it is. */
export function endpointOf(bytes: Uint8Array): Endpoint {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const port = view.getUint16(2);
  if (view.getUint16(0, true) === AF_INET) return { port, address: view.getInt32(ADDRESS4) };
  return { port, address: ipOf(bytes.subarray(ADDRESS6)), scope: view.getUint32(SCOPE6, true) };
}

/** How much of a `sockaddr` its family takes. */
export function lengthOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, true) === AF_INET ? SOCKADDR_IN : SOCKADDR;
}

/** An address of sixteen bytes; a mapped one is that of IPv4. */
export function ipOf(bytes: Uint8Array): IpAddress {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [a = 0, b = 0, c = 0, d = 0] = [0, 4, 8, 12].map((at) => view.getUint32(at));
  return a === 0 && b === 0 && c === 0xffff ? d | 0 : [a, b, c, d];
}

export function bytesOfIp6(address: IpAddress): Uint8Array {
  const words = typeof address === "number" ? [0, 0, 0xffff, address] : address;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setInt32(4 * i, word | 0);
  return bytes;
}

export function endpointText({ address, port }: Endpoint): string {
  return socketAddressText(formatIp(address), port);
}

/** An `int` or `socklen_t` as the C library takes it by address. */
export function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

export function int32Of(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);
}

/** `struct msghdr` with one piece of data (recvmsg(2)). */
export function message(name: Uint8Array, bytes: Uint8Array, control: Uint8Array): MessageHeader {
  return {
    msg_name: name,
    msg_namelen: name.length,
    msg_iov: [{ iov_base: bytes, iov_len: bytes.length }],
    msg_iovlen: 1,
    msg_control: control,
    msg_controllen: control.length,
    msg_flags: 0,
  };
}
