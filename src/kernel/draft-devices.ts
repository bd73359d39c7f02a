import type { Device } from "./device/device.ts";
import { firstOf } from "./first-of.ts";
import { suggestion } from "./nearest-word.ts";
import type { LinkChange, Operation, OperationError } from "./operation.ts";

/** A host's devices under change. Every method that changes something returns null, or why the kernel would refuse. */
export class DraftDevices {
  readonly #before: readonly Device[];
  /** `link-add` operations whose `master` may still be added by a later one. */
  readonly #ports: Extract<Operation, { kind: "link-add" }>[] = [];
  // Made when first touched.
  #deviceMap: Map<string, Device> | null = null;
  #nameByIndex: Map<number, string> | null = null;
  #changed = false;

  constructor(before: readonly Device[]) {
    this.#before = before;
  }

  get #devices(): Map<string, Device> {
    this.#deviceMap ??= new Map(this.#before.map((device) => [device.name, device]));
    return this.#deviceMap;
  }

  has(name: string): boolean {
    return this.#devices.has(name);
  }

  finish(): readonly Device[] {
    return this.#changed ? [...this.#devices.values()] : this.#before;
  }

  /** Ports whose bridge never came: a device may be added before its master, but not without it. */
  unknownMasters(): OperationError[] {
    const errors: OperationError[] = [];
    for (const operation of this.#ports) {
      const { master, name } = operation.device;
      if (master === null || this.#devices.has(master) || this.#devices.get(name)?.master !== master)
        continue;
      errors.push({ operation, message: `${name} is a port: ${this.none(master)}` });
    }
    return errors;
  }

  add(operation: Extract<Operation, { kind: "link-add" }>): string | null {
    const { device } = operation;
    if (this.#devices.has(device.name)) return `there is a device ${JSON.stringify(device.name)} already`;
    // Added even if it is refused for its index, so that what refers to it is not refused as well.
    this.#devices.set(device.name, device);
    this.#changed = true;
    if (device.master !== null) this.#ports.push(operation);
    const byIndex = this.#byIndex();
    const holder = byIndex.get(device.ifindex);
    if (holder !== undefined) {
      return `${device.name} cannot have the index ${device.ifindex}: it is that of ${holder}`;
    }
    byIndex.set(device.ifindex, device.name);
    return null;
  }

  #byIndex(): Map<number, string> {
    this.#nameByIndex ??= new Map(this.#before.map((device) => [device.ifindex, device.name]));
    return this.#nameByIndex;
  }

  /** Its ports are left without a master. */
  delete(name: string): string | null {
    const device = this.#devices.get(name);
    if (device === undefined) return this.none(name);
    this.#devices.delete(name);
    this.#byIndex().delete(device.ifindex);
    for (const port of this.#devices.values()) {
      if (port.master === name) this.#devices.set(port.name, { ...port, master: null, port: null });
    }
    this.#changed = true;
    return null;
  }

  get(name: string): Device | undefined {
    return this.#devices.get(name);
  }

  change(name: string, change: LinkChange): string | null {
    const device = this.#devices.get(name);
    if (device === undefined) return this.none(name);
    const { master = null } = change;
    if (master !== null && !this.#devices.has(master)) return this.none(master);
    if (!Object.entries(change).every(([field, value]) => device[field as keyof LinkChange] === value)) {
      this.#devices.set(name, { ...device, ...change });
      this.#changed = true;
    }
    return null;
  }

  /** That there is no such device, and which there are. */
  none(name: string): string {
    const names = [...this.#devices.keys()];
    const known = names.length === 0 ? "it has none" : `it has ${firstOf(names, 8)}`;
    return `the host has no device ${JSON.stringify(name)}${suggestion(name, names)}: ${known}`;
  }
}
