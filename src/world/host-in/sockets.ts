import { fieldOf } from "../../kernel/json-fields.ts";
import type { Socket } from "../../kernel/socket/socket.ts";
import { parseSs } from "../../kernel/socket/ss.ts";
import { parseTunDaemon } from "../../kernel/socket/tun-daemon.ts";
import type { HostReading } from "./reading.ts";

export function readSockets(reading: HostReading): void {
  const daemons = readTunDaemons(reading);
  const text = reading.json.optionalText("sockets");
  if (text === null) {
    reading.add({ kind: "sockets", sockets: { kind: "assumed" } });
    for (const socket of daemons) reading.add({ kind: "socket-open", socket });
    return;
  }
  const field = fieldOf(reading.json.path, "sockets");
  const parsed = parseSs(text, (line) => reading.originOfLine(field, line));
  if (parsed.kind === "invalid") {
    for (const { line, message } of parsed.errors) reading.json.faults.add(`${field}:${line}`, message);
    return;
  }
  const own = parsed.sockets.map((socket) => daemons.find((daemon) => isSamePlace(daemon, socket)) ?? socket);
  const unlisted = daemons.filter((daemon) => !own.includes(daemon));
  reading.add({
    kind: "sockets",
    sockets: { kind: "listed", sockets: [...own, ...unlisted] },
  });
  reading.keep("sockets", parsed.others);
}

/** What stands behind a TUN: `ss` lists such a daemon's socket as any other. */
function readTunDaemons(reading: HostReading): Socket[] {
  return reading.json.objects("tunDaemons").flatMap((item) => {
    const before = item.faults.count;
    const socket = parseTunDaemon(item, reading.origin(item));
    return item.faults.count > before ? [] : [socket];
  });
}

function isSamePlace(one: Socket, other: Socket): boolean {
  return one.proto === other.proto && one.port === other.port && (one.address ?? 0) === (other.address ?? 0);
}
