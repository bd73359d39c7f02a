import { type TextLine, type ToolText, ToolTextDraft, WordReader } from "../tool-text.ts";

/**
 * Neighbours as `ip neigh` prints them for people, in the form of `ip -j neigh`:
 *
 *     10.101.3.27 dev bond0.101 lladdr 00:90:fa:7f:b0:78 STALE
 *     10.101.5.71 dev bond0.102  INCOMPLETE
 */
export function parseIpNeighText(lines: readonly TextLine[]): ToolText {
  const draft = new ToolTextDraft();
  for (const line of lines) {
    const words = new WordReader(line.text);
    const dst = words.next();
    if (dst === "") continue;
    if (!/^[\da-f:.]*[.:][\da-f:.]*$/i.test(dst)) {
      draft.odd.push(line);
      continue;
    }
    const item = readEntry(dst, words);
    if (item === null) {
      draft.fault(
        line,
        `${JSON.stringify(line.text.trim())} was cut off: "ADDRESS dev DEVICE lladdr MAC STATE" is expected`,
      );
    } else draft.add(item, line);
  }
  return draft;
}

type Draft = Record<string, unknown>;

const STATES =
  /^(?:PERMANENT|NOARP|REACHABLE|STALE|DELAY|PROBE|INCOMPLETE|FAILED|NONE|permanent|noarp|reachable|stale|delay|probe|incomplete|failed)$/;

function readEntry(dst: string, words: WordReader): Draft | null {
  const item: Draft = { dst };
  const states: string[] = [];
  while (!words.done) {
    const word = words.next();
    if (word === "dev" || word === "lladdr") {
      const value = words.next();
      if (value === "") return null;
      item[word] = value;
    } else if (word === "proxy" || word === "router" || word === "extern_learn" || word === "managed") {
      item[word] = null;
    } else if (STATES.test(word)) states.push(word.toUpperCase());
    // `-s`: times and counts that nothing reads; iproute2 forgets the blank in `used 2/2/2probes 0`.
    else if (word === "used") {
      if (words.next().endsWith("probes")) words.next();
    } else if (word === "probes" || word === "ref" || word === "nud" || word === "proto") words.next();
    else return null;
  }
  const isWhole = Object.hasOwn(item, "dev") && (states.length > 0 || Object.hasOwn(item, "proxy"));
  return isWhole ? { ...item, ...(states.length > 0 ? { state: states } : {}) } : null;
}

/**
 * Neighbours as `arp -n` and `arp -an` print them (net-tools, arp(8)):
 *
 *     Address                  HWtype  HWaddress           Flags Mask            Iface
 *     172.17.0.2               ether   02:42:ac:11:00:02   C                     docker0
 *     ? (172.17.0.3) at 02:42:ac:11:00:03 [ether] on docker0
 *
 * How fresh an entry is it does not say: complete ones are taken for reachable, those marked M or PERM for permanent.
 */
export function parseArpText(lines: readonly TextLine[]): ToolText {
  const draft = new ToolTextDraft();
  for (const line of lines) {
    const text = line.text.trim();
    if (text === "" || /^(?:Address\s+HWtype|Entries:)/.test(text)) continue;
    const item = readTableLine(text) ?? readAtLine(text);
    if (item === null) draft.odd.push(line);
    else draft.add(item, line);
  }
  return draft;
}

const MAC = /^(?:[\da-f]{2}:){5}[\da-f]{2}$/i;
const ADDRESS = /^\d+\.\d+\.\d+\.\d+$/;

function readTableLine(text: string): Draft | null {
  const words = text.split(/\s+/);
  const [dst = "", type = "", mac = "", flags = ""] = words;
  if (!ADDRESS.test(dst) || words.length < 3) return null;
  const dev = words.at(-1) as string;
  if (type === "(incomplete)" || mac === "(incomplete)") return { dst, dev, state: ["INCOMPLETE"] };
  if (type !== "ether" || !MAC.test(mac) || words.length < 5) return null;
  return { dst, dev, lladdr: mac, state: [flags.includes("M") ? "PERMANENT" : "REACHABLE"] };
}

function readAtLine(text: string): Draft | null {
  const found = /^\S+ \((\d+\.\d+\.\d+\.\d+)\) at (\S+)(?: \[\w+\])?( PERM)?.* on (\S+)$/.exec(text);
  if (found === null) return null;
  const [, dst, mac = "", permanent, dev] = found;
  if (mac === "<incomplete>") return { dst, dev, state: ["INCOMPLETE"] };
  return MAC.test(mac)
    ? { dst, dev, lladdr: mac, state: [permanent === undefined ? "REACHABLE" : "PERMANENT"] }
    : null;
}
