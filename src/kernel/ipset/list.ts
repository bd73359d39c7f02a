import type { TextLine } from "../tool-text.ts";

/**
 * Sets as `ipset list` prints them (ipset(8)), as the lines of `ipset save`, each with the line it stands for:
 *
 *     Name: KUBE-CLUSTER-IP
 *     Type: hash:ip,port
 *     Header: family inet hashsize 1024 maxelem 65536
 *     Members:
 *     10.96.0.1,tcp:443
 */
export function ipsetSaveOfList(lines: readonly TextLine[]): TextLine[] {
  const save: TextLine[] = [];
  let open: { name: string; type: string; at: TextLine; header: string; members: boolean } | null = null;
  for (const line of lines) {
    const text = line.text.trim();
    const [, field, value = ""] = /^([A-Z][\w ]*):\s*(.*)$/.exec(text) ?? [];
    if (field === "Name") open = { name: value, type: "", at: line, header: "", members: false };
    else if (open === null || text === "") continue;
    else if (field === "Type") open.type = value;
    else if (field === "Header") open.header = value;
    else if (field === "Members") {
      open.members = true;
      const create = `create ${open.name} ${open.type} ${open.header}`.trimEnd();
      save.push({ number: open.at.number, text: create });
    } else if (open.members) save.push({ number: line.number, text: `add ${open.name} ${text}` });
  }
  return save;
}
