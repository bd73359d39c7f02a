import { OFPP_LOCAL, type OvsBridge, type OvsPort } from "./open-vswitch.ts";

/** What `ovs-ofctl show` (and `dump-ports-desc`) tells of a bridge's ports: the numbers that flows know them by. */
export interface ShownPort {
  readonly name: string;
  readonly number: number;
  readonly mac: string;
  /** `NO_FLOOD` in its configuration leaves it out of floods. */
  readonly config: string;
}

/** ` 2(p1): addr:aa:55:aa:55:00:10`. */
const PORT = /^\s*(\d+|LOCAL)\(([^)]*)\): addr:(\S+)/;

/** Whatever else the reply says (capabilities, speeds) is passed over. */
export function parseOfctlShow(text: string): ShownPort[] {
  const ports: ShownPort[] = [];
  for (const line of text.split("\n")) {
    const [, number, name = "", mac = ""] = PORT.exec(line) ?? [];
    if (number !== undefined)
      ports.push({ number: number === "LOCAL" ? OFPP_LOCAL : Number(number), name, mac, config: "0" });
    const config = /^\s+config:\s+(.+?)\s*$/.exec(line)?.[1];
    const last = ports.pop();
    if (last !== undefined) ports.push(config === undefined ? last : { ...last, config });
  }
  return ports;
}

/** A bridge with what the reply says of its ports; one that the database did not name is added as a device of the system. */
export function withShownPorts(bridge: OvsBridge, shown: readonly ShownPort[]): OvsBridge {
  const byName = new Map(shown.map((port) => [port.name, port]));
  const known = bridge.ports.map((port): OvsPort => {
    const said = byName.get(port.name);
    byName.delete(port.name);
    return said === undefined ? port : { ...port, number: said.number, flood: !isNoFlood(said) };
  });
  const added = [...byName.values()].map(
    (said): OvsPort => ({
      name: said.name,
      number: said.number,
      type: said.number === OFPP_LOCAL ? "internal" : "",
      options: new Map(),
      tag: null,
      trunks: [],
      protected: false,
      error: null,
      flood: !isNoFlood(said),
    }),
  );
  return { ...bridge, ports: [...known, ...added] };
}

function isNoFlood({ config }: ShownPort): boolean {
  return /\bNO_FLOOD\b/.test(config);
}

/** The lines that say what is kept of the ports; null where no number is known. */
export function formatOfctlShow({ ports }: OvsBridge, macOf: (port: string) => string): string | null {
  const numbered = ports.filter(({ number }) => number !== null);
  if (numbered.length === 0) return null;
  return [...numbered]
    .sort((one, other) => (one.number as number) - (other.number as number))
    .map(
      ({ name, number, flood }) =>
        ` ${number === OFPP_LOCAL ? "LOCAL" : number}(${name}): addr:${macOf(name)}\n` +
        `     config:     ${flood ? "0" : "NO_FLOOD"}\n`,
    )
    .join("");
}
