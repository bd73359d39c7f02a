import type { ArgumentReader } from "./arguments.ts";

/** A set by name, and from which side of the packet each of its dimensions is taken. */
export interface SetReference {
  readonly set: string;
  readonly dimensions: readonly SetSide[];
}

export type SetSide = "src" | "dst";

/** `IPSET_MAXNAMELEN`, less the final zero. */
const MAX_NAME = 31;
/** `IPSET_DIM_MAX`. */
const MAX_DIMENSIONS = 6;

/** `name src,dst` */
export function readSetReference(reader: ArgumentReader): SetReference {
  const set = reader.word("the name of a set");
  if (set.length > MAX_NAME)
    reader.failValue(`the name ${JSON.stringify(set)} is longer than ${MAX_NAME} characters`);
  const sides = reader.word("src or dst for each dimension of the set").split(",");
  const dimensions = sides.map((side): SetSide => {
    if (side !== "src" && side !== "dst") {
      reader.failValue(`${JSON.stringify(side)} is neither src nor dst`);
      return "src";
    }
    return side;
  });
  if (dimensions.length > MAX_DIMENSIONS) reader.failValue(`a set has at most ${MAX_DIMENSIONS} dimensions`);
  return { set, dimensions };
}

export function formatSetReference({ set, dimensions }: SetReference): string {
  return `${set} ${dimensions.join(",")}`;
}
