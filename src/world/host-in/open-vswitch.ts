import { fieldOf } from "../../kernel/json-fields.ts";
import { OpenVswitchReader } from "../../kernel/ovs/read-ovs.ts";
import type { HostReading } from "./reading.ts";

/** `ovs-vsctl show`, and by bridge what `ovs-ofctl` prints of its ports, flows and groups. */
export function readOpenVswitch(reading: HostReading): void {
  const { json } = reading;
  const text = json.optionalText("ovsVsctl");
  // `ovsFlows.br-int`: the field, then whose.
  const pathOf = (field: string): string => {
    const [first = "", ...rest] = field.split(".");
    return [fieldOf(json.path, first), ...rest].join(".");
  };
  const reader = new OpenVswitchReader((field, line, message) => {
    json.faults.add(`${pathOf(field)}:${line}`, message);
  });
  const at = (field: string) => (line: number) => reading.originOfLine(pathOf(field), line);
  if (text !== null) reader.database(text, at("ovsVsctl"));
  const each = (field: string, read: (bridge: string, own: string) => void): void => {
    const texts = json.object(field);
    for (const bridge of Object.keys(texts?.json ?? {})) read(bridge, texts?.text(bridge) ?? "");
  };
  each("ovsShow", (bridge, own) => reader.show(bridge, own));
  each("ovsFlows", (bridge, own) => reader.flows(bridge, own, at(`ovsFlows.${bridge}`)));
  each("ovsGroups", (bridge, own) => reader.groups(bridge, own, at(`ovsGroups.${bridge}`)));
  const { ovs } = reader;
  if (ovs !== null) reading.add({ kind: "ovs", ovs });
}
