import type { Packet } from "../../packet/packet.ts";
import type { CompiledOvsPort } from "../ovs/compile-bridge.ts";
import type { OvsKey } from "../ovs/packet-field.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import type { OvsActions } from "./ovs-actions.ts";

const NO_MATCH = reason("ovs-no-match");
const NO_ACTION = reason("ovs-drop");
const NO_PORT = reason("ovs-no-port");
const TO_CONTROLLER = reason("ovs-controller");
const NOT_MODELLED = reason("ovs-unmodelled");
const TTL = reason("ovs-ttl");
const TOO_DEEP = reason("ovs-too-deep");

/** Where actions lead back to tables: a seam, so that neither imports the other. */
export interface OvsTables {
  /** The tables of a port's bridge, and the actions of what is found there. The packet stays the caller's. */
  throughBridge(run: OvsRun, port: CompiledOvsPort, key: OvsKey): void;
  /**
   * `xlate_table_action`: what the table has for the packet, done.
   *
   * @param inPort as which it is looked for
   */
  throughTable(actions: OvsActions, table: string, inPort: number): void;
  /** A frame comes in by a port, with what a tunnel says of it. Takes the packet over. */
  receive(stack: Stack, port: CompiledOvsPort, packet: Packet, memory: Int32Array): void;
}

/** What became of a frame in all the bridges that it went through, until it is gone. */
export class OvsRun {
  readonly stack: Stack;
  readonly tables: OvsTables;
  /** Copies that were put out, or that ended with a reason of their own. */
  sent = 0;
  /** Did the last look-up find nothing? */
  missed = false;
  noPort = false;
  toController = false;
  unmodelled = false;
  ttl = false;
  tooDeep = false;
  lookups = 0;

  constructor(stack: Stack, tables: OvsTables) {
    this.stack = stack;
    this.tables = tables;
  }

  get isOver(): boolean {
    return this.tooDeep;
  }

  why(): number {
    if (this.tooDeep) return TOO_DEEP;
    if (this.unmodelled) return NOT_MODELLED;
    if (this.toController) return TO_CONTROLLER;
    if (this.ttl) return TTL;
    if (this.noPort) return NO_PORT;
    return this.missed ? NO_MATCH : NO_ACTION;
  }
}
