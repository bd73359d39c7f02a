import type { Family } from "../../address/ip.ts";
import {
  ARPOP_REPLY,
  ARPOP_REQUEST,
  ETH_P_ARP,
  isNeighbourDiscovery,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
  type Packet,
} from "../../packet/packet.ts";
import type { CapturedFrame } from "./capture.ts";

/** Questions of ARP and of neighbour discovery that nobody has answered yet, whatever order the frames are shown in. */
export class OpenQuestions {
  /** When each was last asked, milliseconds of `Date.now`. */
  readonly #asked = new Map<string, number>();
  readonly #answered = new Set<string>();
  readonly #mayMiss: (host: string, family: Family) => boolean;

  /**
   * @param mayMiss may the host miss an answer that its device has received, one of ARP (4) or an advertisement (6)? Packet sockets
   *   see a frame before any hook does: one that INPUT drops, or whose hop limit mangle changes (`ndisc_rcv` wants 255), answers
   *   nothing, and what a macvlan takes does not answer the device below.
   */
  constructor(mayMiss: (host: string, family: Family) => boolean) {
    this.#mayMiss = mayMiss;
  }

  saw({ host, direction }: CapturedFrame, packet: Packet): void {
    if (packet.ethType === ETH_P_ARP) {
      if (packet.arpOp === ARPOP_REQUEST && direction === "out") this.#ask(`${host} ${packet.dst}`);
      else if (packet.arpOp === ARPOP_REPLY && direction !== "out" && !this.#mayMiss(host, 4))
        this.#answered.add(`${host} ${packet.src}`);
    } else if (isNeighbourDiscovery(packet)) {
      const question = `${host} 6 ${packet.ndTarget}`;
      if (packet.icmpType === NDISC_NEIGHBOUR_SOLICITATION && direction === "out") this.#ask(question);
      else if (
        packet.icmpType === NDISC_NEIGHBOUR_ADVERTISEMENT &&
        direction !== "out" &&
        !this.#mayMiss(host, 6)
      )
        this.#answered.add(question);
    }
  }

  #ask(question: string): void {
    this.#asked.set(question, Date.now());
  }

  /** @param patienceMs a question asked longer ago was the last one: nobody waits for its answer any more */
  areOpen(patienceMs: number): boolean {
    const now = Date.now();
    for (const [question, asked] of this.#asked) {
      if (!this.#answered.has(question) && now - asked <= patienceMs) return true;
    }
    return false;
  }
}
