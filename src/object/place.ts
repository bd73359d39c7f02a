/** Where an object, or what it was made from, was read. */
export interface Place {
  readonly file: string;
  /** Counted from 1 within the file; documents that hold nothing are not counted. */
  readonly document: number;
  /** Line in the file, from 1, where one is known. */
  readonly line: number | null;
  /** The controller that made the object from the one at this place; null for what was read as it is. */
  readonly by: string | null;
  /** Line of a field of the object, or of the nearest field around it; absent for what no text was read for. */
  readonly lineOf?: (path: FieldPath) => number | null;
}

/** Path of a field: keys and list positions from the top of a document. */
export type FieldPath = readonly (string | number)[];

/** `spec.ports[0].port`, `metadata.labels["app.kubernetes.io/name"]`. */
export function formatFieldPath(path: FieldPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[\w-]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** `file:line` where the line is known, else `file`, with the document where there are several. */
export function formatPlace({ file, document, line }: Place): string {
  if (line !== null) return `${file}:${line}`;
  return document > 1 ? `${file} (document ${document})` : file;
}

/** The place of what a controller makes from an object. The line is looked up only when somebody asks. */
export function madeBy(by: string, from: Place): Place {
  return {
    file: from.file,
    document: from.document,
    get line() {
      return from.line;
    },
    by,
  };
}
