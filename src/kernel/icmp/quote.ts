import { INNER_QUOTED, type Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";

/** A message about a packet bears the packet's headers, as they are now, and all that hangs on them. */
export function quote(stack: Stack, message: Packet, cause: Packet): void {
  const quoted = stack.pool.take();
  quoted.copyHeaders(cause);
  quoted.framed = false;
  if (cause.inner !== null) quoted.inner = stack.pool.clone(cause.inner);
  message.inner = quoted;
  message.encapsulation = INNER_QUOTED;
}
