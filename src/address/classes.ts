/**
 * The ten classes of IPv4 address: the five of RFC 791's classful addressing, and the five special ones everybody who
 * reads routes meets. Classes overlap; the most specific one says what an address is for.
 */

import type { Ipv4 } from "./ipv4.ts";
import { contains, type Prefix4, parsePrefix4 } from "./prefix.ts";

export type AddressClassId =
  | "A"
  | "B"
  | "C"
  | "D"
  | "E"
  | "unspecified"
  | "loopback"
  | "all-hosts"
  | "link-local"
  | "private";

export type ClassRange = {
  readonly prefix: Prefix4;
  /** Length of the mask an address of this range has when none is given; undefined where masks have no meaning. */
  readonly defaultMask: number | undefined;
};

export type AddressClass = {
  readonly id: AddressClassId;
  readonly name: string;
  readonly ranges: readonly ClassRange[];
  readonly meaning: string;
  readonly source: string;
};

export const ADDRESS_CLASSES: readonly AddressClass[] = [
  {
    id: "A",
    name: "class A",
    ranges: [range("0.0.0.0/1", 8)],
    meaning: "unicast, first bit 0: 8 bits of network, 24 of host",
    source: "RFC 791 section 3.2",
  },
  {
    id: "B",
    name: "class B",
    ranges: [range("128.0.0.0/2", 16)],
    meaning: "unicast, first bits 10: 16 bits of network, 16 of host",
    source: "RFC 791 section 3.2",
  },
  {
    id: "C",
    name: "class C",
    ranges: [range("192.0.0.0/3", 24)],
    meaning: "unicast, first bits 110: 24 bits of network, 8 of host",
    source: "RFC 791 section 3.2",
  },
  {
    id: "D",
    name: "class D",
    ranges: [range("224.0.0.0/4", undefined)],
    meaning: "multicast, first bits 1110: a group of hosts, never a source",
    source: "RFC 1112 section 4",
  },
  {
    id: "E",
    name: "class E",
    ranges: [range("240.0.0.0/4", undefined)],
    meaning: "reserved, first bits 1111; its last address, 255.255.255.255, is the limited broadcast",
    source: "RFC 1112 section 4, RFC 919 section 7",
  },
  {
    id: "unspecified",
    name: "0.0.0.0",
    ranges: [range("0.0.0.0/32", undefined)],
    meaning:
      "this host on this network: a source before an address is known; as a listener, every local address",
    source: "RFC 1122 section 3.2.1.3",
  },
  {
    id: "loopback",
    name: "loopback",
    ranges: [range("127.0.0.0/8", 8)],
    meaning: "the host itself: never seen on a wire",
    source: "RFC 1122 section 3.2.1.3",
  },
  {
    id: "all-hosts",
    name: "all hosts",
    ranges: [range("224.0.0.1/32", undefined)],
    meaning: "the multicast group of every host on the link: never forwarded",
    source: "RFC 1112 section 4",
  },
  {
    id: "link-local",
    name: "link local",
    ranges: [range("169.254.0.0/16", 16)],
    meaning:
      "valid on one link only: never forwarded; chosen without a server, or used for a node's own services",
    source: "RFC 3927",
  },
  {
    id: "private",
    name: "private",
    ranges: [range("10.0.0.0/8", 8), range("172.16.0.0/12", 12), range("192.168.0.0/16", 16)],
    meaning: "free for use inside an organisation: not routed on the Internet, so translated on the way out",
    source: "RFC 1918 section 3",
  },
];

/** Every class the address falls in, the most specific first. There is always one: A to E leave no gap. */
export function classesOf(address: Ipv4): readonly AddressClass[] {
  return ADDRESS_CLASSES.flatMap((addressClass) => {
    const range = addressClass.ranges.find(({ prefix }) => contains(prefix, address));
    return range === undefined ? [] : [{ addressClass, length: range.prefix.length }];
  })
    .sort((a, b) => b.length - a.length)
    .map(({ addressClass }) => addressClass);
}

/** The mask length an address has when none is given: that of its most specific range, undefined for D, E and 0.0.0.0. */
export function defaultMaskOf(address: Ipv4): number | undefined {
  const [addressClass] = classesOf(address);
  return addressClass?.ranges.find(({ prefix }) => contains(prefix, address))?.defaultMask;
}

function range(text: string, defaultMask: number | undefined): ClassRange {
  const prefix = parsePrefix4(text);
  if (prefix === undefined) throw new Error(`the table of classes holds a bad range: ${text}`);
  return { prefix, defaultMask };
}
