/** What a command ends with: a public promise. */
export const EXIT = {
  /** Every outcome arrives and is answered. */
  ok: 0,
  /** Some outcome does not; a probe disagrees. */
  negative: 1,
  /** The question or the input was wrong. */
  wrong: 2,
  /** A mistake in the program. */
  internal: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
