import { bridgeFrameFinish } from "./bridge.ts";
import { localOut, localOutHook } from "./local-out.ts";
import type { Path } from "./path.ts";
import { netifReceive } from "./receive.ts";
import { devQueueXmit } from "./transmit.ts";

/** Linux's path: the stages put together. */
export const LINUX_PATH: Path = {
  transmit: devQueueXmit,
  receive: netifReceive,
  localOut,
  localOutHook,
  bridgeFrameFinish,
};
