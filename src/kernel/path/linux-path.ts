import { neighbourOutput } from "../neighbour/output.ts";
import { bridgeFrameFinish } from "./bridge.ts";
import { localOut, localOutHook } from "./local-out.ts";
import type { Path } from "./path.ts";
import { netifReceive, receiveClassified } from "./receive.ts";
import { devQueueXmit, transmitClassified } from "./transmit.ts";

/** Linux's path: the stages put together. */
export const LINUX_PATH: Path = {
  transmit: devQueueXmit,
  receive: netifReceive,
  receiveClassified,
  transmitClassified,
  localOut,
  localOutHook,
  neighbourOutput,
  bridgeFrameFinish,
};
