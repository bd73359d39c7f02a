import { type TextLine, type ToolText, ToolTextDraft } from "../tool-text.ts";

/**
 * Bridges and their ports as `brctl show` prints them (bridge-utils, brctl(8)): an item `{ ifname, linkinfo }` a bridge, and
 * `{ ifname, master }` a port.
 *
 *     bridge name	bridge id		STP enabled	interfaces
 *     br0		8000.626d784e3feb	no		v1
 *     							v3
 */
export function parseBrctlText(lines: readonly TextLine[]): ToolText {
  const draft = new ToolTextDraft();
  let bridge: string | null = null;
  for (const line of lines) {
    const { text } = line;
    if (text.trim() === "" || text.startsWith("bridge name")) continue;
    const [, name, stp, first] =
      /^(\S+)\s+[\da-f]{4}\.[\da-f]{12}\s+(yes|no)(?:\s+(\S+))?\s*$/.exec(text) ?? [];
    const port = name === undefined ? /^\s+(\S+)\s*$/.exec(text)?.[1] : first;
    if (name !== undefined) {
      bridge = name;
      const info_data = { stp_state: stp === "yes" ? 1 : 0 };
      draft.add({ ifname: name, linkinfo: { info_kind: "bridge", info_data } }, line);
    }
    if (port !== undefined && bridge !== null) draft.add({ ifname: port, master: bridge }, line);
    else if (name === undefined) draft.odd.push(line);
  }
  return draft;
}
