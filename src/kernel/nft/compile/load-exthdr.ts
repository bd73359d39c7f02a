import type { Packet } from "../../../packet/packet.ts";
import type { Read } from "./read.ts";

/**
 * IPv6's extension headers (`nft_exthdr_ipv6_eval`). Packets have none here but a fragment's. An expression of them is kept in
 * nft's words: `frag id`, `hbh nexthdr`, `exthdr frag`.
 */

const HEADERS: ReadonlySet<string> = new Set(["hbh", "rt", "rt0", "rt2", "rt4", "frag", "dst", "mh", "srh"]);

const FRAGMENT: Readonly<Record<string, (packet: Packet) => number>> = {
  nexthdr: (packet) => packet.protocol,
  reserved: () => 0,
  "frag-off": (packet) => packet.fragOffset >> 3,
  reserved2: () => 0,
  "more-fragments": (packet) => (packet.mf ? 1 : 0),
  id: (packet) => packet.id,
};

/** null: the words are not of an extension header, or of a field nobody knows. */
export function compileExthdr(text: string): Read | null {
  const [head = "", field = ""] = text.split(" ");
  if (head === "exthdr" && HEADERS.has(field)) {
    return (run, at) => {
      if (run.packet.family !== 6) return false;
      run.regs[at] = field === "frag" && run.packet.isFragment ? 1 : 0;
      return true;
    };
  }
  if (!HEADERS.has(head)) return null;
  if (head !== "frag") return () => false;
  const read = Object.hasOwn(FRAGMENT, field) ? FRAGMENT[field] : undefined;
  if (read === undefined) return null;
  return (run, at) => {
    const { packet } = run;
    if (packet.family !== 6 || !packet.isFragment) return false;
    run.regs[at] = read(packet);
    return true;
  };
}
