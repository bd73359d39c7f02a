import { IPV4 } from "../../address/family.ts";
import { formatIpv4 } from "../../address/ipv4.ts";
import { formatPrefix4 } from "../../address/prefix.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import type { Origin } from "../origin.ts";
import type { Socket } from "./socket.ts";

/**
 * Daemons behind a TUN in a snapshot, since no tool prints them:
 *
 *     {"device": "flannel0", "address": "192.168.50.11", "port": 8285,
 *      "peers": [{"subnet": "10.244.2.0/24", "address": "192.168.50.12", "port": 8285}]}
 *
 * `address` is that of the daemon's socket, missing for any; a peer's port is the daemon's own where it is missing.
 */
export function parseTunDaemon(json: JsonFields, origin: Origin): Socket {
  const port = json.integer("port", 1, 65_535);
  return {
    proto: "udp",
    families: [4],
    address: json.optionalAddress("address"),
    dev: null,
    port,
    app: {
      kind: "tun",
      device: json.text("device"),
      peers: json.objects("peers").map((peer) => ({
        subnet: IPV4.networkOf(peer.prefixOf(IPV4, "subnet", {})),
        address: peer.optionalAddress("address") ?? missing(peer),
        port: peer.integer("port", 1, 65_535, port),
        origin,
      })),
    },
    origin,
  };
}

function missing(peer: JsonFields): number {
  if (!peer.has("address"))
    peer.fault("address", "is missing: the address of the daemon that has the subnet");
  return 0;
}

/** The inverse, of the sockets that are such daemons'. */
export function formatTunDaemons(sockets: readonly Socket[]): Json[] {
  return sockets.flatMap(({ app, address, port }) =>
    app.kind !== "tun"
      ? []
      : [
          {
            device: app.device,
            ...(typeof address === "number" ? { address: formatIpv4(address) } : {}),
            port,
            peers: app.peers.map((peer) => ({
              subnet: formatPrefix4(peer.subnet),
              address: formatIpv4(peer.address),
              ...(peer.port === port ? {} : { port: peer.port }),
            })),
          },
        ],
  );
}
