import { hash6 } from "../../address/ip6-handle.ts";
import { ETH_P_ARP, type Packet } from "../../packet/packet.ts";
import { CHOICE_OVS } from "../chooser.ts";
import { CT_NONE } from "../conntrack/status.ts";
import type { OvsAction, OvsCt, Subfield } from "../ovs/compile-actions.ts";
import type { CompiledOvsGroup, CompiledOvsPort } from "../ovs/compile-bridge.ts";
import { AT_IN_PORT, MEMORY_WORDS, type OvsField } from "../ovs/field.ts";
import {
  OFPP_ALL,
  OFPP_CONTROLLER,
  OFPP_FLOOD,
  OFPP_IN_PORT,
  OFPP_NONE,
  OFPP_NORMAL,
} from "../ovs/field-value.ts";
import { OvsKey } from "../ovs/packet-field.ts";
import { clearOvsConntrack, ovsConntrack } from "./ovs-ct.ts";
import { learnOvs, normalOutputs } from "./ovs-normal.ts";
import { putOut } from "./ovs-output.ts";
import type { OvsRun } from "./ovs-run.ts";

/** What flows do with a packet in one bridge (`do_xlate_actions`). Runs per packet. */

/** Words of the widest field. */
const from = new Int32Array(4);
const into = new Int32Array(4);

export class OvsActions {
  readonly run: OvsRun;
  /** The port it came in by. */
  readonly port: CompiledOvsPort;
  key: OvsKey;
  table = "0";
  depth = 0;
  private exited = false;
  /** `write_actions`, to be done at the end. */
  private set: OvsAction[] = [];
  private readonly pushed: { readonly words: Int32Array }[] = [];

  constructor(run: OvsRun, port: CompiledOvsPort, key: OvsKey) {
    this.run = run;
    this.port = port;
    this.key = key;
  }

  all(actions: readonly OvsAction[]): void {
    for (let i = 0; i < actions.length; i++) {
      if (this.exited || this.run.isOver) return;
      if (!this.one(actions[i] as OvsAction)) return;
    }
  }

  /** The action set, in the order of its kinds: what changes the packet before what sends it, a group before a port. */
  finish(): void {
    const { set } = this;
    if (set.length === 0 || this.run.isOver) return;
    this.set = [];
    this.exited = false;
    const sends = set.filter(({ kind }) => kind === "group");
    const outputs = set.filter(({ kind }) => kind.startsWith("output"));
    const changes = set.filter((action) => !sends.includes(action) && !outputs.includes(action));
    this.all([...changes, ...(sends.length > 0 ? sends : outputs).slice(-1)]);
  }

  /** @returns false: the list ends here */
  private one(action: OvsAction): boolean {
    const { key, run } = this;
    const { packet } = key;
    switch (action.kind) {
      case "output":
        this.output(action.port);
        return true;
      case "output-field":
        this.output(this.bits(action.source));
        return true;
      case "resubmit":
        this.run.tables.throughTable(
          this,
          action.table ?? this.table,
          action.port ?? (key.memory[AT_IN_PORT] as number),
        );
        return true;
      case "set":
        this.write(action.field, action.value, action.mask);
        return true;
      case "move":
        this.move(action.source, action.target);
        return true;
      case "push":
        key.read(action.source.field, from);
        this.pushed.push({ words: bitsOf(from, action.source) });
        return true;
      case "pop": {
        const words = this.pushed.pop()?.words;
        if (words !== undefined) this.place(words, action.source);
        return true;
      }
      case "dec-ttl":
        if (packet.ethType === ETH_P_ARP) return true;
        if (packet.ttl > 1) {
          packet.ttl--;
          return true;
        }
        run.ttl = true;
        return false;
      case "push-vlan":
        // A second tag is none that a packet has here.
        if (packet.vlan !== 0) this.unmodelled("push_vlan of a frame that has a tag");
        return packet.vlan === 0;
      case "set-vlan":
        packet.vlan = action.vlan;
        return true;
      case "pop-vlan":
        packet.vlan = 0;
        return true;
      case "ct":
        return this.conntrack(action);
      case "ct-clear":
        packet.ct = CT_NONE;
        packet.ctInfo = 0;
        clearOvsConntrack(key);
        return true;
      case "group":
        this.group(action.id);
        return true;
      case "multipath":
        this.place(Int32Array.of(this.oneOf(action.links), 0, 0, 0), action.target);
        return true;
      case "bundle":
        this.bundle(action.members, action.first, action.target);
        return true;
      case "clone":
        this.aside(new OvsKey(run.stack.pool.clone(packet), key.memory.slice()), () => {
          this.all(action.actions);
        });
        return true;
      case "write":
        this.set = [...this.set, ...action.actions];
        return true;
      case "clear-actions":
        this.set = [];
        return true;
      case "exit":
        this.exited = true;
        return false;
      case "controller":
        run.toController = true;
        return true;
      case "noted":
        run.stack.engine.unmodelled.add(
          `what ${JSON.stringify(action.text)} of ${this.port.bridge.plain.name} changes for later packets`,
        );
        return true;
      case "unmodelled":
        this.unmodelled(action.text);
        return true;
      case "none":
      case "conjunction":
        return true;
      default:
        action satisfies never;
        throw new Error("unknown action of Open vSwitch");
    }
  }

  private unmodelled(text: string): void {
    this.run.unmodelled = true;
    this.run.stack.engine.unmodelled.add(
      `the action ${JSON.stringify(text)} of ${this.port.bridge.plain.name}`,
    );
  }

  /** With another packet in the place of this one; afterwards it is given back. */
  private aside(key: OvsKey, then: () => void): void {
    const before = this.key;
    this.key = key;
    then();
    this.run.stack.pool.release(key.packet);
    this.key = before;
    this.exited = false;
  }

  private output(number: number): void {
    const { run, port, key } = this;
    const inPort = key.memory[AT_IN_PORT] as number;
    switch (number) {
      case OFPP_NORMAL:
        this.normal();
        return;
      case OFPP_FLOOD:
      case OFPP_ALL:
        for (const to of port.bridge.ports)
          if (to !== port && (number === OFPP_ALL || to.plain.flood)) this.send(to);
        return;
      case OFPP_CONTROLLER:
        run.toController = true;
        return;
    }
    // Back where it came from only by name.
    if (number === inPort) return;
    const to = port.bridge.byNumber.get(number === OFPP_IN_PORT ? inPort : number);
    if (to === undefined) run.noPort = true;
    else this.send(to);
  }

  /** A switch of its own (`xlate_normal`). */
  normal(): void {
    const { port, key, run } = this;
    const outputs = normalOutputs(run.stack, port, key.packet);
    if (outputs === null) return;
    learnOvs(run.stack, port, key.packet);
    const before = key.packet.vlan;
    for (const { to, vlan } of outputs) {
      key.packet.vlan = vlan;
      this.send(to);
    }
    key.packet.vlan = before;
  }

  /** A copy by a port; a patch's other end is another bridge, with nothing of this one's registers. */
  private send(to: CompiledOvsPort): void {
    const { run, key } = this;
    const copy = run.stack.pool.clone(key.packet);
    if (to.plain.type !== "patch") {
      run.sent++;
      putOut(run, to, copy, key.memory);
      return;
    }
    if (to.peer === null) run.noPort = true;
    else {
      copy.ct = CT_NONE;
      copy.ctInfo = 0;
      run.tables.throughBridge(run, to.peer, new OvsKey(copy, new Int32Array(MEMORY_WORDS)));
    }
    run.stack.pool.release(copy);
  }

  /** The tracked copy goes on in the table named; behind this action nothing is known of the connection. */
  private conntrack(action: OvsCt): boolean {
    const { key, run } = this;
    const zone = typeof action.zone === "number" ? action.zone : this.bits(action.zone);
    const exec = (): void => this.all(action.exec);
    if (action.alg !== null)
      run.stack.engine.unmodelled.add(`the helper ${action.alg} of ${this.port.bridge.plain.name}`);
    if (!ovsConntrack(run.stack, key, action, zone, exec)) {
      run.sent++;
      this.exited = true;
      return false;
    }
    const { table } = action;
    if (table !== null) {
      const set = this.set;
      const depth = this.depth;
      this.depth = 0;
      this.aside(new OvsKey(run.stack.pool.clone(key.packet), key.memory.slice()), () => {
        this.run.tables.throughTable(this, table, key.memory[AT_IN_PORT] as number);
        this.finish();
      });
      this.depth = depth;
      this.set = set;
    }
    clearOvsConntrack(key);
    return true;
  }

  private group(id: number): void {
    const { run, key, port } = this;
    const group = port.bridge.groups.get(id);
    if (group === undefined) {
      run.noPort = true;
      return;
    }
    for (const bucket of this.buckets(id, group)) {
      this.aside(new OvsKey(run.stack.pool.clone(key.packet), key.memory.slice()), () => {
        this.all(bucket.actions);
      });
    }
  }

  /** All of them, or the one that is chosen: by the flow, or as the first whose port is up. */
  private buckets(id: number, { type, buckets }: CompiledOvsGroup): CompiledOvsGroup["buckets"] {
    if (type === "all" || type === "indirect") return buckets;
    const alive = buckets.filter(({ watchPort }) => watchPort === null || this.isAlive(watchPort));
    if (type === "ff") return alive.slice(0, 1);
    const weighed = alive.filter(({ weight }) => weight > 0);
    if (weighed.length < 2) return weighed;
    const weights = weighed.map(({ weight }) => weight);
    const taken = this.run.stack.chooser.flow(CHOICE_OVS, flowHash(this.key.packet), id, weights);
    return weighed.slice(taken, taken + 1);
  }

  /** One of so many, by the flow. */
  private oneOf(count: number): number {
    if (count < 2) return 0;
    const weights = new Array<number>(count).fill(1);
    return this.run.stack.chooser.flow(CHOICE_OVS, flowHash(this.key.packet), -count, weights);
  }

  /** `bundle_execute`: of the ports that are up the first, or one by the flow; none is port `OFPP_NONE`. */
  private bundle(members: readonly number[], first: boolean, target: Subfield | null): void {
    const alive = members.filter((member) => this.isAlive(member));
    const taken = alive[first ? 0 : this.oneOf(alive.length)];
    if (target !== null) this.place(Int32Array.of(taken ?? OFPP_NONE, 0, 0, 0), target);
    else if (taken !== undefined) this.output(taken);
  }

  private isAlive(number: number): boolean {
    const port = this.port.bridge.byNumber.get(number);
    return port !== undefined && (port.device === null || (port.device.up && port.device.plain.carrier));
  }

  private bits({ field, from: low, bits }: Subfield): number {
    this.key.read(field, from);
    return bitsOf(from, { field, from: low, bits })[0] as number;
  }

  private write(field: OvsField, value: Int32Array, mask: Int32Array): void {
    this.key.read(field, into);
    for (let i = 0; i < field.words; i++)
      into[i] = ((into[i] as number) & ~(mask[i] as number)) | (value[i] as number);
    this.key.write(field, into);
  }

  private move(source: Subfield, target: Subfield): void {
    this.key.read(source.field, from);
    this.place(bitsOf(from, source), target);
  }

  /** Bits, the lowest first in the first word, into a part of a field. */
  private place(words: Int32Array, { field, from: low, bits }: Subfield): void {
    this.key.read(field, into);
    for (let i = 0; i < bits; i++) {
      const bit = ((words[i >> 5] as number) >>> (i & 31)) & 1;
      const at = low + i;
      const word = field.words - 1 - (at >> 5);
      into[word] = ((into[word] as number) & ~(1 << (at & 31))) | (bit << (at & 31));
    }
    this.key.write(field, into);
  }
}

/** A part of a field, the lowest bits in the first word. */
function bitsOf(words: Int32Array, { field, from: low, bits }: Subfield): Int32Array {
  const out = new Int32Array(4);
  for (let i = 0; i < bits; i++) {
    const at = low + i;
    const bit = ((words[field.words - 1 - (at >> 5)] as number) >>> (at & 31)) & 1;
    out[i >> 5] = (out[i >> 5] as number) | (bit << (i & 31));
  }
  return out;
}

/** What tells one flow's packets from another's. */
function flowHash({ family, src, dst, sport, dport, protocol }: Packet): number {
  const one = family === 6 ? hash6(src) : src;
  const other = family === 6 ? hash6(dst) : dst;
  return (
    Math.imul(one, 0x9e3779b1) ^
    Math.imul(other, 0x85ebca77) ^
    Math.imul((sport << 16) | dport, 0xc2b2ae3d) ^
    protocol
  );
}
