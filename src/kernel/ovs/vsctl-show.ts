import type { Origin } from "../origin.ts";
import type { OvsTextError } from "./dump-flows.ts";
import type { OpenVswitch, OvsBridge, OvsPort, OvsTarget } from "./open-vswitch.ts";
import { isWhole, splitList, unquote } from "./split-list.ts";

/**
 * The text of `ovs-vsctl show` (utilities/ovs-vsctl.c, `cmd_show_tables`), parsed and printed: rows below one another by their
 * indentation, and of each row the columns that are not empty.
 */

interface Row {
  readonly table: string;
  readonly name: string;
  readonly line: number;
  readonly columns: Map<string, string>;
  readonly rows: Row[];
}

const VLAN = "(?:[1-3]?\\d{1,3}|40[0-8]\\d|409[0-5])";
/** Columns that hold numbers of VLANs. */
const VLANS: Readonly<Record<string, RegExp>> = {
  tag: new RegExp(`^${VLAN}$`),
  trunks: new RegExp(`^\\[?${VLAN}(?:, ?${VLAN})*\\]?$`),
};

export function parseVsctlShow(
  text: string,
  originOf: (line: number) => Origin,
): { readonly ovs: OpenVswitch; readonly errors: readonly OvsTextError[] } {
  const errors: OvsTextError[] = [];
  const root: Row = { table: "Open_vSwitch", name: "", line: 0, columns: new Map(), rows: [] };
  let uuid: string | null = null;
  const open: { readonly depth: number; readonly row: Row }[] = [{ depth: -1, row: root }];
  for (const [i, line] of text.split("\n").entries()) {
    const own = line.trim();
    if (own === "") continue;
    const depth = line.length - line.trimStart().length;
    while (open.length > 1 && (open.at(-1)?.depth ?? -1) >= depth) open.pop();
    const above = open.at(-1)?.row ?? root;
    const [, table, name = ""] = /^(Manager|Bridge|Controller|Port|Interface|Mirror) (.+)$/.exec(own) ?? [];
    const [, column, value = ""] = /^(\w+): ?(.*)$/.exec(own) ?? [];
    if (table !== undefined) {
      const row: Row = { table, name: unquote(name), line: i + 1, columns: new Map(), rows: [] };
      above.rows.push(row);
      open.push({ depth, row });
    } else if (column !== undefined) {
      const fault = faultOf(column, value);
      if (fault === null) above.columns.set(column, value);
      else errors.push({ line: i + 1, message: `${column}: ${value} ${fault}` });
    } else if (/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(own)) uuid = own;
    else errors.push({ line: i + 1, message: 'is no line of "ovs-vsctl show"' });
  }
  const bridges = root.rows
    .filter(({ table }) => table === "Bridge")
    .map((row) => bridgeOf(row, originOf(row.line)));
  const version = root.columns.get("ovs_version");
  return {
    ovs: {
      uuid,
      managers: targetsOf(root, "Manager"),
      bridges,
      version: version === undefined ? null : unquote(version),
    },
    errors,
  };
}

function faultOf(column: string, value: string): string | null {
  if (VLANS[column]?.test(value) === false) return "is none of VLANs, 0 to 4095";
  if (column !== "options") return null;
  const isMap =
    /^\{.*\}$/.test(value) && isWhole(value) && partsOf(value).every((part) => part.includes("="));
  return isMap
    ? null
    : 'is no list of options: "{key=flow, remote_ip="10.0.0.2"}" is the form that is expected';
}

function targetsOf({ rows }: Row, table: string): OvsTarget[] {
  return rows
    .filter((row) => row.table === table)
    .map(({ name, columns }) => ({ target: name, connected: columns.get("is_connected") === "true" }));
}

function bridgeOf(row: Row, origin: Origin): OvsBridge {
  const mode = row.columns.get("fail_mode");
  return {
    name: row.name,
    controllers: targetsOf(row, "Controller"),
    failMode: mode === "secure" || mode === "standalone" ? mode : null,
    datapath: row.columns.get("datapath_type") ?? null,
    ports: row.rows.filter(({ table }) => table === "Port").flatMap(portsOf),
    flows: null,
    groups: [],
    origin,
  };
}

function portsOf({ columns, rows }: Row): OvsPort[] {
  const tag = columns.get("tag");
  const trunks = columns.get("trunks")?.replace(/^\[|\]$/g, "") ?? "";
  return rows
    .filter(({ table }) => table === "Interface")
    .map(({ name, columns: own }): OvsPort => {
      const error = own.get("error");
      return {
        name,
        number: null,
        type: unquote(own.get("type") ?? ""),
        options: optionsOf(own.get("options") ?? "{}"),
        tag: tag === undefined ? null : Number(tag),
        trunks: trunks === "" ? [] : trunks.split(",").map(Number),
        protected: columns.get("protected") === "true",
        error: error === undefined ? null : unquote(error),
        flood: true,
      };
    });
}

function partsOf(options: string): string[] {
  return splitList(options.slice(1, -1));
}

/** `{key=flow, remote_ip="10.0.0.2"}`. */
function optionsOf(text: string): Map<string, string> {
  return new Map(
    partsOf(text).map((part): [string, string] => {
      const at = part.indexOf("=");
      return [unquote(part.slice(0, at)), unquote(part.slice(at + 1))];
    }),
  );
}

/** As the tool prints it; a bond's interfaces, which are ports of their own here, stand below ports of their own. */
export function formatVsctlShow({ uuid, managers, bridges, version }: OpenVswitch): string {
  const lines: string[] = [];
  const put = (depth: number, text: string): void => {
    lines.push(`${"    ".repeat(depth)}${text}`);
  };
  const targets = (depth: number, table: string, list: readonly OvsTarget[]): void => {
    for (const { target, connected } of list) {
      put(depth, `${table} ${atom(target)}`);
      if (connected) put(depth + 1, "is_connected: true");
    }
  };
  if (uuid !== null) put(0, uuid);
  targets(1, "Manager", managers);
  for (const bridge of bridges) {
    put(1, `Bridge ${atom(bridge.name)}`);
    targets(2, "Controller", bridge.controllers);
    if (bridge.failMode !== null) put(2, `fail_mode: ${bridge.failMode}`);
    if (bridge.datapath !== null) put(2, `datapath_type: ${bridge.datapath}`);
    for (const port of bridge.ports) {
      put(2, `Port ${atom(port.name)}`);
      if (port.tag !== null) put(3, `tag: ${port.tag}`);
      if (port.trunks.length > 0) put(3, `trunks: [${port.trunks.join(", ")}]`);
      // No column that the tool shows.
      if (port.protected) put(3, "protected: true");
      put(3, `Interface ${atom(port.name)}`);
      if (port.type !== "") put(4, `type: ${port.type}`);
      const options = [...port.options].map(([name, value]) => `${name}=${atom(value)}`);
      if (options.length > 0) put(4, `options: {${options.join(", ")}}`);
      if (port.error !== null) put(4, `error: ${atom(port.error)}`);
    }
  }
  if (version !== null) put(1, `ovs_version: ${JSON.stringify(version)}`);
  return lines.map((line) => `${line}\n`).join("");
}

/** A word as the database prints it: quoted unless it is a plain name (`string_needs_quotes`). */
function atom(text: string): string {
  const plain = /^[A-Za-z_][\w.-]*$/.test(text) && text !== "true" && text !== "false";
  return plain ? text : JSON.stringify(text);
}
