/** What a plugin prints instead of a result, and exits 1 with. */
export interface CniError {
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

/** Codes of the CNI specification; everything that a plugin finds by itself is 999, as the reference plugins have it. */
export const ERROR_CODE = {
  incompatibleVersion: 1,
  unknownContainer: 3,
  badEnvironment: 4,
  decoding: 6,
  badConfig: 7,
  notAvailable: 50,
  plugin: 999,
} as const;

/**
 * How a plugin gives up in the middle of its work. It never leaves this room: the door (`run-plugin.ts`, `runtime.ts`)
 * turns it into a value. What was done before stays done, as with the real plugins.
 */
export class CniFailure extends Error {
  readonly error: CniError;

  constructor(error: CniError) {
    super(error.msg);
    this.error = error;
  }
}

/** A plugin's own complaint. */
export function fail(msg: string): never {
  throw new CniFailure({ code: ERROR_CODE.plugin, msg });
}

export function failWith(code: number, msg: string, details?: string): never {
  throw new CniFailure(details === undefined ? { code, msg } : { code, msg, details });
}
