import type { DraftDevices } from "../draft-devices.ts";
import { DraftList } from "../draft-list.ts";
import type { Socket, Sockets } from "./socket.ts";

/** A host's sockets under change. */
export class DraftSockets {
  #sockets: Sockets;
  readonly #devices: DraftDevices;
  /** Made when first touched. */
  #list: DraftList<Socket> | null = null;

  constructor(before: Sockets, devices: DraftDevices) {
    this.#sockets = before;
    this.#devices = devices;
  }

  set(sockets: Sockets): void {
    this.#sockets = sockets;
    this.#list = null;
  }

  /** @returns null, or why the kernel would refuse */
  open(socket: Socket): string | null {
    // Where every port is taken to listen, only what is particular about a socket is worth keeping.
    if (this.#sockets.kind === "assumed" && socket.app.kind !== "tun") return null;
    if (socket.app.kind === "tun" && !this.#devices.has(socket.app.device))
      return this.#devices.none(socket.app.device);
    if (socket.dev !== null && !this.#devices.has(socket.dev)) return this.#devices.none(socket.dev);
    if (this.#open.like(socket).length > 0) return `${socket.proto} port ${socket.port} is in use already`;
    this.#open.append(socket);
    return null;
  }

  get #open(): DraftList<Socket> {
    const sockets = this.#sockets;
    const known = sockets.kind === "listed" ? sockets.sockets : (sockets.known ?? []);
    this.#list ??= new DraftList(known, socketKey);
    return this.#list;
  }

  finish(): Sockets {
    if (this.#list === null) return this.#sockets;
    const open = this.#list.finish();
    if (this.#sockets.kind === "assumed")
      return open.length === 0 ? this.#sockets : { kind: "assumed", known: open };
    return this.#sockets.sockets === open ? this.#sockets : { kind: "listed", sockets: open };
  }
}

function socketKey(socket: Socket): string {
  return `${socket.proto} ${socket.families} ${socket.address} ${socket.dev} ${socket.port}`;
}
