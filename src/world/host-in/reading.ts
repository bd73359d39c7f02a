import type { Device, InterfaceAddress, InterfaceAddress6 } from "../../kernel/device/device.ts";
import { describeJson, type Json, type JsonFields } from "../../kernel/json-fields.ts";
import { suggestion } from "../../kernel/nearest-word.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { vrfTableOf } from "../../kernel/route/kernel-routes.ts";
import type { OriginTable } from "../origins.ts";
import type { Source } from "../world.ts";

/** One host of a snapshot, as it was written. */
export interface HostSource {
  readonly name: string;
  readonly json: JsonFields;
  readonly file: string;
  /** What the kernel is assumed to be when the host names none. */
  readonly kernel: string | null;
  readonly origins: OriginTable;
  /** Where its parts stand, when it was put together from other files. */
  readonly places?: HostPlaces | undefined;
}

/** Which file and line a part of a host's JSON was read from. */
export interface HostPlaces {
  ofObject(json: Json): Source | undefined;
  /** A line, from 1, of a text such as `iptablesSave`. */
  ofLine(field: string, line: number): Source | undefined;
}

/** In the place of an operation: the item says nothing that is not known. */
export const SKIPPED = "skipped";

/** What has been read of a host so far: the readers of its fields share it, in the order in which they build on each other. */
export class HostReading {
  readonly json: JsonFields;
  readonly file: string;
  readonly origins: OriginTable;
  readonly operations: Operation[] = [];
  readonly devices = new Map<string, Device>();
  readonly addresses: InterfaceAddress[] = [];
  readonly addresses6: InterfaceAddress6[] = [];
  /** False when not even the names of all devices could be read: then nothing is said of what refers to a device. */
  knowsDevices = true;
  readonly #places: HostPlaces | undefined;
  /** Made when first asked for, after all devices are known. */
  #vrfs: readonly Device[] | null = null;
  #sysctls: ReadonlyMap<string, string> | null = null;

  constructor({ json, file, origins, places }: HostSource) {
    this.#places = places;
    this.json = json;
    this.file = file;
    this.origins = origins;
  }

  add(operation: Operation): void {
    this.operations.push(operation);
  }

  /** One operation an item of a list, the faulty ones left out, those without one kept aside. */
  each(field: string, read: (item: JsonFields) => Operation | typeof SKIPPED | null): void {
    const kept: Json[] = [];
    for (const item of this.json.objects(field)) {
      const before = item.faults.count;
      const operation = read(item);
      if (item.faults.count > before) continue;
      if (operation === SKIPPED) continue;
      if (operation === null) kept.push(item.json);
      else this.add(operation);
    }
    this.keep(field, kept);
  }

  /** Part of a modelled field that is not modelled, kept under the field's own name. */
  keep(field: string, values: readonly unknown[]): void {
    if (values.length > 0) this.add({ kind: "unmodelled", name: field, value: values });
  }

  /** To say of a name that no device has; with the nearest name, if one is near. */
  noDevice(name: string): string {
    return `there is no device ${JSON.stringify(name)}${suggestion(name, this.devices.keys())}`;
  }

  vrfTable(device: Device): string | null {
    this.#vrfs ??= [...this.devices.values()].filter(({ detail }) => detail.kind === "vrf");
    return vrfTableOf(device, this.#vrfs);
  }

  settings(): ReadonlyMap<string, string> {
    if (this.#sysctls !== null) return this.#sysctls;
    const settings = new Map<string, string>();
    this.#sysctls = settings;
    const json = this.json.object("sysctl");
    for (const [name, value] of Object.entries(json?.json ?? {})) {
      if (typeof value === "string" || typeof value === "number") settings.set(name, String(value));
      else
        json?.fault(
          name,
          `${describeJson(value)} is not a text: the setting as "sysctl -a" prints it is expected`,
        );
    }
    return settings;
  }

  origin(item: JsonFields): Origin {
    const place = this.#places?.ofObject(item.json);
    return this.origins.add(place ?? { file: this.file, field: item.path, line: null });
  }

  originOfLine(field: string, line: number): Origin {
    const place = this.#places?.ofLine(field, line);
    return this.origins.add(place ?? { file: this.file, field, line });
  }
}

/** A faulty line as a message repeats it. */
export function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}
