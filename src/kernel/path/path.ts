import type { Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import type { Stack } from "../stack.ts";

/**
 * The places where a packet's way leads back to an earlier stage: an error that takes its own way out, a frame that comes
 * in again by a bridge or a tunnel. Stages call these through `stack.path`, so that no stage imports one before it.
 * Every function takes the packet over.
 */
export interface Path {
  /** `dev_queue_xmit`: a framed packet leaves by a device. */
  transmit(stack: Stack, dev: NetDevice, packet: Packet): void;
  /** `netif_receive_skb`: a frame comes in by a device. */
  receive(stack: Stack, dev: NetDevice, packet: Packet): void;
  /** `ip_local_out`: a routed packet made here; 0 or the errno its sender sees. */
  localOut(stack: Stack, packet: Packet): number;
  /** A frame that traffic control had redirected goes on as if it came in by, or left by, a device past its filters. */
  receiveClassified(stack: Stack, dev: NetDevice, packet: Packet): void;
  transmitClassified(stack: Stack, dev: NetDevice, packet: Packet): number;
  /** The last of that: OUTPUT and what follows, of a packet that its VRF has routed (`vrf_ip_local_out`). */
  localOutHook(stack: Stack, packet: Packet): number;
  /** `neigh_xmit`: a packet leaves for a next hop on a device, past all hooks. */
  neighbourOutput(stack: Stack, dev: NetDevice, nextHop: number, packet: Packet): void;
  /** `br_handle_frame_finish`: a frame goes on through a bridge. */
  bridgeFrameFinish(stack: Stack, bridge: NetDevice, port: NetDevice, packet: Packet): void;
}
