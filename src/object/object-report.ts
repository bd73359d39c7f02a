import type { InputError } from "../world/input-error.ts";
import { describeObject, type KubernetesObject } from "./kubernetes-object.ts";
import { type FieldPath, formatFieldPath } from "./place.ts";
import type { TextDocument } from "./yaml.ts";

/** What was found wrong in an input: errors, with which nothing can be built, and warnings. */
export interface Findings {
  readonly errors: InputError[];
  readonly warnings: InputError[];
}

/** What is wrong with a field of an object that was read before. */
export function finding(object: KubernetesObject, field: string, message: string): InputError {
  const { file, line } = object.place;
  return { file, line, field: `${describeObject(object)} ${field}`, message };
}

/** Reports what is wrong with one object, each with the line of its field. */
export class ObjectReport {
  readonly #document: TextDocument;
  readonly #base: FieldPath;
  readonly #name: string;
  readonly #findings: Findings;

  /** `base` is where the object stands in its document: `["items", 3]` in a List. */
  constructor(document: TextDocument, base: FieldPath, name: string, findings: Findings) {
    this.#document = document;
    this.#base = base;
    this.#name = name;
    this.#findings = findings;
  }

  error(path: FieldPath, message: string): void {
    this.#findings.errors.push(this.#finding(path, message));
  }

  warning(path: FieldPath, message: string): void {
    this.#findings.warnings.push(this.#finding(path, message));
  }

  lineOf(path: FieldPath): number | null {
    return this.#document.lineOf([...this.#base, ...path]);
  }

  #finding(path: FieldPath, message: string): InputError {
    const field = path.length === 0 ? this.#name : `${this.#name} ${formatFieldPath(path)}`;
    return { file: this.#document.file, line: this.lineOf(path), field, message };
  }
}
