import type { Dice } from "./dice.ts";
import type { Rarity } from "./random-faults.ts";
import type { Aim } from "./random-queries.ts";
import { putFirst } from "./rule-text.ts";
import { datagram, type Scene, sceneOf } from "./scene.ts";
import type { Ground } from "./topology.ts";

/** Something put into a world together with the packets that show it, which go to a port of its own. */
export type Showcase = (port: number) => Rarity;

/** Of a node: its packets that pass the rules. */
export type Way = (scene: Scene, made: Partial<Aim>) => Aim[];

const FIRST_PORT = 7001;
const AIMS_EACH = 4;
const SEVERAL = 8;

/**
 * Rules before all others of a table of a node.
 *
 * @param made the rules, by what says that a packet is one of those that are aimed at them
 */
export function rules(
  table: string,
  way: Way,
  made: (asked: string, scene: Scene, ground: Ground, port: number) => readonly string[],
  more: Partial<Aim> = {},
): Showcase {
  return (port) => (dice, ground) => {
    const scene = sceneOf(dice, ground);
    const proto = more.proto ?? "udp";
    const asked = `-p ${proto} -m ${proto} --dport ${port}`;
    putFirst(scene.node, ground.plan.family, table, made(asked, scene, ground, port));
    return way(scene, datagram(port, more));
  };
}

/** Something else of a world than rules. */
export function setting(put: (dice: Dice, ground: Ground, scene: Scene, port: number) => Aim[]): Showcase {
  return (port) => (dice, ground) => put(dice, ground, sceneOf(dice, ground), port);
}

/** Puts several into a world; returns what shows them, in turns. */
export function putShowcases(
  dice: Dice,
  ground: Ground,
  meant: readonly Showcase[],
  each: number = AIMS_EACH,
): Aim[] {
  const aims = meant.map((showcase, i) => {
    const all = showcase(FIRST_PORT + i)(dice, ground);
    return Array.from({ length: all.length === 0 ? 0 : each }, (_, k) => all[k % all.length] as Aim);
  });
  return Array.from({ length: each }, (_, turn) => aims.flatMap((own) => own[turn] ?? [])).flat();
}

/** Those that a world of a round has: each has its turn, a few at a time. */
export function inTurn(all: readonly Showcase[], round: number): Showcase[] {
  return Array.from({ length: Math.min(SEVERAL, all.length) }, (_, i) => {
    return all[(round * SEVERAL + i) % all.length] as Showcase;
  });
}
