import type { TextLine } from "../tool-text.ts";

/**
 * Virtual servers as `ipvsadm -Ln` prints them (ipvsadm(8)), as the lines of `ipvsadm -Sn`, each with the line it stands for:
 *
 *     TCP  10.0.0.1:443 rr persistent 10800 mask 255.255.255.0
 *       -> 192.168.0.1:6443             Masq    1      1          0
 *
 * Which flags belong to a scheduler it prints in the same way.
 */
export function ipvsSaveOfList(lines: readonly TextLine[]): {
  readonly save: readonly TextLine[];
  readonly odd: readonly TextLine[];
} {
  const save: TextLine[] = [];
  const odd: TextLine[] = [];
  let service = "";
  for (const line of lines) {
    const text = line.text.trim();
    if (text === "" || /^(?:IP Virtual Server|Prot\b|-> RemoteAddress)/.test(text)) continue;
    const server = /^->\s+(\S+)\s+(\w+)\s+(\d+)/.exec(text);
    if (server !== null && service !== "") {
      const [, address, forward = "", weight] = server;
      const way = FORWARDS[forward];
      if (way === undefined) odd.push(line);
      else save.push({ number: line.number, text: `-a ${service} -r ${address} ${way} -w ${weight}` });
      continue;
    }
    const found = /^(TCP|UDP|SCTP|FWM)\s+(\S+(?:\s+IPv6(?=\s))?)\s+(\w+)(.*)$/.exec(text);
    if (found === null) {
      odd.push(line);
      continue;
    }
    const [, protocol = "", address = "", scheduler, rest = ""] = found;
    service = `${SERVICES[protocol]} ${address.replace(/\s+IPv6$/, " -6")}`;
    save.push({ number: line.number, text: `-A ${service} -s ${scheduler}${flagsOf(rest)}` });
  }
  return { save, odd };
}

const SERVICES: Readonly<Record<string, string>> = {
  TCP: "-t",
  UDP: "-u",
  SCTP: "--sctp-service",
  FWM: "-f",
};
const FORWARDS: Readonly<Record<string, string>> = { Masq: "-m", Route: "-g", Tunnel: "-i", Local: "-m" };

function flagsOf(rest: string): string {
  const [, seconds] = /\bpersistent (\d+)/.exec(rest) ?? [];
  const [, mask] = /\bmask (\S+)/.exec(rest) ?? [];
  const [, engine] = /\bpe (\S+)/.exec(rest) ?? [];
  const [, flags] = /\(([\w,-]+)\)/.exec(rest) ?? [];
  return [
    flags === undefined ? "" : ` -b ${flags}`,
    seconds === undefined ? "" : ` -p ${seconds}`,
    mask === undefined ? "" : ` -M ${mask}`,
    engine === undefined ? "" : ` --pe ${engine}`,
    /\bops\b/.test(rest) ? " -o" : "",
  ].join("");
}
