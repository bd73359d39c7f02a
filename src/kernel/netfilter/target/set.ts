import { optionText } from "../save/option-text.ts";
import { formatSetReference, readSetReference, type SetReference } from "../save/set-reference.ts";
import type { Target, TargetModule } from "./target.ts";

/** Add the packet's addresses to a set, take them out, or take marks from one (net/netfilter/xt_set.c, `set_target_v3`). */
export interface SetTarget extends Target {
  readonly kind: "SET";
  readonly add: SetReference | null;
  /** Renew the timeout of an entry that is there already. */
  readonly exist: boolean;
  /** Seconds; null: the set's own. */
  readonly timeout: number | null;
  readonly del: SetReference | null;
  readonly map: SetReference | null;
  readonly mapMark: boolean;
  readonly mapPrio: boolean;
  readonly mapQueue: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const set: TargetModule<SetTarget> = {
  kind: "SET",
  needsConntrack: false,

  parse(reader) {
    const target: Mutable<SetTarget> = {
      kind: "SET",
      add: null,
      exist: false,
      timeout: null,
      del: null,
      map: null,
      mapMark: false,
      mapPrio: false,
      mapQueue: false,
    };
    const reference = (field: "add" | "del" | "map") => () => {
      target[field] = readSetReference(reader);
    };
    const flag = (field: "exist" | "mapMark" | "mapPrio" | "mapQueue") => () => {
      target[field] = true;
    };
    reader.options({
      "--add-set": reference("add"),
      "--exist": flag("exist"),
      "--timeout": () => {
        target.timeout = reader.uint(0xfffffffe);
      },
      "--del-set": reference("del"),
      "--map-set": reference("map"),
      "--map-mark": flag("mapMark"),
      "--map-prio": flag("mapPrio"),
      "--map-queue": flag("mapQueue"),
    });
    if (target.add === null && target.del === null && target.map === null) {
      reader.fail("it needs --add-set, --del-set or --map-set");
    }
    const maps = target.mapMark || target.mapPrio || target.mapQueue;
    if (target.add === null && target.exist) reader.fail("--exist stands with --add-set alone");
    if (target.add === null && target.timeout !== null) reader.fail("--timeout stands with --add-set alone");
    if (target.map === null && maps)
      reader.fail("--map-mark, --map-prio and --map-queue stand with --map-set alone");
    if (target.map !== null && !maps) reader.fail("--map-set needs --map-mark, --map-prio or --map-queue");
    return target;
  },

  format: (target) =>
    optionText(
      target.add && `--add-set ${formatSetReference(target.add)}`,
      target.exist && "--exist",
      target.timeout !== null && `--timeout ${target.timeout}`,
      target.del && `--del-set ${formatSetReference(target.del)}`,
      target.map && `--map-set ${formatSetReference(target.map)}`,
      target.mapMark && "--map-mark",
      target.mapPrio && "--map-prio",
      target.mapQueue && "--map-queue",
    ),
};
