import { type TextLine, type ToolText, ToolTextDraft, WordReader } from "../tool-text.ts";

type Draft = Record<string, unknown>;

/**
 * Forwarding entries as `bridge fdb` prints them for people (iproute2, `bridge/fdb.c`), in the form of `bridge -j fdb`:
 *
 *     33:33:00:00:00:01 dev eth0 self permanent
 *     be:e5:a7:00:c2:e4 dev flannel.1 dst 172.31.7.92 self permanent
 */
export function parseBridgeFdbText(lines: readonly TextLine[]): ToolText {
  const draft = new ToolTextDraft();
  for (const line of lines) {
    const words = new WordReader(line.text);
    const mac = words.next();
    if (mac === "") continue;
    if (!/^(?:[\da-f]{2}:){5}[\da-f]{2}$/i.test(mac)) {
      draft.odd.push(line);
      continue;
    }
    const item = readEntry(mac, words);
    if (item === null) {
      const message = `${JSON.stringify(line.text.trim())} was cut off: "MAC dev DEVICE … self|master BRIDGE" is expected`;
      draft.fault(line, message);
    } else draft.add(item, line);
  }
  return draft;
}

const FDB_VALUES: Readonly<Record<string, string>> = {
  dev: "ifname",
  master: "master",
  dst: "dst",
  via: "viaIf",
};

const FDB_NUMBERS: Readonly<Record<string, string>> = {
  vlan: "vlan",
  port: "port",
  vni: "vni",
  src_vni: "src_vni",
  nhid: "nhid",
};

const FDB_FLAGS = new Set(["self", "router", "extern_learn", "offload", "sticky", "added_by_user", "locked"]);

function readEntry(mac: string, words: WordReader): Draft | null {
  const item: Draft = { mac };
  const flags: string[] = [];
  let state = "";
  while (!words.done) {
    const word = words.next();
    if (FDB_FLAGS.has(word)) flags.push(word);
    else if (word === "permanent" || word === "static" || word === "stale") state = word;
    else if (word === "used") words.next();
    else {
      const value = words.next();
      if (value === "") return null;
      const field = FDB_VALUES[word];
      const number = FDB_NUMBERS[word];
      if (field !== undefined) item[field] = value;
      else if (number !== undefined) item[number] = Number(value);
      else return null;
    }
  }
  return Object.hasOwn(item, "ifname") ? { ...item, flags, state } : null;
}

/**
 * Bridge ports as `bridge -d link` prints them for people (iproute2, `bridge/link.c`), in the form of `bridge -j -d link`:
 *
 *     4: veth83154b69@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 master cni0 state forwarding priority 32 cost 2
 *         hairpin off guard off root_block off fastleave off learning on flood on mcast_flood on bcast_flood on isolated off
 */
export function parseBridgeLinkText(lines: readonly TextLine[]): ToolText {
  const draft = new ToolTextDraft();
  let port: Draft | null = null;
  for (const line of lines) {
    if (line.text.trim() === "") continue;
    const head = /^\s*(\d+): ([^\s:@]+)(?:@[^\s:]+)?: <([^>]*)>(.*)$/.exec(line.text);
    if (head !== null) {
      const [, ifindex, ifname, flags = "", rest = ""] = head;
      port = { ifindex: Number(ifindex), ifname, flags: flags === "" ? [] : flags.split(",") };
      readPairs(port, new WordReader(rest));
      if (Object.hasOwn(port, "master")) draft.add(port, line);
      else port = null;
    } else if (port !== null && /^\s+\w/.test(line.text)) readPairs(port, new WordReader(line.text));
    else draft.odd.push(line);
  }
  return draft;
}

function readPairs(port: Draft, words: WordReader): void {
  while (!words.done) {
    const name = words.next();
    const value = words.next();
    if (value === "") return;
    if (value === "on" || value === "off") port[name] = value === "on";
    else port[name] = /^\d{1,10}$/.test(value) ? Number(value) : value;
  }
}
