import { ARPOP_REPLY, ARPOP_REQUEST, ETH_P_ARP, type Packet } from "../../packet/packet.ts";
import type { CapturedFrame } from "./capture.ts";

/** ARP questions that nobody has answered yet, whatever order the frames are shown in. */
export class OpenQuestions {
  readonly #asked = new Set<string>();
  readonly #answered = new Set<string>();

  saw({ host, direction }: CapturedFrame, packet: Packet): void {
    if (packet.ethType !== ETH_P_ARP) return;
    if (packet.arpOp === ARPOP_REQUEST && direction === "out") this.#asked.add(`${host} ${packet.dst}`);
    else if (packet.arpOp === ARPOP_REPLY && direction !== "out") this.#answered.add(`${host} ${packet.src}`);
  }

  get areOpen(): boolean {
    for (const question of this.#asked) if (!this.#answered.has(question)) return true;
    return false;
  }
}
