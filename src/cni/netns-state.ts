import { applyOperations } from "../kernel/apply-operation.ts";
import type { Device } from "../kernel/device/device.ts";
import type { Host } from "../kernel/host.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import type { LinkChange, Operation } from "../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../kernel/origin.ts";
import { vrfTableOf } from "../kernel/route/kernel-routes.ts";

/**
 * A network namespace while a plugin works in it. Every change is an operation, kept in order; between two of them the state can be
 * read.
 */
export class NetnsState {
  readonly name: string;
  readonly operations: Operation[] = [];
  /** Of what is made here. */
  origin: Origin;
  #host: Host;
  #pending: Operation[] = [];

  constructor(host: Host, origin: Origin = ORIGIN_NONE) {
    this.name = host.name;
    this.#host = host;
    this.origin = origin;
  }

  get host(): Host {
    if (this.#pending.length > 0) {
      const applied = applyOperations(this.#host, this.#pending);
      if (applied.kind === "invalid") {
        const reasons = applied.errors.map(({ message }) => message).join("; ");
        throw new Error(`${this.name}: a plugin's operations do not apply: ${reasons}`);
      }
      this.#pending = [];
      this.#host = applied.host;
    }
    return this.#host;
  }

  do(...operations: readonly Operation[]): void {
    this.#pending.push(...operations);
    this.operations.push(...operations);
  }

  /** Does work whose results have another origin. */
  as<T>(origin: Origin, work: () => T): T {
    const before = this.origin;
    this.origin = origin;
    try {
      return work();
    } finally {
      this.origin = before;
    }
  }

  device(name: string): Device | undefined {
    return this.host.devices.find((device) => device.name === name);
  }

  ports(bridge: string): readonly Device[] {
    return this.host.devices.filter(({ master }) => master === bridge);
  }

  /** A device's settings changed, by a command or of themselves. */
  changeDevice(name: string, change: LinkChange): void {
    const device = this.device(name);
    if (device === undefined) return;
    if (Object.entries(change).every(([key, value]) => device[key as keyof LinkChange] === value)) return;
    this.do({ kind: "link-change", name, change });
  }

  protected vrfTable(device: Device): string | null {
    return vrfTableOf(device, this.host.devices);
  }

  /** A setting of the namespace, unless it has this value. */
  sysctl(name: string, value: string): void {
    if (this.host.sysctl.get(name) !== value) this.do({ kind: "sysctl", name, value });
  }

  /** Forwarding for a family; the kernel passes the switch on to every device that says otherwise. */
  enableForwarding(family: 4 | 6): void {
    const tree = family === 4 ? "net.ipv4" : "net.ipv6";
    if (family === 4) this.sysctl("net.ipv4.ip_forward", "1");
    const all = `${tree}.conf.all.forwarding`;
    this.sysctl(all, "1");
    this.sysctl(`${tree}.conf.default.forwarding`, "1");
    for (const name of this.host.sysctl.keys()) {
      if (name.startsWith(`${tree}.conf.`) && name.endsWith(".forwarding")) this.sysctl(name, "1");
    }
  }

  /** What is kept of a snapshot's field beside what is modelled. */
  kept(field: string): readonly Json[] {
    const value = this.host.unmodelled.get(field);
    return Array.isArray(value) ? (value as readonly unknown[]).filter(isJsonObject) : [];
  }

  keep(field: string, value: readonly unknown[]): void {
    if (value.length === 0 && !this.host.unmodelled.has(field)) return;
    this.do({ kind: "unmodelled", name: field, value });
  }
}
