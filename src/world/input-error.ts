/**
 * A mistake in what the user gave: what, where, and what would be right, in one line. Values, not exceptions; the command
 * line prints them and exits with 2.
 */
export interface InputError {
  readonly file: string;
  /** Line in the file, from 1, where one is known. */
  readonly line: number | null;
  /** Path of the field, such as `hosts.node1.links[2].mtu`, where one is known. */
  readonly field: string | null;
  /** What is wrong and what would be right, without a final full stop. */
  readonly message: string;
}

/** `file:line: field: message` with what is known. */
export function formatInputError(error: InputError): string {
  const place = error.line === null ? error.file : `${error.file}:${error.line}`;
  return error.field === null ? `${place}: ${error.message}` : `${place}: ${error.field}: ${error.message}`;
}
