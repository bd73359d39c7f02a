import type { FoundSocket } from "../kernel/outbox.ts";
import type { Stack } from "../kernel/stack.ts";

/** The kernel's own socket of a tunnel (`vxlan_create_sock`, `geneve_create_sock`). */
export function tunnelSocket({ net }: Stack, port: number): FoundSocket | null {
  const isTunnels =
    net.ovsTunnels.some(({ tunnel }) => tunnel?.port === port) ||
    net.devices.some(
      ({ plain: { detail } }) =>
        (detail.kind === "vxlan" || detail.kind === "geneve" || detail.kind === "external") &&
        detail.port === port,
    );
  return isTunnels ? { kind: "listener", wildcard: true, transparent: false, mark: 0 } : null;
}
