import { quote } from "../shell-words.ts";
import { formatFlow } from "./dump-flows.ts";
import { formatOvsGroups } from "./dump-groups.ts";
import type { OpenVswitch, OvsBridge, OvsPort } from "./open-vswitch.ts";

/** The commands that make bridges, ports, groups and flows in an Open vSwitch that has none of them. */
export function ovsCommands({ bridges }: OpenVswitch): string[] {
  return bridges.flatMap((bridge) => [
    `ovs-vsctl add-br ${quote(bridge.name)}${bridge.datapath === null ? "" : ` -- set bridge ${quote(bridge.name)} datapath_type=${bridge.datapath}`}`,
    ...(bridge.failMode === null ? [] : [`ovs-vsctl set-fail-mode ${quote(bridge.name)} ${bridge.failMode}`]),
    ...bridge.ports.filter(({ name }) => name !== bridge.name).map((port) => portCommand(bridge, port)),
    ...bridge.groups.map(
      (group) =>
        `ovs-ofctl -O OpenFlow15 add-group ${quote(bridge.name)} ${quote(formatOvsGroups([group]).trim())}`,
    ),
    ...(bridge.flows === null ? [] : [`ovs-ofctl del-flows ${quote(bridge.name)}`]),
    ...(bridge.flows ?? []).map((flow) => {
      const text = formatFlow({ ...flow, stats: null }).replace(" actions=", ",actions=");
      return `ovs-ofctl add-flow ${quote(bridge.name)} ${quote(text)}`;
    }),
  ]);
}

function portCommand(bridge: OvsBridge, port: OvsPort): string {
  const { name, number, type, options, tag, trunks } = port;
  const own = [
    ...(type === "" ? [] : [`type=${type}`]),
    ...[...options].map(([option, value]) => `options:${option}=${value}`),
    ...(number === null ? [] : [`ofport_request=${number}`]),
  ];
  const settings = [
    ...(port.protected ? ["protected=true"] : []),
    ...(tag === null ? [] : [`tag=${tag}`]),
    ...(trunks.length === 0 ? [] : [`trunks=${trunks.join(",")}`]),
  ];
  const add = ["ovs-vsctl add-port", quote(bridge.name), quote(name), ...settings].join(" ");
  return own.length === 0 ? add : `${add} -- set interface ${quote(name)} ${own.map(quote).join(" ")}`;
}
