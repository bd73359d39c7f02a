import {
  type Fields,
  flag,
  list,
  names,
  object,
  optional,
  required,
  text,
  texts,
  word,
} from "./field-table.ts";

/** The fields of every object's metadata, of label selectors, and of references to objects. */
export const METADATA: Fields = {
  ...optional({
    name: text,
    namespace: text,
    generateName: text,
    labels: texts,
    annotations: texts,
    uid: text,
    ownerReferences: list(
      object({
        ...required({ kind: text, name: text }),
        ...optional({ apiVersion: text, uid: text, controller: flag, blockOwnerDeletion: flag }),
      }),
    ),
  }),
  ...names(`resourceVersion generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds
    finalizers managedFields selfLink clusterName initializers`),
};

export const LABEL_SELECTOR: Fields = optional({
  matchLabels: texts,
  matchExpressions: list(
    object({
      ...required({ key: text, operator: word("In", "NotIn", "Exists", "DoesNotExist") }),
      ...optional({ values: list(text) }),
    }),
  ),
});

export const OBJECT_REFERENCE: Fields = names("apiVersion fieldPath kind name namespace resourceVersion uid");
