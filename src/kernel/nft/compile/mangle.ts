import { IPPROTO_TCP, IPPROTO_UDP } from "../../../packet/packet.ts";
import { CT_NONE } from "../../conntrack/status.ts";
import type { NftStatement } from "../statement.ts";
import { compileLoad } from "./load.ts";
import type { NftRun } from "./nft-run.ts";
import type { Step } from "./step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";

type Write = (run: NftRun, value: number) => boolean;

const META: Readonly<Record<string, Write>> = {
  mark: ({ packet }, value) => {
    packet.mark = value;
    return true;
  },
  pkttype: ({ packet }, value) => {
    packet.pktType = value;
    return true;
  },
  // What nothing here reads.
  nftrace: () => true,
  priority: () => true,
};

const CT: Readonly<Record<string, Write>> = {
  mark: ({ packet, stack }, value) => {
    if (packet.ct !== CT_NONE && packet.ct >= 0) stack.conntrack.setMark(packet.ct, value);
    return true;
  },
  event: () => true,
};

const hasPorts = (protocol: number): boolean => protocol === IPPROTO_TCP || protocol === IPPROTO_UDP;

const PAYLOAD: Readonly<Record<string, Write>> = {
  "ip ttl": ({ packet }, value) => {
    packet.ttl = value & 0xff;
    return true;
  },
  "ip dscp": ({ packet }, value) => {
    packet.tos = (packet.tos & 3) | ((value & 0x3f) << 2);
    return true;
  },
  "ip ecn": ({ packet }, value) => {
    packet.tos = (packet.tos & 0xfc) | (value & 3);
    return true;
  },
  "ip saddr": ({ packet }, value) => {
    packet.src = value;
    return true;
  },
  "ip daddr": ({ packet }, value) => {
    packet.dst = value;
    return true;
  },
  "ether saddr": ({ packet }, value) => {
    packet.ethSrc = value;
    return true;
  },
  "ether daddr": ({ packet }, value) => {
    packet.ethDst = value;
    return true;
  },
  "tcp sport": setSource(IPPROTO_TCP),
  "tcp dport": setDestination(IPPROTO_TCP),
  "udp sport": setSource(IPPROTO_UDP),
  "udp dport": setDestination(IPPROTO_UDP),
  "th sport": setSource(0),
  "th dport": setDestination(0),
};

function setSource(protocol: number): Write {
  return ({ packet }, value) => {
    if (
      packet.fragOffset !== 0 ||
      (protocol === 0 ? !hasPorts(packet.protocol) : packet.protocol !== protocol)
    )
      return false;
    packet.sport = value;
    return true;
  };
}

function setDestination(protocol: number): Write {
  return ({ packet }, value) => {
    if (
      packet.fragOffset !== 0 ||
      (protocol === 0 ? !hasPorts(packet.protocol) : packet.protocol !== protocol)
    )
      return false;
    packet.dport = value;
    return true;
  };
}

/** `meta mark set`, `ct mark set`, `ip dscp set`, …; null: the walk does not know what is set. */
export function compileMangle({ key, value }: Extract<NftStatement, { kind: "mangle" }>): Step | null {
  const from = compileLoad(value);
  let write: Write | undefined;
  if (key.kind === "meta") write = own(META, key.key);
  else if (key.kind === "ct" && key.direction === null) write = own(CT, key.key);
  else if (key.kind === "payload") write = own(PAYLOAD, `${key.protocol} ${key.field}`);
  if (from === null || write === undefined || from.words > 2) return null;
  const set = write;
  return (run) => (from.load(run, 0) && set(run, run.regs[0] as number) ? NFT_CONTINUE : NFT_BREAK);
}

function own(table: Readonly<Record<string, Write>>, key: string): Write | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
