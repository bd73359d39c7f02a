import type { Packet } from "../../packet/packet.ts";
import type { CompiledOvsBridge, CompiledOvsFlow, CompiledOvsPort } from "../ovs/compile-bridge.ts";
import { matches } from "../ovs/compile-match.ts";
import { AT_CONJ_ID, AT_IN_PORT, MEMORY_WORDS } from "../ovs/field.ts";
import { OvsKey } from "../ovs/packet-field.ts";
import type { Stack } from "../stack.ts";
import { OP_OVS } from "../tape.ts";
import { OvsActions } from "./ovs-actions.ts";
import { OvsRun, type OvsTables } from "./ovs-run.ts";

/**
 * Open vSwitch (ofproto/ofproto-dpif-xlate.c, net/openvswitch): a frame comes into a bridge by a port and goes through its
 * tables of flows. What is done with it is in `ovs-actions.ts`.
 */

/** `MAX_DEPTH` of tables within one another, and `MAX_RESUBMITS` of all. */
const MAX_DEPTH = 64;
const MAX_LOOKUPS = 4096;

/**
 * A frame comes into a bridge by one of its ports. Takes the packet over.
 *
 * @param memory what a tunnel said of it (`AT_TUN_…`), or nothing
 */
export function ovsReceive(
  stack: Stack,
  port: CompiledOvsPort,
  packet: Packet,
  memory: Int32Array = new Int32Array(MEMORY_WORDS),
): void {
  const run = new OvsRun(stack, TABLES);
  throughBridge(run, port, new OvsKey(packet, memory));
  if (run.sent > 0) stack.pool.release(packet);
  else stack.kill(packet, run.why());
}

function throughBridge(run: OvsRun, port: CompiledOvsPort, key: OvsKey): void {
  key.memory[AT_IN_PORT] = port.number;
  const { bridge } = port;
  const { flows, controllers, failMode } = bridge.plain;
  const actions = new OvsActions(run, port, key);
  if (flows === null) {
    if (failMode !== "secure" && controllers.length === 0) actions.normal();
    else {
      run.stack.engine.unmodelled.add(`the flows of ${bridge.plain.name}, which the dump lacks`);
      run.unmodelled = true;
    }
    return;
  }
  throughTable(actions, bridge.firstTable, port.number);
  actions.finish();
}

function throughTable(actions: OvsActions, table: string, inPort: number): void {
  const { run, key } = actions;
  if (actions.depth >= MAX_DEPTH || ++run.lookups > MAX_LOOKUPS) {
    run.tooDeep = true;
    return;
  }
  const before = key.memory[AT_IN_PORT] as number;
  key.memory[AT_IN_PORT] = inPort;
  const flow = lookup(run.stack, actions.port.bridge, table, key);
  key.memory[AT_IN_PORT] = before;
  run.missed = flow === null;
  note(run.stack, actions.port.bridge, flow, table, key);
  if (flow === null) return;
  const tableBefore = actions.table;
  actions.table = table;
  actions.depth++;
  actions.all(flow.actions);
  actions.depth--;
  actions.table = tableBefore;
}

const TABLES: OvsTables = { throughBridge, throughTable, receive: ovsReceive };

/** `classifier_lookup`: the flow of the highest priority, where one of conjunctions counts once all its clauses are met. */
function lookup(stack: Stack, bridge: CompiledOvsBridge, table: string, key: OvsKey): CompiledOvsFlow | null {
  const flows = bridge.tables.get(table);
  if (flows === undefined) return null;
  const clauses: CompiledOvsFlow[] = [];
  let hard: CompiledOvsFlow | null = null;
  for (let i = 0; i < flows.length; i++) {
    const flow = flows[i] as CompiledOvsFlow;
    if (!isMatch(stack, bridge, flow, key)) continue;
    if (flow.isClause) clauses.push(flow);
    else {
      hard = flow;
      break;
    }
  }
  const limit = hard?.priority ?? -1;
  for (let i = 0; i < clauses.length; ) {
    const priority = (clauses[i] as CompiledOvsFlow).priority;
    if (priority <= limit) break;
    let end = i;
    while (end < clauses.length && clauses[end]?.priority === priority) end++;
    const id = conjunctionOf(clauses.slice(i, end));
    const found = id === null ? null : lookupConjunction(stack, bridge, flows, key, id);
    if (found !== null) return found;
    i = end;
  }
  return hard;
}

function isMatch(stack: Stack, bridge: CompiledOvsBridge, flow: CompiledOvsFlow, key: OvsKey): boolean {
  if (!matches(flow.match, key)) return false;
  const [unknown] = flow.match.unknown;
  if (unknown === undefined) return true;
  stack.engine.unmodelled.add(
    `the match ${JSON.stringify(unknown)} of a flow of ${bridge.plain.name}, taken not to match`,
  );
  return false;
}

/** The conjunction of which clauses of every number are met. */
function conjunctionOf(flows: readonly CompiledOvsFlow[]): number | null {
  const met = new Map<number, Set<number>>();
  for (const { actions } of flows) {
    for (const action of actions) {
      if (action.kind !== "conjunction") continue;
      const own = met.get(action.id) ?? new Set();
      met.set(action.id, own.add(action.clause));
      if (own.size === action.clauses) return action.id;
    }
  }
  return null;
}

function lookupConjunction(
  stack: Stack,
  bridge: CompiledOvsBridge,
  flows: readonly CompiledOvsFlow[],
  key: OvsKey,
  id: number,
): CompiledOvsFlow | null {
  const before = key.memory[AT_CONJ_ID] as number;
  key.memory[AT_CONJ_ID] = id;
  const found = flows.find((flow) => !flow.isClause && isMatch(stack, bridge, flow, key)) ?? null;
  key.memory[AT_CONJ_ID] = before;
  return found;
}

function note(
  { tape, host }: Stack,
  bridge: CompiledOvsBridge,
  flow: CompiledOvsFlow | null,
  table: string,
  { packet, memory }: OvsKey,
): void {
  if (packet.number === 0) return;
  const number = /^\d+$/.test(table) ? Number(table) : -1;
  tape?.words6(
    OP_OVS,
    host,
    packet.number,
    bridge.index,
    flow?.index ?? -1,
    number,
    memory[AT_IN_PORT] as number,
  );
}
