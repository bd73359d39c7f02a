import { ORIGIN_NONE, type Origin } from "../origin.ts";
import { parseOvsFlows } from "./dump-flows.ts";
import { parseOvsGroups } from "./dump-groups.ts";
import { parseOfctlShow, withShownPorts } from "./ofctl-show.ts";
import { NO_OPEN_VSWITCH, type OpenVswitch, type OvsBridge } from "./open-vswitch.ts";
import { parseVsctlShow } from "./vsctl-show.ts";

/** Open vSwitch put together from what its tools printed: the database first, then bridge by bridge. */
export class OpenVswitchReader {
  readonly #fault: (field: string, line: number, message: string) => void;
  #ovs: OpenVswitch | null = null;

  constructor(fault: (field: string, line: number, message: string) => void) {
    this.#fault = fault;
  }

  /** null: nothing was said. */
  get ovs(): OpenVswitch | null {
    return this.#ovs;
  }

  database(text: string, originOf: (line: number) => Origin): void {
    const { ovs, errors } = parseVsctlShow(text, originOf);
    for (const { line, message } of errors) this.#fault("ovsVsctl", line, message);
    this.#ovs = ovs;
  }

  show(bridge: string, text: string): void {
    this.#change(bridge, (before) => withShownPorts(before, parseOfctlShow(text)));
  }

  flows(bridge: string, text: string, originOf: (line: number) => Origin): void {
    const { flows, errors } = parseOvsFlows(text, originOf);
    for (const { line, message } of errors) this.#fault(`ovsFlows.${bridge}`, line, message);
    this.#change(bridge, (before) => ({ ...before, flows }));
  }

  groups(bridge: string, text: string, originOf: (line: number) => Origin): void {
    const { groups, errors } = parseOvsGroups(text, originOf);
    for (const { line, message } of errors) this.#fault(`ovsGroups.${bridge}`, line, message);
    this.#change(bridge, (before) => ({ ...before, groups }));
  }

  /** A bridge that the database did not name is there all the same. */
  #change(name: string, change: (bridge: OvsBridge) => OvsBridge): void {
    const ovs = this.#ovs ?? NO_OPEN_VSWITCH;
    const known = ovs.bridges.some((bridge) => bridge.name === name);
    const bridges = known ? ovs.bridges : [...ovs.bridges, emptyBridge(name)];
    this.#ovs = {
      ...ovs,
      bridges: bridges.map((bridge) => (bridge.name === name ? change(bridge) : bridge)),
    };
  }
}

function emptyBridge(name: string): OvsBridge {
  return {
    name,
    controllers: [],
    failMode: null,
    datapath: null,
    ports: [],
    flows: null,
    groups: [],
    origin: ORIGIN_NONE,
  };
}
