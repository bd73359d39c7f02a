import type { Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import { routeOutput } from "./output-route.ts";

/** What holds of the route that a packet made here would take to an address; false where there is none. Nothing is written down. */
export function probed(
  stack: Stack,
  family: number,
  dst: number,
  holds: (probe: Packet) => boolean,
): boolean {
  const { engine } = stack;
  const probe = stack.pool.take();
  probe.family = family;
  probe.dst = dst;
  const tape = engine.tape;
  engine.tape = null;
  const error = routeOutput(stack, probe, 0, true);
  engine.tape = tape;
  const answer = error === 0 && holds(probe);
  stack.pool.release(probe);
  return answer;
}
