import { explainIpv4, type Ipv4, parseIpv4 } from "../../address/ipv4.ts";
import { suggestion } from "../nearest-word.ts";
import type { Origin } from "../origin.ts";
import { parseFlags } from "./ipvsadm-words.ts";
import {
  type Forwarding,
  type IpvsTimeouts,
  NO_FLAGS,
  type Persistence,
  type RealServer,
  type SchedulerFlags,
  type ServiceProtocol,
  type ServiceSelector,
  type Tunnel,
  type VirtualService,
} from "./virtual-service.ts";

/** One command line of ipvsadm(8), without the program's name: what changes a table, and what prints it. */
export type IpvsadmCommand =
  | { readonly kind: "add-service" | "edit-service"; readonly service: VirtualService }
  | { readonly kind: "delete-service"; readonly selector: ServiceSelector }
  | {
      readonly kind: "add-server" | "edit-server";
      readonly selector: ServiceSelector;
      readonly server: RealServer;
    }
  | {
      readonly kind: "delete-server";
      readonly selector: ServiceSelector;
      readonly server: { readonly address: Ipv4; readonly port: number };
    }
  | { readonly kind: "clear" }
  | { readonly kind: "set"; readonly timeouts: IpvsTimeouts }
  | { readonly kind: "list"; readonly what: "services" | "connections" | "timeouts"; readonly sorted: boolean }
  | { readonly kind: "save" }
  | { readonly kind: "zero" };

export type IpvsadmLine =
  | { readonly kind: "ok"; readonly command: IpvsadmCommand }
  | { readonly kind: "invalid"; readonly message: string };

class LineFault extends Error {}

/** Read the words that follow `ipvsadm`. One sentence where they are wrong. */
export function parseIpvsadm(words: readonly string[], origin: Origin): IpvsadmLine {
  try {
    return { kind: "ok", command: new Line(words, origin).read() };
  } catch (fault) {
    if (fault instanceof LineFault) return { kind: "invalid", message: fault.message };
    throw fault;
  }
}

const COMMANDS: Readonly<Record<string, string>> = {
  "--add-service": "-A",
  "--edit-service": "-E",
  "--delete-service": "-D",
  "--add-server": "-a",
  "--edit-server": "-e",
  "--delete-server": "-d",
  "--clear": "-C",
  "--list": "-L",
  "-l": "-L",
  "-ln": "-Ln",
  "--save": "-S",
  "--zero": "-Z",
};

const OPTIONS: Readonly<Record<string, string>> = {
  "--tcp-service": "-t",
  "--udp-service": "-u",
  "--fwmark-service": "-f",
  "--real-server": "-r",
  "--scheduler": "-s",
  "--sched-flags": "-b",
  "--persistent": "-p",
  "--netmask": "-M",
  "--ops": "-o",
  "--gatewaying": "-g",
  "--ipip": "-i",
  "--masquerading": "-m",
  "--weight": "-w",
  "--u-threshold": "-x",
  "--l-threshold": "-y",
  "--connection": "-c",
  "--numeric": "-n",
};

const KNOWN = [
  ...["-A", "-E", "-D", "-a", "-e", "-d", "-C", "-L", "-S", "-Z", "--set"],
  ...["-t", "-u", "--sctp-service", "-f", "-r", "-s", "-b", "-p", "-M", "--pe", "-o"],
  ...["-g", "-i", "-m", "-w", "-x", "-y", "--tun-type", "--tun-port", "--tun-nocsum", "--tun-csum", "--tun-remcsum"],
  ...["-c", "-n", "--nosort", "--sort", "--timeout", "--exact"],
];

/** What the options of one line have said so far. */
class Line {
  readonly #words: readonly string[];
  readonly #origin: Origin;
  #at = 0;
  #command = "";
  #selector: ServiceSelector | null = null;
  #server: { readonly address: Ipv4; readonly port: number | null } | null = null;
  #scheduler = "wlc";
  #flags: SchedulerFlags = NO_FLAGS;
  #timeoutS: number | null = null;
  #netmask: Ipv4 | null = null;
  #engine: string | null = null;
  #onePacket = false;
  #forwarding: "masq" | "gate" | "tunnel" = "gate";
  #tunnel: Tunnel = { type: "ipip", port: 0, checksum: "none" };
  #weight = 1;
  #upper = 0;
  #lower = 0;
  #connections = false;
  #timeouts = false;
  #sorted = true;

  constructor(words: readonly string[], origin: Origin) {
    this.#words = words;
    this.#origin = origin;
  }

  read(): IpvsadmCommand {
    if (this.#words.length === 0) return { kind: "list", what: "services", sorted: true };
    while (this.#at < this.#words.length) {
      const word = this.#next();
      if (/^-[LlSZ][a-z]+$/.test(word)) this.#bundle(word);
      else this.#option(COMMANDS[word] ?? OPTIONS[word] ?? word);
      if (this.#command === "--set") return this.#setTimeouts();
    }
    return this.#finish();
  }

  #next(): string {
    return this.#words[this.#at++] ?? "";
  }

  /** `-Ln`, `-Lcn`, `-Sn`: a command with short options behind it. */
  #bundle(word: string): void {
    this.#option(word[1] === "l" ? "-L" : `-${word[1]}`);
    for (const letter of word.slice(2)) this.#option(`-${letter}`);
  }

  #value(option: string, what: string): string {
    const word = this.#words[this.#at];
    if (word === undefined) throw new LineFault(`${option}: ${what} is expected`);
    this.#at++;
    return word;
  }

  #number(option: string, low: number, high: number): number {
    const text = this.#value(option, "a number");
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw new LineFault(`${option}: ${JSON.stringify(text)} is no number from ${low} to ${high}`);
  }

  #option(option: string): void {
    switch (option) {
      case "-A":
      case "-E":
      case "-D":
      case "-a":
      case "-e":
      case "-d":
      case "-C":
      case "-L":
      case "-S":
      case "-Z":
      case "--set":
        if (this.#command !== "") throw new LineFault(`${option}: ${this.#command} was given already`);
        this.#command = option;
        return;
      case "-t":
        return this.#addressSelector(option, "tcp");
      case "-u":
        return this.#addressSelector(option, "udp");
      case "--sctp-service":
        return this.#addressSelector(option, "sctp");
      case "-f":
        this.#selector = { kind: "fwmark", family: 4, mark: this.#number(option, 1, 0xffff_ffff) };
        return;
      case "-r":
        this.#server = this.#end(option);
        return;
      case "-s":
        this.#scheduler = this.#value(option, "a scheduler");
        return;
      case "-b":
        return this.#readFlags();
      case "-p":
        this.#timeoutS = /^\d/.test(this.#words[this.#at] ?? "") ? this.#number(option, 1, 86_400 * 31) : 300;
        return;
      case "-M":
        return this.#readNetmask();
      case "--pe":
        this.#engine = this.#value(option, "a persistence engine");
        return;
      case "-o":
        this.#onePacket = true;
        return;
      case "-g":
        this.#forwarding = "gate";
        return;
      case "-i":
        this.#forwarding = "tunnel";
        return;
      case "-m":
        this.#forwarding = "masq";
        return;
      case "-w":
        this.#weight = this.#number(option, 0, 0x7fff_ffff);
        return;
      case "-x":
        this.#upper = this.#number(option, 0, 65_535);
        return;
      case "-y":
        this.#lower = this.#number(option, 0, 65_535);
        return;
      case "--tun-type":
        return this.#readTunnelType();
      case "--tun-port":
        this.#tunnel = { ...this.#tunnel, port: this.#number(option, 1, 65_535) };
        return;
      case "--tun-nocsum":
        this.#tunnel = { ...this.#tunnel, checksum: "none" };
        return;
      case "--tun-csum":
        this.#tunnel = { ...this.#tunnel, checksum: "full" };
        return;
      case "--tun-remcsum":
        this.#tunnel = { ...this.#tunnel, checksum: "remote" };
        return;
      case "-c":
        this.#connections = true;
        return;
      case "--timeout":
        this.#timeouts = true;
        return;
      case "--nosort":
        this.#sorted = false;
        return;
      case "-n":
      case "--sort":
      case "--exact":
        return;
      default:
        throw new LineFault(`${JSON.stringify(option)} is not built yet${suggestion(option, KNOWN)}`);
    }
  }

  #addressSelector(option: string, protocol: ServiceProtocol): void {
    const { address, port } = this.#end(option);
    this.#selector = { kind: "address", family: 4, protocol, address, port: port ?? 0 };
  }

  #end(option: string): { readonly address: Ipv4; readonly port: number | null } {
    const text = this.#value(option, "ADDRESS[:PORT]");
    if (text.includes("[")) throw new LineFault(`${option}: IPv6 is not built yet: ${text}`);
    const [host = "", port, ...rest] = text.split(":");
    const address = parseIpv4(host);
    if (address === undefined) throw new LineFault(`${option}: ${explainIpv4(host)}`);
    if (port === undefined) return { address, port: null };
    if (rest.length > 0 || !/^\d{1,5}$/.test(port) || Number(port) > 65_535)
      throw new LineFault(`${option}: ${JSON.stringify(port)} is no port from 0 to 65535`);
    return { address, port: Number(port) };
  }

  #readFlags(): void {
    const flags = parseFlags(this.#value("-b", "flags"));
    if ("unknown" in flags)
      throw new LineFault(
        `-b: ${JSON.stringify(flags.unknown)} is none of sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2, flag-3`,
      );
    this.#flags = flags;
  }

  #readNetmask(): void {
    const text = this.#value("-M", "a netmask");
    const mask = parseIpv4(text);
    if (mask === undefined) throw new LineFault(`-M: ${explainIpv4(text)}`);
    if (mask !== 0 && ((~mask + 1) & ~mask) !== 0)
      throw new LineFault(`-M: ${text} is no netmask: its ones must stand together`);
    this.#netmask = mask;
  }

  #readTunnelType(): void {
    const type = this.#value("--tun-type", "ipip, gue or gre");
    if (type !== "ipip" && type !== "gue" && type !== "gre")
      throw new LineFault(`--tun-type: ${JSON.stringify(type)} is none of ipip, gue, gre`);
    this.#tunnel = { ...this.#tunnel, type };
  }

  #setTimeouts(): IpvsadmCommand {
    const [tcpS, tcpFinS, udpS] = [0, 0, 0].map(() => this.#number("--set", 0, 86_400 * 31));
    return {
      kind: "set",
      timeouts: { tcpS: tcpS as number, tcpFinS: tcpFinS as number, udpS: udpS as number },
    };
  }

  #finish(): IpvsadmCommand {
    switch (this.#command) {
      case "-A":
        return { kind: "add-service", service: this.#service() };
      case "-E":
        return { kind: "edit-service", service: this.#service() };
      case "-D":
        return { kind: "delete-service", selector: this.#needSelector() };
      case "-a":
        return { kind: "add-server", selector: this.#needSelector(), server: this.#realServer() };
      case "-e":
        return { kind: "edit-server", selector: this.#needSelector(), server: this.#realServer() };
      case "-d":
        return { kind: "delete-server", selector: this.#needSelector(), server: this.#needServer() };
      case "-C":
        return { kind: "clear" };
      case "-S":
        return { kind: "save" };
      case "-Z":
        return { kind: "zero" };
      case "-L": {
        const what = this.#connections ? "connections" : this.#timeouts ? "timeouts" : "services";
        return { kind: "list", what, sorted: this.#sorted };
      }
      default:
        throw new LineFault("a command is expected, such as -A, -a, -e, -d or -L");
    }
  }

  #needSelector(): ServiceSelector {
    if (this.#selector === null) throw new LineFault(`${this.#command}: a service is expected: -t, -u or -f`);
    return this.#selector;
  }

  #service(): VirtualService {
    const selector = this.#needSelector();
    if (selector.kind === "address" && selector.port === 0 && this.#timeoutS === null)
      throw new LineFault("a service on every port (port 0) must be persistent: add -p");
    if (this.#netmask !== null && this.#timeoutS === null)
      throw new LineFault("-M: a netmask is a persistent service's: add -p");
    const persistence: Persistence | null =
      this.#timeoutS === null ? null : { timeoutS: this.#timeoutS, netmask: this.#netmask ?? -1 };
    return {
      selector,
      scheduler: this.#scheduler,
      flags: this.#flags,
      persistence,
      onePacket: this.#onePacket,
      engine: this.#engine,
      servers: [],
      ordered: true,
      origin: this.#origin,
    };
  }

  /** Without a port a server has its service's. */
  #needServer(): { readonly address: Ipv4; readonly port: number } {
    if (this.#server === null) throw new LineFault(`${this.#command}: a real server is expected: -r ADDRESS:PORT`);
    const selector = this.#needSelector();
    const port = this.#server.port ?? (selector.kind === "address" ? selector.port : 0);
    return { address: this.#server.address, port };
  }

  #realServer(): RealServer {
    const { address, port } = this.#needServer();
    const selector = this.#needSelector();
    // "With the tunneling and direct routing methods, port must be equal to that of the service address" (parse_service).
    const own = this.#forwarding === "masq" || selector.kind === "fwmark" ? port : selector.port;
    const forwarding: Forwarding =
      this.#forwarding === "tunnel" ? { kind: "tunnel", tunnel: this.#tunnel } : { kind: this.#forwarding };
    return {
      address,
      port: own,
      forwarding,
      weight: this.#weight,
      upper: this.#upper,
      lower: this.#lower,
      active: 0,
      inactive: 0,
      origin: this.#origin,
    };
  }
}
