import type { KubernetesObject } from "../../src/object/kubernetes-object.ts";
import { ObjectMap } from "../../src/object/object-map.ts";
import { readObjects } from "../../src/object/read-object.ts";
import { readDocuments } from "../../src/object/text-documents.ts";
import { formatInputError, type InputError } from "../../src/world/input-error.ts";

/** What a text gives: its objects, and every error and warning as the command line prints it. */
export interface ReadText {
  readonly objects: KubernetesObject[];
  readonly map: ObjectMap;
  readonly errors: string[];
  readonly warnings: string[];
}

export function readText(text: string, file = "a.yaml"): ReadText {
  const documents = readDocuments(file, text);
  const findings: { errors: InputError[]; warnings: InputError[] } = {
    errors: [...documents.errors],
    warnings: [...documents.warnings],
  };
  const objects = documents.documents.flatMap((document) => readObjects(document, findings));
  return {
    objects,
    map: new ObjectMap(objects),
    errors: findings.errors.map(formatInputError),
    warnings: findings.warnings.map(formatInputError),
  };
}
