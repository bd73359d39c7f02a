import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Family } from "../../address/ip.ts";
import type { Host } from "../../kernel/host.ts";
import type { World } from "../../world/world.ts";
import { AllListeners } from "./all-listeners.ts";
import { Lab, type Serving } from "./lab.ts";
import { Listeners, type Served } from "./listeners.ts";
import { deleteNetns, listNetns, RealNetns } from "./real-netns.ts";
import { type RealWorld, realise } from "./realise.ts";

/**
 * A lab that outlives the command that built it: namespaces `hopscope-NAME-HOST`, and a process that holds the servers.
 * What is known of it lies in a folder of /run, so that `lab down` finds all of it after a crash too.
 */
const RUN = "/run/hopscope-lab";

/** Linux lets a file, which a namespace's name is, have so many bytes. */
const LONGEST_NAME = 255;

export function netnsName(lab: string, host: string): string {
  return `hopscope-${lab}-${host}`.slice(0, LONGEST_NAME);
}

function prefixOf(lab: string): string {
  return `hopscope-${lab}-`;
}

const folderOf = (lab: string): string => join(RUN, lab);
const snapshotOf = (lab: string): string => join(folderOf(lab), "world.json");
const pidOf = (lab: string): string => join(folderOf(lab), "pid");
const servedOf = (lab: string): string => join(folderOf(lab), "served");

export function standingLabs(): string[] {
  try {
    return readdirSync(RUN).sort();
  } catch {
    return [];
  }
}

/** The World that a lab was built of, as a snapshot's text; undefined where there is no such lab. */
export function standingWorld(lab: string): string | undefined {
  try {
    return readFileSync(snapshotOf(lab), "utf8");
  } catch {
    return undefined;
  }
}

/**
 * Builds the hosts and starts the process of the servers.
 *
 * @param serve the command line that runs `serveLab`
 * @throws Error with what could not be built; then nothing is left of it
 */
export async function raise(
  lab: string,
  world: World,
  snapshot: string,
  serve: readonly string[],
): Promise<RealWorld> {
  mkdirSync(folderOf(lab), { recursive: true });
  try {
    writeFileSync(snapshotOf(lab), snapshot);
    writeFileSync(servedOf(lab), "");
    const real = realise(world, (host) => netnsName(lab, host));
    if (!existsSync(folderOf(lab))) throw new Error("it was taken down while it was being built");
    const log = openSync(join(folderOf(lab), "log"), "w");
    const [program = "", ...args] = serve;
    const server = spawn(program, args, { detached: true, stdio: ["ignore", log, log] });
    server.unref();
    closeSync(log);
    await isServing(lab, server.pid ?? 0);
    return real;
  } catch (error) {
    lower(lab);
    throw error;
  }
}

const PATIENCE_MS = 10_000;
const STEP_MS = 20;

async function isServing(lab: string, pid: number): Promise<void> {
  for (let waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
    if (readPid(lab) === pid) return;
    await wait(STEP_MS);
  }
  throw new Error(`its servers did not start: ${readFileSync(join(folderOf(lab), "log"), "utf8").trim()}`);
}

function readPid(lab: string): number | null {
  try {
    return Number(readFileSync(pidOf(lab), "utf8"));
  } catch {
    return null;
  }
}

/** Was the lab built to the end, and do its servers still run? */
export function isStanding(lab: string): boolean {
  const pid = readPid(lab);
  return pid !== null && isServer(pid);
}

/** Takes a lab down, whatever is left of it. Says how many namespaces there were. */
export function lower(lab: string): number {
  const pid = readPid(lab);
  if (pid !== null) stop(pid);
  const names = listNetns().filter((name) => name.startsWith(prefixOf(lab)));
  deleteNetns(names);
  rmSync(folderOf(lab), { recursive: true, force: true });
  return names.length;
}

function stop(pid: number): void {
  try {
    if (isServer(pid)) process.kill(pid);
  } catch {
    // It has ended already.
  }
}

/** A number that was the servers' may be another program's after a crash. */
function isServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("serve-lab");
  } catch {
    return false;
  }
}

const IDLE_STEPS = 5000;

/** The process of the servers: answers until it is told to end. */
export async function serveLab(lab: string, world: World): Promise<never> {
  const listeners = new AllListeners(attach(lab, world));
  const log = openSync(servedOf(lab), "a");
  writeFileSync(pidOf(lab), String(process.pid));
  for (let idle = 0; ; idle++) {
    const served = listeners.serve();
    if (served.length > 0) {
      writeFileSync(log, served.map((each) => `${JSON.stringify(each)}\n`).join(""));
      idle = 0;
    }
    // A connection stays open as long as a probe may look at it.
    if (idle === IDLE_STEPS) listeners.hangUp();
    await wait(1);
  }
}

function attach(lab: string, world: World): RealWorld {
  const netns = new Map(
    [...world.hosts.keys()].map((host) => [host, new RealNetns(netnsName(lab, host))] as const),
  );
  return { world, netns, notSet: [] };
}

/**
 * A standing lab to send probes in.
 *
 * @param openPorts a socket on each host whose sockets are assumed: TCP and UDP of this port
 */
export function enterLab(lab: string, world: World, port: number | null): Lab {
  const real = attach(lab, world);
  return new Lab(real, new ServedElsewhere(lab, port === null ? [] : assumedListeners(real, port)));
}

function assumedListeners({ world, netns }: RealWorld, port: number): Listeners[] {
  return [...world.hosts.values()].flatMap((host) => {
    const within = netns.get(host.name);
    if (within === undefined || host.sockets.kind !== "assumed") return [];
    const one = {
      families: familiesOf(host),
      address: null,
      dev: null,
      port,
      app: { kind: "line" },
      origin: 0,
    } as const;
    return [
      new Listeners(within, host, [
        { ...one, proto: "tcp" },
        { ...one, proto: "udp" },
      ]),
    ];
  });
}

/** One socket for both where a host has both. */
function familiesOf({ addresses6 }: Host): Family[] {
  return addresses6.some(({ dev }) => dev !== "lo") ? [4, 6] : [4];
}

/** The standing servers' book of whom they served, and listeners opened for a probe. */
class ServedElsewhere implements Serving {
  readonly #lab: string;
  readonly #own: readonly Listeners[];
  #read: number;

  constructor(lab: string, own: readonly Listeners[]) {
    this.#lab = lab;
    this.#own = own;
    this.#read = readFileSync(servedOf(lab), "utf8").length;
  }

  serve(): Served[] {
    const text = readFileSync(servedOf(this.#lab), "utf8");
    const end = text.lastIndexOf("\n") + 1;
    const lines = text.slice(this.#read, end).split("\n").filter(Boolean);
    this.#read = Math.max(this.#read, end);
    return [
      ...lines.map((line) => JSON.parse(line) as Served),
      ...this.#own.flatMap((listeners) => listeners.serve()),
    ];
  }

  hangUp(): void {
    for (const listeners of this.#own) listeners.hangUp();
  }

  close(): void {
    for (const listeners of this.#own) listeners.close();
  }
}
