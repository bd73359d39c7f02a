import { type OvsField, ovsField } from "./field.ts";
import { type Masked, type PortNumbers, parseMasked } from "./field-value.ts";
import type { OvsKey } from "./packet-field.ts";
import { splitList } from "./split-list.ts";

/** What a flow looks for, compiled: all of it must be so. */
export interface OvsMatch {
  readonly tests: readonly OvsTest[];
  /** Parts that are not modelled, as they are written; with any, nobody knows whether it matches. */
  readonly unknown: readonly string[];
}

interface OvsTest extends Masked {
  readonly field: OvsField;
}

const ETHERTYPE = must("eth_type");
const PROTOCOL = must("nw_proto");
const IP = 0x0800;
const ARP = 0x0806;
const IP6 = 0x86dd;

/** Words that stand for an EtherType and a protocol. */
const PROTOCOLS: Readonly<Record<string, readonly [number, number?]>> = {
  ip: [IP],
  icmp: [IP, 1],
  tcp: [IP, 6],
  udp: [IP, 17],
  sctp: [IP, 132],
  arp: [ARP],
  rarp: [0x8035],
  ipv6: [IP6],
  icmp6: [IP6, 58],
  icmpv6: [IP6, 58],
  tcp6: [IP6, 6],
  udp6: [IP6, 17],
  sctp6: [IP6, 132],
  mpls: [0x8847],
  mplsm: [0x8848],
};

export function compileMatch(text: string, ports: PortNumbers): OvsMatch {
  const first: OvsTest[] = [];
  const tests: OvsTest[] = [];
  const unknown: string[] = [];
  const exact = (field: OvsField, value: number): OvsTest => {
    const read = parseMasked(String(value), field, ports);
    if (read === undefined) throw new Error(`${field.name} has no value ${value}`);
    return { field, ...read };
  };
  for (const part of splitList(text)) {
    const known = PROTOCOLS[part];
    if (known !== undefined) {
      first.push(exact(ETHERTYPE, known[0]));
      if (known[1] !== undefined) first.push(exact(PROTOCOL, known[1]));
      continue;
    }
    // A frame has an Ethernet header here, always.
    if (part === "eth" || /^packet_type=\(0,0(?:x0)?\)$/.test(part)) continue;
    const at = part.indexOf("=");
    const field = at < 0 ? undefined : ovsField(part.slice(0, at));
    const value = part.slice(at + 1);
    const read = field === undefined ? undefined : readTest(field, value, ports);
    if (field === undefined || read === undefined) unknown.push(part);
    else (field === ETHERTYPE || field === PROTOCOL ? first : tests).push({ field, ...read });
  }
  return { tests: [...first, ...tests], unknown };
}

function readTest(field: OvsField, value: string, ports: PortNumbers): Masked | undefined {
  // "No VLAN" is a number that no tag has.
  if (field.name === "dl_vlan" && /^(?:65535|0xffff)$/i.test(value))
    return { value: Int32Array.of(0xffff), mask: Int32Array.of(0xffff) };
  const read = parseMasked(value, field, ports);
  // `icmp_type=8` says that the packet is ICMP, which the word `icmp` beside it has said.
  return read;
}

/** Runs per packet and flow. */
export function matches({ tests }: OvsMatch, key: OvsKey): boolean {
  for (let t = 0; t < tests.length; t++) {
    const { field, value, mask } = tests[t] as OvsTest;
    for (let i = 0; i < mask.length; i++) {
      if (((key.word(field, i) ^ (value[i] as number)) & (mask[i] as number)) !== 0) return false;
    }
  }
  return true;
}

function must(name: string): OvsField {
  const field = ovsField(name);
  if (field === undefined) throw new Error(`no field ${name}`);
  return field;
}
