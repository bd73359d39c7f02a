import { formatIpv4, type Ipv4 } from "../../address/ipv4.ts";
import { AF_INET, type MessageHeader } from "./libc.ts";

/** `struct sockaddr_in` (ip(7)): family in the machine's order, port and address in the network's. */
export const SOCKADDR_IN = 16;

export interface Endpoint {
  readonly address: Ipv4;
  readonly port: number;
}

export function socketAddress({ address, port }: Endpoint): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_IN);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  view.setInt32(4, address);
  return bytes;
}

export function endpointOf(bytes: Uint8Array): Endpoint {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { port: view.getUint16(2), address: view.getInt32(4) };
}

export function endpointText({ address, port }: Endpoint): string {
  return `${formatIpv4(address)}:${port}`;
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
