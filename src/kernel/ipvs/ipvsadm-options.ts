import { explainIp, familyOfAddress, type IpAddress, parseIp } from "../../address/ip.ts";
import { explainIpv4, parseIpv4 } from "../../address/ipv4.ts";
import { lengthOfMask } from "../../address/prefix.ts";
import { suggestion } from "../nearest-word.ts";
import { parseFlags } from "./ipvsadm-words.ts";
import {
  type IpvsTimeouts,
  NO_FLAGS,
  type SchedulerFlags,
  type Tunnel,
  type VirtualServiceProtocol,
  type VirtualServiceSelector,
} from "./virtual-service.ts";

/** What is wrong with a line, thrown no further than `parseIpvsadm`. */
export class LineFault extends Error {}

/** A real server's end; null: its service's port. */
export interface ServerEnd {
  readonly address: IpAddress;
  readonly port: number | null;
}

/** Long and other spellings of commands and options. */
const SPELLINGS: Readonly<Record<string, string>> = {
  "--add-service": "-A",
  "--edit-service": "-E",
  "--delete-service": "-D",
  "--add-server": "-a",
  "--edit-server": "-e",
  "--delete-server": "-d",
  "--clear": "-C",
  "--list": "-L",
  "-l": "-L",
  "--save": "-S",
  "--zero": "-Z",
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
  "--ipv6": "-6",
};

const COMMANDS = ["-A", "-E", "-D", "-a", "-e", "-d", "-C", "-L", "-S", "-Z", "--set"];

/** A month: longer than anything a timer here is for. */
const LONGEST_S = 31 * 86_400;

/** What the words of one line say, read from left to right; the last of two says it. */
export class IpvsadmOptions {
  /** The command's letter, `""` for none. */
  command = "";
  selector: VirtualServiceSelector | null = null;
  server: ServerEnd | null = null;
  scheduler = "wlc";
  flags: SchedulerFlags = NO_FLAGS;
  timeoutS: number | null = null;
  /** `-M`'s. */
  prefixLength: number | null = null;
  engine: string | null = null;
  onePacket = false;
  forwarding: "masq" | "gate" | "tunnel" = "gate";
  tunnel: Tunnel = { type: "ipip", port: 0, checksum: "none" };
  weight = 1;
  upper = 0;
  lower = 0;
  connections = false;
  timeouts = false;
  sorted = true;
  /** `--set`'s. */
  times: IpvsTimeouts = { tcpS: 0, tcpFinS: 0, udpS: 0 };
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
    while (this.#at < words.length) {
      const word = words[this.#at++] as string;
      // -Ln, -Lcn, -Sn: a command with short options behind it.
      if (/^-[LlSZ][a-z]+$/.test(word)) for (const letter of word.slice(1)) this.#option(`-${letter}`);
      else this.#option(word);
    }
  }

  readonly #readers: Readonly<Record<string, () => void>> = {
    "-t": () => this.#address("-t", "tcp"),
    "-u": () => this.#address("-u", "udp"),
    "--sctp-service": () => this.#address("--sctp-service", "sctp"),
    "-f": () => {
      this.selector = { kind: "fwmark", family: 4, mark: this.#number("-f", 1, 0xffff_ffff) };
    },
    "-6": () => {
      if (this.selector?.kind !== "fwmark")
        throw new LineFault("-6: a firewall mark comes before it: -f MARK -6");
      this.selector = { ...this.selector, family: 6 };
    },
    "-r": () => {
      this.server = this.#end("-r");
    },
    "-s": () => {
      this.scheduler = this.#value("-s", "a scheduler");
    },
    "-b": () => this.#readFlags(),
    "-p": () => {
      this.timeoutS = /^\d/.test(this.#words[this.#at] ?? "") ? this.#number("-p", 1, LONGEST_S) : 300;
    },
    "-M": () => this.#readNetmask(),
    "--pe": () => {
      this.engine = this.#value("--pe", "a persistence engine");
    },
    "-o": () => {
      this.onePacket = true;
    },
    "-g": () => {
      this.forwarding = "gate";
    },
    "-i": () => {
      this.forwarding = "tunnel";
    },
    "-m": () => {
      this.forwarding = "masq";
    },
    "-w": () => {
      this.weight = this.#number("-w", 0, 0x7fff_ffff);
    },
    "-x": () => {
      this.upper = this.#number("-x", 0, 65_535);
    },
    "-y": () => {
      this.lower = this.#number("-y", 0, 65_535);
    },
    "--tun-type": () => this.#readTunnelType(),
    "--tun-port": () => {
      this.tunnel = { ...this.tunnel, port: this.#number("--tun-port", 1, 65_535) };
    },
    "--tun-nocsum": () => {
      this.tunnel = { ...this.tunnel, checksum: "none" };
    },
    "--tun-csum": () => {
      this.tunnel = { ...this.tunnel, checksum: "full" };
    },
    "--tun-remcsum": () => {
      this.tunnel = { ...this.tunnel, checksum: "remote" };
    },
    "-c": () => {
      this.connections = true;
    },
    "--timeout": () => {
      this.timeouts = true;
    },
    "--nosort": () => {
      this.sorted = false;
    },
    "-n": () => {},
    "--sort": () => {},
    "--exact": () => {},
  };

  #option(spelled: string): void {
    const option = SPELLINGS[spelled] ?? spelled;
    if (COMMANDS.includes(option)) {
      if (this.command !== "") throw new LineFault(`${option}: ${this.command} was given already`);
      this.command = option;
      if (option === "--set") this.#readTimes();
      return;
    }
    const read = Object.hasOwn(this.#readers, option) ? this.#readers[option] : undefined;
    if (read === undefined) {
      const known = [...COMMANDS, ...Object.keys(this.#readers), ...Object.keys(SPELLINGS)];
      throw new LineFault(`${JSON.stringify(spelled)} is not built yet${suggestion(spelled, known)}`);
    }
    read();
  }

  #value(option: string, what: string): string {
    const word = this.#words[this.#at++];
    if (word === undefined) throw new LineFault(`${option}: ${what} is expected`);
    return word;
  }

  #number(option: string, low: number, high: number): number {
    const text = this.#value(option, "a number");
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw new LineFault(`${option}: ${JSON.stringify(text)} is no number from ${low} to ${high}`);
  }

  #address(option: string, protocol: VirtualServiceProtocol): void {
    const { address, port } = this.#end(option);
    this.selector = { kind: "address", family: familyOfAddress(address), protocol, address, port: port ?? 0 };
  }

  #end(option: string): ServerEnd {
    const text = this.#value(option, "ADDRESS[:PORT]");
    const { host, port } = splitEnd(text);
    const address = parseIp(host);
    if (address === undefined) throw new LineFault(`${option}: ${explainIp(host)}`);
    if (port === null) return { address, port: null };
    if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
      throw new LineFault(`${option}: ${JSON.stringify(port)} is no port from 0 to 65535`);
    return { address, port: Number(port) };
  }

  #readFlags(): void {
    const flags = parseFlags(this.#value("-b", "flags"));
    if ("unknown" in flags)
      throw new LineFault(
        `-b: ${JSON.stringify(flags.unknown)} is none of sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2, flag-3`,
      );
    this.flags = flags;
  }

  #readNetmask(): void {
    if (this.selector?.family === 6) {
      this.prefixLength = this.#number("-M", 1, 128);
      return;
    }
    const text = this.#value("-M", "a netmask");
    const mask = parseIpv4(text);
    if (mask === undefined) throw new LineFault(`-M: ${explainIpv4(text)}`);
    const length = lengthOfMask(mask);
    if (length === undefined) throw new LineFault(`-M: ${text} is no netmask: its ones must stand together`);
    this.prefixLength = length;
  }

  #readTunnelType(): void {
    const type = this.#value("--tun-type", "ipip, gue or gre");
    if (type !== "ipip" && type !== "gue" && type !== "gre")
      throw new LineFault(`--tun-type: ${JSON.stringify(type)} is none of ipip, gue, gre`);
    this.tunnel = { ...this.tunnel, type };
  }

  #readTimes(): void {
    this.times = {
      tcpS: this.#number("--set", 0, LONGEST_S),
      tcpFinS: this.#number("--set", 0, LONGEST_S),
      udpS: this.#number("--set", 0, LONGEST_S),
    };
  }
}

/** `10.0.0.1:80`, `[fd00::1]:80`, or either address alone; the port as it is written. */
function splitEnd(text: string): { readonly host: string; readonly port: string | null } {
  const [, bracketed, after] = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? [];
  if (bracketed !== undefined) return { host: bracketed, port: after ?? null };
  const at = text.indexOf(":");
  // More than one colon: an address of IPv6 without its brackets.
  return at < 0 || text.includes(":", at + 1)
    ? { host: text, port: null }
    : { host: text.slice(0, at), port: text.slice(at + 1) };
}
