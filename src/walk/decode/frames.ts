import { formatIpv4 } from "../../address/ipv4.ts";
import { formatMac } from "../../address/mac.ts";
import {
  S_DST,
  S_ETH_DST,
  S_ETH_SRC,
  S_INFO,
  S_INFO2,
  S_L4,
  S_NUMBER,
  S_SRC,
} from "../../kernel/snapshot-words.ts";
import { packetView } from "../packet-view.ts";
import {
  type ArpFrame,
  DIRECTIONS,
  type Direction,
  type Frame,
  type NdpFrame,
  type Phase,
} from "../trace.ts";
import { isDiscovery, type Reading, type TapeRecord } from "./reading.ts";

/** A frame on a device, and where its snapshot lies on the tape. */
export interface Sighting {
  readonly snapshot: number;
  readonly host: string;
  readonly device: string;
  readonly direction: Direction;
  /** 0: ARP. */
  readonly packet: number;
  readonly phase: Phase;
  /** Virtual milliseconds since the query began. */
  readonly at: number;
}

/** What was seen on devices. */
export class Frames {
  readonly frames: Frame[] = [];
  readonly arp: ArpFrame[] = [];
  readonly ndp: NdpFrame[] = [];
  readonly sightings: Sighting[] = [];
  private readonly reading: Reading;

  constructor(reading: Reading) {
    this.reading = reading;
  }

  /** `OP_FRAME`: a packet's, or one of neighbour discovery. */
  frame(record: TapeRecord): void {
    const { reading } = this;
    const { d, at, host } = record;
    const snapshot = d[at + 5] as number;
    const raw = d[snapshot + S_NUMBER] as number;
    const view = packetView(d, snapshot);
    const place = this.sight(record);
    if (isDiscovery(raw)) {
      const { eth, ip, nd = { type: 0 } } = view;
      const { packet } = reading.packet(raw);
      this.ndp.push({ packet, ...place, ...(eth === undefined ? {} : { eth }), ip, nd });
      return;
    }
    this.frames.push({ ...reading.packet(raw), ...place, ...view });
    const { device, direction } = place;
    reading.step(raw, host, "frame", direction, { device, packetView: view });
  }

  /** `OP_ARP`. */
  arpFrame(record: TapeRecord): void {
    const { d, at } = record;
    const s = d[at + 5] as number;
    this.arp.push({
      ...this.sight(record),
      eth: { src: formatMac(d[s + S_ETH_SRC] as number), dst: formatMac(d[s + S_ETH_DST] as number) },
      arp: {
        op: d[s + S_L4] === 1 ? "request" : "reply",
        sha: formatMac(d[s + S_INFO] as number),
        spa: formatIpv4(d[s + S_SRC] as number),
        tha: formatMac(d[s + S_INFO2] as number),
        tpa: formatIpv4(d[s + S_DST] as number),
      },
    });
  }

  private sight({ d, at, host }: TapeRecord): Pick<Frame, "at" | "host" | "device" | "direction"> {
    const { reading } = this;
    const snapshot = d[at + 5] as number;
    const place = {
      at: reading.time,
      host: reading.net(host).name,
      device: reading.device(host, d[at + 3] as number),
      direction: DIRECTIONS[d[at + 4] as number] ?? "in",
    };
    this.sightings.push({ snapshot, ...place, ...reading.packet(d[snapshot + S_NUMBER] as number) });
    return place;
  }
}
