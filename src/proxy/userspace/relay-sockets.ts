import { parseIp } from "../../address/ip.ts";
import type { Host } from "../../kernel/host.ts";
import { ORIGIN_NONE } from "../../kernel/origin.ts";
import type { RelayTarget } from "../../kernel/socket/relay.ts";
import type { Socket, Sockets } from "../../kernel/socket/socket.ts";
import type { PortModel, ProxyModel } from "../model.ts";
import { type Portal, portalsOf } from "./portals.ts";

/**
 * A host with kube-proxy behind the sockets that its rules of userspace mode lead to (`portalsOf`): it takes what comes there,
 * and opens a connection of its own to an endpoint of the Service, each in turn, or the client's own with ClientIP affinity
 * (`LoadBalancerRR`, pkg/proxy/userspace/roundrobin.go). The host itself where there are no such rules.
 *
 * @param model the Services and their endpoints; null where no objects tell of them
 */
export function withProxySockets(host: Host, model: ProxyModel | null): Host {
  const portals = portalsOf(host.iptables);
  if (portals.length === 0) return host;
  const ports = new Map(model?.ports.map((each) => [`${each.port.protocol} ${each.port.name}`, each]));
  const made = portals.map((portal) =>
    socketOf(portal, model === null ? null : (ports.get(`${portal.protocol} ${portal.name}`) ?? NOTHING)),
  );
  return { ...host, sockets: withSockets(host.sockets, made) };
}

/** A Service that there is no more: kube-proxy took connections until it closed the port. */
const NOTHING: Pick<PortModel, "endpoints"> & { readonly port?: PortModel["port"] } = {
  endpoints: { endpoints: [], copies: new Map() },
};

function socketOf({ name, protocol, proxyPort }: Portal, port: typeof NOTHING | null): Socket {
  return {
    proto: protocol,
    families: [4],
    address: null,
    dev: null,
    port: proxyPort,
    app: {
      kind: "relay",
      relay: {
        name: `kube-proxy for ${name}`,
        targets: port === null ? null : targetsOf(port.endpoints),
        stickyS: port?.port?.affinitySeconds ?? null,
      },
    },
    origin: port?.port?.origin ?? ORIGIN_NONE,
  };
}

/** Those that are ready: the userspace mode read Endpoints, and of them `addresses` alone. */
function targetsOf({ endpoints }: PortModel["endpoints"]): RelayTarget[] {
  return endpoints.flatMap(({ ip, port, ready }) => {
    const address = parseIp(ip);
    return !ready || address === undefined ? [] : [{ address, port }];
  });
}

/** In place of those that a dump shows at the same ports without saying whose they are. */
function withSockets(sockets: Sockets, made: readonly Socket[]): Sockets {
  const isMade = ({ proto, port }: Socket): boolean =>
    made.some((own) => own.proto === proto && own.port === port);
  const all = (list: readonly Socket[]): Socket[] => [...list.filter((socket) => !isMade(socket)), ...made];
  return sockets.kind === "assumed"
    ? { kind: "assumed", known: all(sockets.known ?? []) }
    : { kind: "listed", sockets: all(sockets.sockets) };
}
