import type { Socket, Sockets } from "../kernel/socket/socket.ts";
import type { Pod } from "../object/kubernetes-object.ts";
import type { ObjectOrigins } from "./object-origins.ts";

/**
 * What listens in a pod: the ports its containers declare, and nothing else; a pod that declares none is taken to listen
 * everywhere.
 */
export function podSockets(pod: Pod, origins: ObjectOrigins): Sockets {
  const sockets = declaredSockets(pod, origins);
  return sockets.length === 0 ? { kind: "assumed" } : { kind: "listed", sockets };
}

/** The declared ports of a pod, also of one that shares its node's network. Its containers share one loopback. */
export function declaredSockets(pod: Pod, origins: ObjectOrigins): Socket[] {
  return pod.spec.containers.flatMap((container, i) =>
    (container.ports ?? []).map((port, j): Socket => {
      const proto = (port.protocol ?? "TCP").toLowerCase();
      return {
        proto: proto === "udp" || proto === "sctp" ? proto : "tcp",
        families: [4, 6],
        address: null,
        dev: null,
        port: port.containerPort,
        app: { kind: "line" },
        origin: origins.of(pod, ["spec", "containers", i, "ports", j]),
      };
    }),
  );
}
