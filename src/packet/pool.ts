import { Packet } from "./packet.ts";

/**
 * Packets that are free to be used again. Getting one costs no allocation once as many have been made as were ever in
 * flight at a time. This is code that runs per packet.
 */
export class PacketPool {
  private readonly free: Packet[] = [];
  /** Packets ever made; a pool whose `made` keeps growing has an owner that does not release. */
  made = 0;

  take(): Packet {
    const packet = this.free.pop();
    if (packet !== undefined) {
      packet.reset();
      return packet;
    }
    this.made++;
    return new Packet();
  }

  /** One for a frame that is to come in by a device from elsewhere, where all is forgotten that is not in it (`scrub`). */
  takeFrame(): Packet {
    const packet = this.free.pop();
    if (packet !== undefined) {
      packet.resetHeaders();
      return packet;
    }
    this.made++;
    return new Packet();
  }

  /** Give a packet, and those inside it, back. The caller must own it and must not touch it again. */
  release(packet: Packet): void {
    const inner = packet.inner;
    if (inner !== null) {
      packet.inner = null;
      this.release(inner);
    }
    this.free.push(packet);
  }

  /** A copy of its own: headers, namespace metadata and everything inside (`skb_clone` then `skb_copy`). */
  clone(packet: Packet): Packet {
    const copy = this.take();
    copy.copyHeaders(packet);
    copy.copyMetadata(packet);
    if (packet.inner !== null) copy.inner = this.clone(packet.inner);
    return copy;
  }
}
