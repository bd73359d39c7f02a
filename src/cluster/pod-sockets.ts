import { ORIGIN_NONE } from "../kernel/origin.ts";
import type { Socket, Sockets } from "../kernel/socket/socket.ts";
import type { Pod } from "../object/kubernetes-object.ts";

/**
 * What listens in a pod: the ports its containers declare, and nothing else; a pod that declares none is taken to listen
 * everywhere.
 */
export function podSockets(pod: Pod): Sockets {
  const sockets = declaredSockets(pod);
  return sockets.length === 0 ? { kind: "assumed" } : { kind: "listed", sockets };
}

/** The declared ports of a pod, also of one that shares its node's network. */
export function declaredSockets(pod: Pod): Socket[] {
  return pod.spec.containers.flatMap((container) =>
    (container.ports ?? []).map((port): Socket => {
      const proto = (port.protocol ?? "TCP").toLowerCase();
      return {
        proto: proto === "udp" || proto === "sctp" ? proto : "tcp",
        address: null,
        dev: null,
        port: port.containerPort,
        app: { kind: "line" },
        origin: ORIGIN_NONE,
      };
    }),
  );
}
