import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { ERROR_CODE } from "./cni-error.ts";
import type { Holder } from "./ipam/store.ts";
import { field, object } from "./json.ts";
import type { Machine } from "./machine.ts";
import type { NetworkList } from "./network-config.ts";
import {
  type Environment,
  findPlugin,
  type Outcome,
  outcomeOf,
  runPlugin,
  validAttachments,
} from "./run-plugin.ts";
import { type Release, releaseFor, requireVersion } from "./version.ts";

/** A container's joining of a network. */
export interface Attachment {
  readonly containerId: string;
  /** Path of the container's namespace. */
  readonly netns: string;
  readonly ifName: string;
  readonly args: string;
  /** Values for what the plugins declare under `capabilities`: `portMappings`, `bandwidth`, `mac`, `ips` … */
  readonly capabilities: Json;
}

/**
 * What a container runtime does with a list of plugins (libcni): each plugin gets its configuration with the network's
 * name and version, the capabilities it asks for, and the result so far; the last result is remembered for CHECK and DEL.
 */
export class Runtime {
  readonly #machine: Machine;
  readonly #list: NetworkList;
  readonly #release: Release;

  constructor(machine: Machine, list: NetworkList, release: Release = releaseFor(list.cniVersion)) {
    this.#machine = machine;
    this.#list = list;
    this.#release = release;
  }

  /** In order; the first failure stops, and leaves what was done. */
  add(attachment: Attachment): Outcome {
    let last: Outcome = { kind: "ok", result: null };
    for (const plugin of this.#list.plugins) {
      last = this.#run("ADD", attachment, plugin, last.result);
      if (last.kind === "error") return last;
    }
    if (this.#machine.files.keepsResults !== false) this.#remember(attachment, last.result);
    return last;
  }

  /** In reverse order, and all over again as often as one likes. Capabilities that are not said are those of ADD. */
  del(given: Attachment): Outcome {
    const entry = this.#entry(this.#path(given));
    const isSaid = Object.keys(given.capabilities).length > 0;
    const attachment = isSaid ? given : { ...given, capabilities: object(entry, "capabilityArgs") };
    const cached = this.#recall(attachment);
    for (const plugin of [...this.#list.plugins].reverse()) {
      const done = this.#run("DEL", attachment, plugin, cached);
      if (done.kind === "error") return done;
    }
    this.#machine.files.remove(this.#path(attachment));
    return { kind: "ok", result: null };
  }

  check(attachment: Attachment): Outcome {
    if (this.#list.disableCheck) return { kind: "ok", result: null };
    const cached = this.#recall(attachment);
    for (const plugin of this.#list.plugins) {
      const done = this.#run("CHECK", attachment, plugin, cached);
      if (done.kind === "error") return done;
    }
    return { kind: "ok", result: null };
  }

  /**
   * Takes down every remembered attachment of the network but the valid ones, and lets plugins of version 1.1 look for
   * what else is left.
   */
  gc(valid: readonly Holder[] = validAttachments(this.#list.json)): Outcome {
    if (this.#list.disableGC) return { kind: "ok", result: null };
    const isValid = ({ containerId, ifName }: Holder) =>
      valid.some((one) => one.containerId === containerId && one.ifName === ifName);
    let failed: Outcome | null = null;
    for (const attachment of this.#attachments()) {
      if (isValid(attachment)) continue;
      const done = this.del(attachment);
      if (done.kind === "error") failed ??= done;
    }
    if (this.#list.cniVersion === "1.1.0") {
      const named = valid.map(({ containerId, ifName }) => ({ containerID: containerId, ifname: ifName }));
      for (const plugin of this.#list.plugins) {
        const config = { ...plugin, "cni.dev/valid-attachments": named };
        const done = this.#run("GC", NOBODY, config, null);
        if (done.kind === "error") failed ??= done;
      }
      this.#releaseAddresses(isValid);
    }
    return failed ?? { kind: "ok", result: null };
  }

  /** Whether an ADD could succeed; versions before 1.1 have no such question. */
  status(): Outcome {
    const known = outcomeOf(() => {
      for (const { type } of this.#list.plugins) {
        requireVersion(this.#list.cniVersion, this.#release, String(type));
        findPlugin(String(type));
      }
      return null;
    });
    if (known.kind === "error" || this.#list.cniVersion !== "1.1.0") return known;
    for (const plugin of this.#list.plugins) {
      const done = this.#run("STATUS", NOBODY, plugin, null);
      if (done.kind === "error") {
        const { code, msg } = done.error;
        return code === ERROR_CODE.plugin
          ? { kind: "error", error: { code: ERROR_CODE.notAvailable, msg } }
          : done;
      }
    }
    return { kind: "ok", result: null };
  }

  #run(
    command: Environment["command"],
    attachment: Attachment,
    plugin: Json,
    previous: Json | null,
  ): Outcome {
    const { containerId, netns, ifName, args, capabilities } = attachment;
    return runPlugin(
      this.#machine,
      { command, containerId, netns, ifName, args },
      this.#configOf(plugin, capabilities, previous),
      this.#release,
    );
  }

  /** The plugin's part of the list as the plugin is given it. */
  #configOf(plugin: Json, capabilities: Json, previous: Json | null): Json {
    const { capabilities: declared, ...own } = plugin;
    const asked = isJsonObject(declared)
      ? Object.keys(declared).filter((name) => declared[name] === true)
      : [];
    const given = asked.filter((name) => capabilities[name] !== undefined);
    const runtimeConfig = Object.fromEntries(given.map((name) => [name, capabilities[name]]));
    return {
      ...own,
      name: this.#list.name,
      cniVersion: this.#list.cniVersion,
      ...(given.length === 0 ? {} : { runtimeConfig: { ...object(own, "runtimeConfig"), ...runtimeConfig } }),
      ...(previous === null ? {} : { prevResult: previous }),
    };
  }

  /** host-local of version 1.1 forgets whom nobody knows. */
  #releaseAddresses(isValid: (holder: Holder) => boolean): void {
    for (const plugin of this.#list.plugins) {
      const ipam = object(plugin, "ipam");
      if (field(ipam, "type") !== "host-local") continue;
      const store = this.#machine.files.store(this.#list.name, String(field(ipam, "dataDir") ?? ""));
      for (const holder of store.holders()) if (!isValid(holder)) store.releaseAll(holder);
    }
  }

  #path({ containerId, ifName }: Attachment): string {
    return `results/${this.#list.name}-${containerId}-${ifName}`;
  }

  #remember(attachment: Attachment, result: Json | null): void {
    const { containerId, ifName, netns, args, capabilities } = attachment;
    const entry = {
      kind: "cniCacheV1",
      ...{ containerId, networkName: this.#list.name, ifName, netns, args, capabilityArgs: capabilities },
      result,
    };
    this.#machine.files.write(this.#path(attachment), JSON.stringify(entry));
  }

  #recall(attachment: Attachment): Json | null {
    const entry = this.#entry(this.#path(attachment));
    const result = field(entry, "result");
    return isJsonObject(result) ? result : null;
  }

  #entry(path: string): Json {
    const content = this.#machine.files.read(path);
    const json: unknown = content === undefined ? {} : JSON.parse(content);
    return isJsonObject(json) ? json : {};
  }

  #attachments(): readonly Attachment[] {
    return this.#machine.files
      .list("results/")
      .map((path) => this.#entry(path))
      .filter(({ networkName }) => networkName === this.#list.name)
      .map((entry) => ({
        containerId: String(field(entry, "containerId")),
        netns: String(field(entry, "netns") ?? ""),
        ifName: String(field(entry, "ifName")),
        args: String(field(entry, "args") ?? ""),
        capabilities: object(entry, "capabilityArgs"),
      }));
  }
}

const NOBODY: Attachment = { containerId: "", netns: "", ifName: "", args: "", capabilities: {} };
